import { homedir, release } from 'node:os';
import path from 'node:path';
import { Command, Option } from 'commander';
import { forwardSpecs, loginOptions } from '../../app/compose.ts';
import { completePlan } from '../../app/plan.ts';
import { type CheckDeps, type CheckListener, type CheckPlan, check as runCheck } from '../../check/check.ts';
import type { Findings } from '../../check/report.ts';
import { GatewayError } from '../../core/errors.ts';
import { escapeJson } from '../../core/text/control-characters.ts';
import { createLogger } from '../../log/logger.ts';
import { addSourceArguments, readSource } from '../args/source.ts';
import {
  type CheckStyle,
  forwardHeading,
  serverHeading,
  stepLines,
  verdict,
} from '../display/check-lines.ts';
import { isUnicodeLocale } from '../display/forward-lines.ts';
import { Ending } from '../serve/ending.ts';
import { EXIT, tellFailure } from '../serve/failure.ts';
import type { World } from '../world.ts';
import type { Subcommand } from './subcommand.ts';

/** The version of the `--json` format. It goes up when a reader of the old format would no longer understand it. */
const FORMAT = 1;
const DEFAULT_TIMEOUT = 30;
/** Columns where the output is no terminal, or one that does not know its size. */
const DEFAULT_WIDTH = 80;

interface Flags {
  ftpLogin?: string;
  json?: true;
  timeout: number;
}

/** `sshferry check`: logs in, tries each forward end to end, says what works and what to mend. */
export const check: Subcommand = {
  name: 'check',
  define: () =>
    addSourceArguments(
      new Command('check').description('try each forward end to end; say what works and what to mend'),
    )
      .addOption(new Option('--ftp-login <user>', 'log in to FTP servers too; left out: as ~/.netrc says'))
      .addOption(new Option('--json', 'print one JSON object'))
      .addOption(
        new Option('--timeout <seconds>', 'how long a server may take to answer')
          .argParser(seconds)
          .default(DEFAULT_TIMEOUT),
      )
      .addHelpText(
        'after',
        '\nExit status: 0 all works, 1 a forward does not, 2 usage, 130 broken off,\n255 no SSH login.',
      ),
  run: async (command, world) => {
    const draft = await readSource(command, world);
    const { level, format = 'pretty' } = draft.config.log;
    const flags = command.opts<Flags>();
    // What goes wrong is told by the steps.
    const log = createLogger(world.stderr, {
      level: level === 'info' ? 'error' : level,
      format,
      unicode: isUnicodeLocale(world.env, world.platform),
    });
    for (const note of [...world.facts, ...draft.notes]) log.debug({ event: 'note' }, note);
    const local = await world.local(draft.config.localUsers, log);
    const { config, logins } = await completePlan(draft, world, log);
    const plan: CheckPlan = {
      servers: loginOptions(config, logins),
      forwards: forwardSpecs(config, logins, world.plugins),
    };
    const deps: Omit<CheckDeps, 'signal'> = {
      local,
      log,
      connect: (server, options, prompter, progress) =>
        world.connect(options, log.child({ server }), { prompter, progress }),
      prompter: world.prompter(),
      ftpUser: flags.ftpLogin ?? null,
      netrc: world.env.NETRC || path.join(world.env.HOME || homedir(), '.netrc'),
      timeout: flags.timeout * 1000,
      own: world.script,
    };
    return checkUntilEnd(plan, deps, world, flags.json === true);
  },
};

/** Checks, unless a signal comes first; gives the exit status. */
async function checkUntilEnd(
  plan: CheckPlan,
  deps: Omit<CheckDeps, 'signal'>,
  world: World,
  json: boolean,
): Promise<number> {
  const ending = new Ending(world.process);
  const abort = new AbortController();
  void ending.first.then(() => abort.abort(new GatewayError('STOPPED', 'the check was broken off')));
  const listener = json ? SILENT : printer(world);
  try {
    const checked = runCheck(plan, { ...deps, signal: abort.signal }, listener);
    const broken = ending.second.then(() => null);
    const findings = await Promise.race([checked, broken]);
    if (findings === null) return EXIT.interrupted;
    world.stdout.write(
      json
        ? `${escapeJson(JSON.stringify(reportOf(findings, world), null, 2))}\n`
        : `\n${verdict(findings)}\n`,
    );
    return statusOf(findings);
  } catch (error) {
    if (!ending.begun) throw error;
    const cause = await ending.first;
    if (cause.kind === 'signal') return EXIT.interrupted;
    return tellFailure(cause.error, { stderr: world.stderr, json: null, verbose: true });
  } finally {
    ending.dispose();
  }
}

function statusOf({ works, servers }: Findings): number {
  if (works) return EXIT.stopped;
  return servers.every((server) => server.works) ? EXIT.partly : EXIT.failed;
}

const SILENT: CheckListener = { server() {}, forward() {}, step() {} };

/** Prints each step as it is made. */
function printer({ stdout, env, platform, version }: World): CheckListener {
  const style: CheckStyle = {
    unicode: isUnicodeLocale(env, platform),
    color: Boolean(stdout.isTTY) && !env.NO_COLOR && env.TERM !== 'dumb',
    width: stdout.columns || DEFAULT_WIDTH,
  };
  stdout.write(`sshferry ${version}, Node.js ${process.version}, ${system(platform)}\n`);
  return {
    server: (server) => stdout.write(`\n${serverHeading(server)}\n`),
    forward: (forward) => stdout.write(`\n${forwardHeading(forward, style)}\n`),
    step: (step) =>
      stdout.write(
        stepLines(step, style)
          .map((line) => `${line}\n`)
          .join(''),
      ),
  };
}

function reportOf(findings: Findings, { version, platform, facts }: World) {
  return {
    format: FORMAT,
    sshferry: version,
    node: process.version,
    system: system(platform),
    facts,
    ...findings,
  };
}

function system(platform: NodeJS.Platform): string {
  return `${platform} ${release()} ${process.arch}`;
}

function seconds(text: string): number {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= 3600) return value;
  throw new GatewayError('CONFIG_INVALID', `--timeout ${text}: expected a number of seconds from 1 to 3600`);
}

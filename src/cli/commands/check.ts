import { homedir, release } from 'node:os';
import path from 'node:path';
import { Command, Option } from 'commander';
import { forwardSpecs, loginOptions } from '../../app/compose.ts';
import { resolveConfig } from '../../app/run-request.ts';
import { type CheckDeps, type CheckListener, type CheckPlan, check as runCheck } from '../../check/check.ts';
import type { Findings } from '../../check/report.ts';
import { GatewayError } from '../../core/errors.ts';
import { escapeJson } from '../../core/text/control-characters.ts';
import { createLogger } from '../../log/logger.ts';
import { addSourceArguments, readSource } from '../args/source.ts';
import { forwardHeading, serverHeading, stepLines, verdict } from '../display/check-lines.ts';
import { isUnicodeLocale, type TerminalStyle } from '../display/terminal-style.ts';
import type { Environment } from '../environment.ts';
import { EXIT, reportFailure } from '../serve/failure.ts';
import { ShutdownCauses } from '../serve/shutdown-causes.ts';
import type { Subcommand } from './subcommand.ts';

/**
 * The version of the `--json` format. It goes up when a reader of the old format would no longer
 * understand it.
 */
const FORMAT = 1;
const DEFAULT_TIMEOUT = 30;
/** Columns of an output that is not a terminal, or whose size is unknown. */
const DEFAULT_WIDTH = 80;

interface Flags {
  ftpLogin?: string;
  json?: true;
  writeTest?: true;
  timeout: number;
}

/**
 * `sshferry check`: logs in, tests each forward end to end, and reports what works and how to fix
 * the rest.
 */
export const check: Subcommand = {
  name: 'check',
  define: () =>
    addSourceArguments(
      new Command('check').description(
        'test each forward end to end; report what works and how to fix the rest',
      ),
    )
      .addOption(new Option('--ftp-login <user>', 'log in to FTP servers too (default: as in ~/.netrc)'))
      .addOption(
        new Option('--write-test', 'with an FTP login or a folder: write, read back and remove a small file'),
      )
      .addOption(new Option('--json', 'print one JSON object'))
      .addOption(
        new Option('--timeout <seconds>', 'how long a server may take to answer')
          .argParser(seconds)
          .default(DEFAULT_TIMEOUT),
      )
      .addHelpText(
        'after',
        '\nExit status: 0 all forwards work, 1 a forward fails, 2 usage, 130 interrupted,\n255 SSH login failed.',
      ),
  run: async (command, environment) => {
    const draft = await readSource(command, environment);
    const { level, format = 'pretty' } = draft.config.log;
    const flags = command.opts<Flags>();
    // The steps report failures; the log need not.
    const log = createLogger(environment.stderr, {
      level: level === 'info' ? 'error' : level,
      format,
      unicode: isUnicodeLocale(environment.env, environment.platform),
    });
    for (const note of [...environment.facts, ...draft.notes]) log.debug({ event: 'note' }, note);
    const local = await environment.local(draft.config.localUsers, log);
    const { config, logins } = await resolveConfig(draft, environment, log);
    const plan: CheckPlan = {
      servers: loginOptions(config, logins),
      forwards: forwardSpecs(config, logins, environment.plugins, environment.env),
    };
    const deps: Omit<CheckDeps, 'signal'> = {
      local,
      log,
      connect: (server, options, prompter, progress) =>
        environment.connect(options, log.child({ server }), { prompter, progress }),
      prompter: environment.prompter(),
      targetUser: flags.ftpLogin ?? null,
      netrc: environment.env.NETRC || path.join(environment.env.HOME || homedir(), '.netrc'),
      writes: flags.writeTest === true,
      timeout: flags.timeout * 1000,
      own: environment.script,
    };
    return checkUntilEnd(plan, deps, environment, flags.json === true);
  },
};

/** Checks until done or until a signal arrives. Returns the exit status. */
async function checkUntilEnd(
  plan: CheckPlan,
  deps: Omit<CheckDeps, 'signal'>,
  environment: Environment,
  json: boolean,
): Promise<number> {
  const shutdown = new ShutdownCauses(environment.process);
  const abort = new AbortController();
  void shutdown.first.then(() => abort.abort(new GatewayError('STOPPING', 'the check was interrupted')));
  const listener = json ? SILENT : printer(environment);
  try {
    const checked = runCheck(plan, { ...deps, signal: abort.signal }, listener);
    const broken = shutdown.second.then(() => null);
    const findings = await Promise.race([checked, broken]);
    if (findings === null) return EXIT.interrupted;
    environment.stdout.write(
      json
        ? `${escapeJson(JSON.stringify(reportOf(findings, environment), null, 2))}\n`
        : `\n${verdict(findings)}\n`,
    );
    return statusOf(findings);
  } catch (error) {
    if (!shutdown.begun) throw error;
    const cause = await shutdown.first;
    if (cause.kind === 'signal') return EXIT.interrupted;
    return reportFailure(cause.error, { stderr: environment.stderr, json: null, verbose: true });
  } finally {
    shutdown.dispose();
  }
}

function statusOf({ works, servers }: Findings): number {
  if (works) return EXIT.stopped;
  return servers.every((server) => server.works) ? EXIT.partly : EXIT.failed;
}

const SILENT: CheckListener = { server() {}, forward() {}, step() {} };

/** Returns a listener that prints each step when it is done. */
function printer({ stdout, env, platform, version }: Environment): CheckListener {
  const style: TerminalStyle = {
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

function reportOf(findings: Findings, { version, platform, facts }: Environment) {
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

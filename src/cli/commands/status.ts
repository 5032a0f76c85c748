import { Command, Option } from 'commander';
import { GatewayError } from '../../core/errors.ts';
import { escapeControls, escapeJson } from '../../core/text/control-characters.ts';
import { askStatus, findRunning } from '../../status/client.ts';
import type { Status, StatusReport } from '../../status/schema.ts';
import { lookOf } from '../display/look.ts';
import { statusLines } from '../display/status-lines.ts';
import { EXIT } from '../serve/failure.ts';
import type { World } from '../world.ts';
import type { Subcommand } from './subcommand.ts';
import { watch } from './watch.ts';

interface Flags {
  json?: true;
  watch?: true;
  ready?: true;
}

/** `sshferry status`: what this user's running sshferrys are doing. */
export const status: Subcommand = {
  name: 'status',
  define: () =>
    new Command('status')
      .description('what a running sshferry is doing')
      .argument('[pid]', 'only the one with this process id')
      .addOption(new Option('--json', 'one JSON object; with --watch one a line'))
      .addOption(new Option('--watch', 'a view that is kept up to date; q ends it'))
      .addOption(new Option('--ready', 'exit status 1 unless every server is connected').conflicts('watch'))
      .addHelpText('after', '\nExit status: 0 shown, 1 no sshferry is running, or not --ready, 2 usage.'),
  run: async (command, world) => {
    const { json = false, watch: watching = false, ready = false } = command.opts<Flags>();
    const pid = readPid('status', command.args[0]);
    const { running: found, silent } = await askRunning(world);
    const wanted = found.filter((each) => pid === null || each.status.pid === pid);
    if (wanted.length === 0) {
      const which =
        pid === null ? 'no sshferry of yours is running' : `no sshferry of yours has process id ${pid}`;
      const others = found.length > 0 ? `; running: ${found.map((each) => each.status.pid).join(', ')}` : '';
      if (json) world.stdout.write(reportLine([]));
      else world.stderr.write(`sshferry: ${which}${others}\n`);
      return EXIT.absent;
    }
    if (watching) return watch(wanted, { json }, world);
    const statuses = wanted.map((each) => each.status);
    if (json) world.stdout.write(reportLine(statuses));
    else world.stdout.write(reportText(statuses, world));
    // One that does not answer is not ready, unless another one was asked for.
    const allReady = statuses.every(isReady) && (silent === 0 || pid !== null);
    return ready && !allReady ? EXIT.absent : EXIT.stopped;
  },
};

/** A running sshferry, and where to ask it. */
export interface Running {
  readonly path: string;
  readonly status: Status;
}

/** Whether clients can be served: all that is forwarded listens, which it does after the first logins, and no server is away. */
function isReady({ servers, forwards }: Status): boolean {
  return forwards.length > 0 && servers.every(({ state }) => state === 'ready');
}

/** What `--json` prints, with its line end. */
export function reportLine(running: readonly Status[]): string {
  const report: StatusReport = { format: 1, running: [...running] };
  return `${escapeJson(JSON.stringify(report))}\n`;
}

/** For people, and for what is no terminal. */
export function reportText(statuses: readonly Status[], world: World): string {
  const look = lookOf(world.stdout, world);
  return statuses.map((each) => `${statusLines(each, look).join('\n')}\n`).join('\n');
}

/** Asks this user's running sshferrys: those that answer, the oldest first, and how many do not, which standard error explains. */
export async function askRunning(world: World): Promise<{ running: Running[]; silent: number }> {
  const paths = await findRunning(world);
  const answers = await Promise.allSettled(
    paths.map(async (path): Promise<Running> => ({ path, status: await askStatus(path) })),
  );
  const running: Running[] = [];
  for (const answer of answers) {
    if (answer.status === 'fulfilled') running.push(answer.value);
    else world.stderr.write(`sshferry: a running sshferry does not answer: ${messageOf(answer.reason)}\n`);
  }
  running.sort((a, b) => a.status.started.localeCompare(b.status.started));
  return { running, silent: answers.length - running.length };
}

function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return escapeControls(text.split('\n', 1)[0] ?? '');
}

/** The process id that a subcommand was given; null for none. Throws `CONFIG_INVALID`. */
export function readPid(subcommand: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new GatewayError(
    'CONFIG_INVALID',
    `${subcommand} ${text}: expected a process id, or nothing for all of them`,
  );
}

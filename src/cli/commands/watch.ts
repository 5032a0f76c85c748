import { watchStatus } from '../../status/client.ts';
import type { Status } from '../../status/schema.ts';
import { FullScreen } from '../display/full-screen.ts';
import { statusLines } from '../display/status-lines.ts';
import { isLive, terminalStyle } from '../display/terminal-style.ts';
import { unblocked } from '../display/unblocked.ts';
import type { Environment } from '../environment.ts';
import { EXIT, reportFailure } from '../serve/failure.ts';
import { ShutdownCauses } from '../serve/shutdown-causes.ts';
import { type Running, reportLine, reportText } from './running.ts';

/** How often the view is updated, in milliseconds. */
const PERIOD = 1000;
/** How many rates the sparkline shows at most. */
const HISTORY = 120;

/** One watched sshferry. */
interface Watched {
  status: Status;
  /** The status that the next rate is computed from. */
  base: Status;
  /** Bytes per second over all forwards, the latest last. */
  readonly throughput: number[];
}

/**
 * Shows what these processes are doing, until the person quits, the reader closes the output, or
 * all processes have ended. On a terminal it is a full screen; otherwise each update is printed
 * below the last. Returns the exit status.
 */
export async function watch(
  running: readonly Running[],
  { json }: { json: boolean },
  environment: Environment,
): Promise<number> {
  const { stderr, env } = environment;
  const stdout = unblocked(environment.stdout);
  const watched = new Map<string, Watched>(
    running.map(({ path, status }) => [path, { status, base: status, throughput: [] }]),
  );
  const statuses = () => [...watched.values()].map(({ status }) => status);
  const shutdown = new ShutdownCauses(environment.process);
  const abort = new AbortController();
  void shutdown.first.then(() => abort.abort());
  const full = !json && isLive(stdout, env);
  const show = () => {
    if (full && stdout.pending > 0) return;
    if (full) screen.draw(screenLines([...watched.values()], environment));
    else stdout.write(json ? reportLine(statuses()) : `${reportText(statuses(), environment)}\n`);
  };
  const screen = new FullScreen(stdout, environment.stdin, {
    redraw: show,
    quit: () => shutdown.add({ kind: 'signal', signal: 'SIGINT' }),
    suspend: () => process.kill(process.pid, 'SIGTSTP'),
  });
  const goOn = () => {
    screen.enter();
    show();
  };
  const unread = () => shutdown.add({ kind: 'signal', signal: 'SIGPIPE' });
  stdout.on?.('error', unread);
  if (full) {
    screen.enter();
    environment.process.on('SIGCONT', goOn);
  }
  const follow = async (path: string, each: Watched) => {
    for await (const status of watchStatus(path, PERIOD, abort.signal)) {
      note(each, status);
      show();
    }
    watched.delete(path);
  };
  try {
    await Promise.all([...watched].map(([path, each]) => follow(path, each)));
  } finally {
    abort.abort();
    environment.process.off('SIGCONT', goOn);
    screen.leave();
    stdout.off?.('error', unread);
    shutdown.dispose();
  }
  const cause = shutdown.begun ? await shutdown.first : null;
  if (cause?.kind === 'crash') return reportFailure(cause.error, { stderr, json: null, verbose: true });
  if (cause === null && !json) stderr.write('sshferry: the watched process has ended\n');
  return EXIT.stopped;
}

function note(each: Watched, status: Status): void {
  each.status = status;
  const bytes = ({ totals }: Status) => totals.bytesUp + totals.bytesDown;
  const ms = Date.parse(status.now) - Date.parse(each.base.now);
  // The first two statuses follow each other immediately.
  if (ms < PERIOD / 2) return;
  each.throughput.push(Math.max(0, ((bytes(status) - bytes(each.base)) * 1000) / ms));
  if (each.throughput.length > HISTORY) each.throughput.shift();
  each.base = status;
}

function screenLines(watched: readonly Watched[], environment: Environment): string[] {
  const style = terminalStyle(environment.stdout, environment);
  return watched.flatMap(({ status, throughput }, index) => [
    ...(index > 0 ? [''] : []),
    ...statusLines(status, style, throughput),
  ]);
}

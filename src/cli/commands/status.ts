import { Command, Option } from 'commander';
import { GatewayError } from '../../core/errors.ts';
import type { Status } from '../../status/schema.ts';
import { EXIT } from '../serve/failure.ts';
import { askRunning, reportLine, reportText } from './running.ts';
import type { Subcommand } from './subcommand.ts';
import { watch } from './watch.ts';

interface Flags {
  json?: true;
  watch?: true;
  ready?: true;
}

/** `sshferry status`: shows what this user's sshferry processes are doing. */
export const status: Subcommand = {
  name: 'status',
  define: () =>
    new Command('status')
      .description('show what a running sshferry is doing')
      .argument('[pid]', 'process id (default: all)')
      .addOption(new Option('--json', 'print one JSON object; with --watch, one per line'))
      .addOption(new Option('--watch', 'keep the view up to date; q quits'))
      .addOption(new Option('--ready', 'exit status 1 unless every server is connected').conflicts('watch'))
      .addHelpText('after', '\nExit status: 0 shown, 1 none is running or not ready (--ready), 2 usage.'),
  run: async (command, environment) => {
    const { json = false, watch: watching = false, ready = false } = command.opts<Flags>();
    const pid = readPid('status', command.args[0]);
    const { running: found, silent } = await askRunning(environment);
    const wanted = found.filter((each) => pid === null || each.status.pid === pid);
    if (wanted.length === 0) {
      const which =
        pid === null ? 'no sshferry of yours is running' : `no sshferry of yours has process id ${pid}`;
      const others = found.length > 0 ? `; running: ${found.map((each) => each.status.pid).join(', ')}` : '';
      if (json) environment.stdout.write(reportLine([]));
      else environment.stderr.write(`sshferry: ${which}${others}\n`);
      return EXIT.absent;
    }
    if (watching) return watch(wanted, { json }, environment);
    const statuses = wanted.map((each) => each.status);
    if (json) environment.stdout.write(reportLine(statuses));
    else environment.stdout.write(reportText(statuses, environment));
    // A process that does not answer is not ready, unless the pid names another one.
    const allReady = statuses.every(isReady) && (silent === 0 || pid !== null);
    return ready && !allReady ? EXIT.absent : EXIT.stopped;
  },
};

/**
 * Whether sshferry can serve clients: all forwards listen, which they do after the first logins,
 * and every server is connected.
 */
function isReady({ servers, forwards }: Status): boolean {
  return forwards.length > 0 && servers.every(({ state }) => state === 'ready');
}

/**
 * Returns the process id that is the argument of a subcommand; null without one. Throws
 * `CONFIG_INVALID`.
 */
export function readPid(subcommand: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new GatewayError(
    'CONFIG_INVALID',
    `${subcommand} ${text}: expected a process id, or no argument for all`,
  );
}

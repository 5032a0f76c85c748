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
    // One that does not answer is not ready, unless another one was asked for.
    const allReady = statuses.every(isReady) && (silent === 0 || pid !== null);
    return ready && !allReady ? EXIT.absent : EXIT.stopped;
  },
};

/** Whether clients can be served: all that is forwarded listens, which it does after the first logins, and no server is away. */
function isReady({ servers, forwards }: Status): boolean {
  return forwards.length > 0 && servers.every(({ state }) => state === 'ready');
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

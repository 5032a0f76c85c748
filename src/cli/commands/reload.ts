import { Command } from 'commander';
import { escapeControls, escapeLines } from '../../core/text/control-characters.ts';
import { askReload } from '../../status/client.ts';
import { NO_FILE } from '../../status/protocol.ts';
import { EXIT } from '../serve/failure.ts';
import { askRunning } from './running.ts';
import { readPid } from './status.ts';
import type { Subcommand } from './subcommand.ts';

/** `sshferry reload`: makes running `sshferry up` processes read their config file again. */
export const reloadRunning: Subcommand = {
  name: 'reload',
  define: () =>
    new Command('reload')
      .description('apply a changed config file to a running sshferry up')
      .argument('[pid]', 'process id (default: all)')
      .addHelpText('after', '\nExit status: 0 applied, 1 none is running, 2 invalid file, nothing changed.'),
  run: async (command, environment) => {
    const pid = readPid('reload', command.args[0]);
    const all = (await askRunning(environment)).running;
    const running = all.filter(({ status }) => pid === null || status.pid === pid);
    let reloaded = 0;
    let failed = 0;
    for (const { path, status } of running) {
      try {
        for (const line of await askReload(path))
          environment.stdout.write(`${status.pid}: ${escapeControls(line)}\n`);
        reloaded += 1;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        // Without a pid, processes that have no config file are skipped.
        if (message === NO_FILE && pid === null) continue;
        failed += 1;
        environment.stderr.write(`sshferry: ${status.pid}: nothing was changed: ${escapeLines(message)}\n`);
      }
    }
    if (failed > 0) return EXIT.usage;
    if (reloaded > 0) return EXIT.stopped;
    const which = pid === null ? '' : ` with process id ${pid}`;
    environment.stderr.write(`sshferry: no sshferry up of yours${which} is running\n`);
    return EXIT.absent;
  },
};

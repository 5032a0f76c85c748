import { Command, Option } from 'commander';
import { GatewayError } from '../../core/errors.ts';
import { escapeControls } from '../../core/text/control-characters.ts';
import { counted } from '../../core/text/units.ts';
import { stopRunning } from '../../status/client.ts';
import type { Status } from '../../status/schema.ts';
import type { Environment } from '../environment.ts';
import { EXIT } from '../serve/failure.ts';
import { askRunning, type Running } from './running.ts';
import type { Subcommand } from './subcommand.ts';

/** `sshferry stop`: ends running sshferry processes, as SIGTERM does. */
export const stop: Subcommand = {
  name: 'stop',
  define: () =>
    new Command('stop')
      .description('end a running sshferry after its clients have finished')
      .argument('[pid|name]', 'process id, or a name of its servers or forwards (default: the only one)')
      .addOption(new Option('--all', 'end all of yours'))
      .addHelpText('after', '\nExit status: 0 ended, 1 none is running or it did not end, 2 usage.'),
  run: async (command, environment) => {
    const { all = false } = command.opts<{ all?: true }>();
    const [word] = command.args;
    if (all && word !== undefined)
      throw new GatewayError('CONFIG_INVALID', `stop --all ${word}: use one of them`);
    const { running } = await askRunning(environment);
    const wanted = running.filter(({ status }) => word === undefined || isMeant(status, word));
    if (wanted.length === 0) {
      const which =
        word === undefined ? '' : /^\d+$/.test(word) ? ` with process id ${word}` : ` named ${word}`;
      environment.stderr.write(`sshferry: no sshferry of yours${escapeControls(which)} is running\n`);
      return EXIT.absent;
    }
    if (wanted.length > 1 && !all) {
      const list = wanted.map(({ status }) => escapeControls(describe(status))).join(', ');
      throw new GatewayError('CONFIG_INVALID', `stop: several sshferry processes are running: ${list}`, {
        hint: 'pass a process id, or --all',
      });
    }
    const ended = await Promise.all(wanted.map((each) => stopOne(each, environment)));
    return ended.every(Boolean) ? EXIT.stopped : EXIT.absent;
  },
};

function isMeant({ pid, servers, forwards }: Status, word: string): boolean {
  if (/^\d+$/.test(word)) return pid === Number(word);
  return (
    forwards.some(({ name }) => name === word) ||
    servers.some(({ name, label }) => [name, label, label.replace(/^.*@/, '')].includes(word))
  );
}

function describe({ pid, servers }: Status): string {
  return `${pid} (${servers.map(({ label }) => label).join(', ')})`;
}

/** Stops one process, and reports how far it is. Returns whether it has ended. */
async function stopOne(
  { path, status: { pid } }: Running,
  { stdout, stderr }: Environment,
): Promise<boolean> {
  try {
    await stopRunning(path, ({ clients, seconds }) => {
      if (seconds > 0)
        stdout.write(`${pid}: ${counted(clients, 'client')} connected, up to ${seconds} s to finish\n`);
    });
    stdout.write(`${pid}: stopped\n`);
    return true;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    stderr.write(`sshferry: ${pid}: not stopped: ${escapeControls(why)}\n`);
    return false;
  }
}

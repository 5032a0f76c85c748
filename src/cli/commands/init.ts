import { existsSync } from 'node:fs';
import { link, open, rename, unlink } from 'node:fs/promises';
import path from 'node:path';
import { Command } from 'commander';
import { formatMistakes, readConfigText } from '../../config/diagnose.ts';
import { FILE_NAME } from '../../config/file.ts';
import { allForwards, inputFromArguments } from '../../config/load.ts';
import { type NewServer, newConfigFile } from '../../config/new-file.ts';
import { GatewayError } from '../../core/errors.ts';
import { escapeControls } from '../../core/text/control-characters.ts';
import { addLogFlags } from '../args/log-flags.ts';
import { addSshFlags, hasSshFlags, readSshArguments } from '../args/ssh-arguments.ts';
import type { Environment } from '../environment.ts';
import type { importedServers } from '../import/imported-servers.ts';
import { EXIT } from '../serve/failure.ts';
import { askForArguments } from './init-questions.ts';
import type { Subcommand } from './subcommand.ts';

/** `sshferry init`: writes a config file. */
export const init: Subcommand = {
  name: 'init',
  define() {
    const command = new Command('init')
      .usage('[options] [-L forward]... [[user@]host]')
      .description('write a config file from your answers or from the arguments of a tunnel')
      .argument('[user@host]')
      .argument('[command...]')
      .configureHelp({ visibleArguments: () => [] })
      .option('-c, --config <file>', `file to write (default: ${FILE_NAME} here)`)
      .option('--from <file>', 'take the tunnels of PuTTY, Tera Term, WinSCP, ssh_config or a script')
      .option('--force', 'overwrite an existing file');
    addSshFlags(command, { without: ['-c'] });
    return addLogFlags(command);
  },
  async run(command, environment) {
    const { config = FILE_NAME, force = false, from } = command.opts<Flags>();
    const file = path.resolve(environment.cwd, config);
    // Before the first question: the answers would be lost.
    if (!force && existsSync(file)) throw notWritten(config, EXISTS);
    if (from !== undefined && (hasSshFlags(command) || command.args.length > 1)) {
      throw new GatewayError('CONFIG_INVALID', '--from takes no options of ssh and no command', {
        hint: 'edit the file that it writes',
      });
    }
    const servers =
      from === undefined
        ? [await newServer(command, environment)]
        : await imported(from, command.args[0] ?? null, environment);
    const text = newConfigFile(servers, environment.plugins, environment.schemaFile);
    const reading = readConfigText(text, environment.plugins);
    if ('mistakes' in reading)
      throw new GatewayError('CONFIG_FILE', formatMistakes(config, text, reading.mistakes));
    await writeNew(file, text, { force, shown: config });
    environment.stdout.write(
      `${escapeControls(config)} is written. Try it: sshferry check${argument(command)}, then sshferry up${argument(command)}\n`,
    );
    return EXIT.stopped;
  },
};

interface Flags {
  config?: string;
  force?: boolean;
  from?: string;
}

/** Returns the servers of another program's settings. Only this command loads their readers. */
async function imported(...args: Parameters<typeof importedServers>): Promise<readonly NewServer[]> {
  const { importedServers } = await import('../import/imported-servers.ts');
  return importedServers(...args);
}

/** Returns the server and forwards of the arguments, or of a person's answers. */
async function newServer(command: Command, environment: Environment): Promise<NewServer> {
  const asked = command.args.length === 0 && !hasSshFlags(command);
  const args = asked ? await askForArguments(environment) : readSshArguments(command).args;
  if (allForwards(args).length === 0) {
    throw new GatewayError('CONFIG_INVALID', 'nothing to forward', {
      hint: 'add -L, such as sshferry init -L 8021:localhost:21 you@yourserver.example.com',
    });
  }
  return { input: inputFromArguments(args, environment.plugins) };
}

function argument(command: Command): string {
  const { config } = command.opts<Flags>();
  return config === undefined ? '' : ` -c ${escapeControls(config)}`;
}

/**
 * Writes the whole file or nothing, readable by the own user only. Overwrites an existing file only
 * with `force`.
 */
async function writeNew(
  file: string,
  text: string,
  { force, shown }: { force: boolean; shown: string },
): Promise<void> {
  const draft = `${file}.${process.pid}.tmp`;
  try {
    const handle = await open(draft, 'wx', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    // Unlike rename, link fails if the file exists.
    if (force) return await rename(draft, file);
    await link(draft, file);
    await unlink(draft);
  } catch (error) {
    await unlink(draft).catch(() => {});
    throw notWritten(shown, whyNot(error as NodeJS.ErrnoException, path.dirname(shown)), error);
  }
}

const EXISTS = 'the file exists; --force overwrites it, -c FILE names another';

function whyNot({ code, message }: NodeJS.ErrnoException, folder: string): string {
  switch (code) {
    case 'EEXIST':
      return EXISTS;
    case 'ENOENT':
      return `the folder ${folder} does not exist; create it with mkdir -p ${folder}`;
    case 'EACCES':
    case 'EROFS':
      return `permission denied in ${folder}; -c FILE names another place`;
    case 'EISDIR':
      return 'it is a directory; -c FILE names the file';
    default:
      return message;
  }
}

function notWritten(shown: string, why: string, cause?: unknown): GatewayError {
  return new GatewayError('CONFIG_INVALID', `cannot write ${shown}: ${why}`, { cause });
}

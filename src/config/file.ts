import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { GatewayError } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';
import { formatMistakes, readConfigText } from './diagnose.ts';
import type { Config, ConfigPlugins } from './schema.ts';

/** What the config file is called where it is looked for. */
export const FILE_NAME = 'sshferry.yaml';

/** Where one stands when a config file is looked for. */
export interface Place {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Where the config file is looked for, in this order: here, then in the person's own configuration. */
export function searchedFiles({ cwd, env }: Place): string[] {
  // The XDG base directory specification: a relative path there is to be ignored.
  const xdg = env.XDG_CONFIG_HOME;
  const config = xdg && path.isAbsolute(xdg) ? xdg : path.join(env.HOME || os.homedir(), '.config');
  return [path.join(cwd, FILE_NAME), path.join(config, 'sshferry', FILE_NAME)];
}

/**
 * The config file's path: the one given, else the first of `searchedFiles` that exists. Where there is none it rejects with
 * `CONFIG_INVALID`, or gives null if that is `optional`. One that was not named, only found, must be the person's own or
 * root's: it can name programs to run, and a shared directory may hold a stranger's.
 */
export async function findConfigFile(given: string | undefined, place: Place): Promise<string>;
export async function findConfigFile(
  given: string | undefined,
  place: Place,
  options: { optional: boolean },
): Promise<string | null>;
export async function findConfigFile(
  given: string | undefined,
  place: Place,
  { optional = false } = {},
): Promise<string | null> {
  if (given === '')
    throw new GatewayError('CONFIG_INVALID', '-c names no file; expected one, such as sshferry.yaml');
  if (given !== undefined) return path.resolve(place.cwd, given);
  const files = searchedFiles(place);
  for (const file of files) {
    const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
      throw unreadable(file, error);
    });
    if (found === null) continue;
    const me = process.getuid?.();
    if (me !== undefined && found.uid !== me && found.uid !== 0) {
      throw fileError(`${file} belongs to another user; if you trust it, name it: -c ${file}`);
    }
    return file;
  }
  if (optional) return null;
  throw new GatewayError(
    'CONFIG_INVALID',
    `there is no config file: looked for ${files.join(' and ')}; write one with sshferry init, or name one with -c FILE`,
  );
}

/** What a config file says. */
export interface LoadedFile {
  readonly config: Config;
  /** The same as it was written, to tell whether a part of it has changed. */
  readonly input: unknown;
}

/**
 * Reads and checks a config file. Rejects with `CONFIG_FILE`: every mistake with its place in the file, or why it cannot be
 * used at all. `shown` is what messages call it.
 */
export async function loadConfigFile(
  file: string,
  plugins: ConfigPlugins,
  shown = file,
): Promise<LoadedFile> {
  const text = await readText(file, shown);
  const reading = readConfigText(text, plugins);
  if ('config' in reading) return reading;
  throw fileError(formatMistakes(shown, text, reading.mistakes));
}

/** The largest config file that is read, in bytes. */
const MAX_SIZE = 1024 * 1024;

async function readText(file: string, shown: string): Promise<string> {
  try {
    const found = await stat(file);
    if (found.isDirectory()) throw fileError(`${shown} is a directory; expected a file in YAML`);
    if (found.isFile() && (found.mode & 0o002) !== 0 && process.platform !== 'win32') {
      throw fileError(
        `${shown} can be written by every user of this machine, and it can name programs to run; chmod o-w ${shown}`,
      );
    }
    const bytes = await readUpTo(MAX_SIZE + 1, file);
    if (bytes.length > MAX_SIZE) throw fileError(`${shown} is larger than 1 MB; expected a config file`);
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    throw unreadable(shown, error as NodeJS.ErrnoException);
  }
}

/** Not more, also of what tells no size, such as a pipe or /dev/zero. */
async function readUpTo(limit: number, file: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(file, { end: limit - 1 })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function unreadable(file: string, error: NodeJS.ErrnoException): GatewayError {
  switch (error.code) {
    case 'ENOENT':
      return fileError(`${file}: there is no such file; write one with sshferry init`, error);
    case 'EACCES':
      return fileError(`${file}: no permission to read it; chmod u+r ${file}, or run as its owner`, error);
    case 'ERR_ENCODING_INVALID_ENCODED_DATA':
      return fileError(`${file} is not UTF-8 text; save it as UTF-8`, error);
    default:
      return fileError(`${file} cannot be read: ${error.message}`, error);
  }
}

function fileError(message: string, cause?: unknown): GatewayError {
  return new GatewayError('CONFIG_FILE', message, { cause });
}

/**
 * The Config with the named forwards alone (a group's name stands for its forwards; no names for all of them), and the servers
 * that these need. Throws `CONFIG_INVALID` for a name that is neither.
 */
export function selectForwards(config: Config, names: readonly string[], file: string): Config {
  const wanted = new Set(names.length === 0 ? Object.keys(config.forwards) : []);
  for (const name of names) {
    const members = Object.hasOwn(config.forwards, name)
      ? [name]
      : Object.hasOwn(config.groups, name)
        ? config.groups[name]
        : undefined;
    if (members === undefined) {
      const known = [...Object.keys(config.forwards), ...Object.keys(config.groups)];
      throw new GatewayError(
        'CONFIG_INVALID',
        `${file} has no forward or group '${name}'${didYouMean(name, known)}; expected one of ${known.join(', ')}`,
      );
    }
    for (const member of members) wanted.add(member);
  }
  const forwards = Object.entries(config.forwards).filter(([name]) => wanted.has(name));
  const servers = new Set(forwards.map(([, { server }]) => server));
  return {
    ...config,
    forwards: Object.fromEntries(forwards),
    servers: Object.fromEntries(Object.entries(config.servers).filter(([name]) => servers.has(name))),
  };
}

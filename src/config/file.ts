import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { isForeign, isWritableByOthers, readChecked } from '../core/checked-file.ts';
import { GatewayError } from '../core/errors.ts';
import { didYouMean } from '../core/text/suggest.ts';
import { formatMistakes, readConfigText } from './diagnose.ts';
import type { Config, ConfigPlugins } from './schema.ts';

/** The default name of the config file. */
export const FILE_NAME = 'sshferry.yaml';

/** Where to search for a config file from. */
export interface Place {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Returns the paths to search, in this order: the working directory, then the user's configuration.
 */
export function searchedFiles({ cwd, env }: Place): string[] {
  // The XDG base directory specification says to ignore a relative path.
  const xdg = env.XDG_CONFIG_HOME;
  const config = xdg && path.isAbsolute(xdg) ? xdg : path.join(env.HOME || os.homedir(), '.config');
  return [path.join(cwd, FILE_NAME), path.join(config, 'sshferry', FILE_NAME)];
}

/** A config file to read. */
export interface ConfigPlace {
  readonly path: string;
  /**
   * Whether `-c` named it. Otherwise the search found it, and in a shared directory it may be
   * another user's.
   */
  readonly named: boolean;
}

/**
 * Returns the given config file, or the first of `searchedFiles` that exists. If none exists, it
 * rejects with `CONFIG_INVALID`, or returns null with `optional`. `loadConfigFile`, which opens the
 * file, decides whether to trust it.
 */
export async function findConfigFile(given: string | undefined, place: Place): Promise<ConfigPlace>;
export async function findConfigFile(
  given: string | undefined,
  place: Place,
  options: { optional: boolean },
): Promise<ConfigPlace | null>;
export async function findConfigFile(
  given: string | undefined,
  place: Place,
  { optional = false } = {},
): Promise<ConfigPlace | null> {
  if (given === '') throw new GatewayError('CONFIG_INVALID', '-c needs a file name, such as sshferry.yaml');
  if (given !== undefined) return { path: path.resolve(place.cwd, given), named: true };
  const files = searchedFiles(place);
  for (const file of files) {
    const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
      throw unreadable(file, error);
    });
    if (found !== null) return { path: file, named: false };
  }
  if (optional) return null;
  throw new GatewayError('CONFIG_INVALID', `no config file found: looked for ${files.join(' and ')}`, {
    hint: 'create one with sshferry init, or name one with -c FILE',
  });
}

/** The content of a config file. */
export interface LoadedFile {
  readonly config: Config;
  /** The content as it was written, to detect which parts a reload changes. */
  readonly input: unknown;
}

/**
 * Reads and checks a config file. Rejects with `CONFIG_FILE`: all mistakes with their places in the
 * file, or why the file cannot be used at all. A config file can name programs to run, so only its
 * owner may be able to write to it. A file that `-c` did not name must belong to this user or root.
 * `shown` is the name of the file in messages.
 */
export async function loadConfigFile(
  place: ConfigPlace,
  plugins: ConfigPlugins,
  shown = place.path,
): Promise<LoadedFile> {
  const text = await readText(place, shown);
  const reading = readConfigText(text, plugins);
  if ('config' in reading) return reading;
  throw fileError(formatMistakes(shown, text, reading.mistakes));
}

async function readText({ path: file, named }: ConfigPlace, shown: string): Promise<string> {
  const check = (stats: Stats) => {
    if (stats.isDirectory()) throw fileError(`${shown} is a directory; expected a YAML file`);
    if (!named && isForeign(stats))
      throw fileError(`${shown} belongs to another user; if you trust it, name it: -c ${shown}`);
    if (stats.isFile() && isWritableByOthers(stats)) {
      throw fileError(
        `${shown} is writable by other users, and a config file can name programs to run; run chmod go-w ${shown}`,
      );
    }
  };
  try {
    const { bytes } = await readChecked(file, { check, special: named });
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    throw unreadable(shown, error as NodeJS.ErrnoException);
  }
}

function unreadable(file: string, error: NodeJS.ErrnoException): GatewayError {
  switch (error.code) {
    case 'ENOENT':
      return fileError(`${file}: no such file; create one with sshferry init`, error);
    case 'EACCES':
      return fileError(`${file}: permission denied; run chmod u+r ${file}, or run as its owner`, error);
    case 'EFBIG':
      return fileError(`${file} is larger than 1 MB, the limit for a config file`, error);
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
 * Returns the Config with only the forwards of these names and groups, and the servers that they
 * need. No names select all forwards. Throws `CONFIG_INVALID` for an unknown name.
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
        `${file} has no forward or group '${name}'${didYouMean(name, known)}`,
        { hint: `expected one of ${known.join(', ')}` },
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

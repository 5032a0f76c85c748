import { readFile, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { GatewayError } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';
import { type Config, type ConfigPlugins, configSchema } from './schema.ts';

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
 * `CONFIG_INVALID`, or gives null if that is `optional`.
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
  if (given !== undefined) return path.resolve(place.cwd, given);
  const files = searchedFiles(place);
  for (const file of files) {
    const found = await stat(file).catch(() => null);
    if (found !== null) return file;
  }
  if (optional) return null;
  throw new GatewayError(
    'CONFIG_INVALID',
    `there is no config file: looked for ${files.join(' and ')}; write one with sshferry init, or name one with -c FILE`,
  );
}

/** Reads and checks a config file. Rejects with `CONFIG_INVALID`. */
export async function loadConfigFile(
  file: string,
  plugins: ConfigPlugins,
): Promise<{ config: Config; notes: readonly string[] }> {
  const result = configSchema(plugins).safeParse(parse(await readFile(file, 'utf8')));
  if (result.success) return { config: result.data, notes: [] };
  const issues = result.error.issues.map((issue) => `${file}: ${issue.path.join('.')}: ${issue.message}`);
  throw new GatewayError('CONFIG_INVALID', issues.join('\n'));
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

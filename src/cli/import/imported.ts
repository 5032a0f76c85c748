import type { Arguments } from '../../config/load.ts';

/** One tunnel of another program's settings, as command-line arguments. */
export interface Imported {
  /** The name of the session, for messages and as the server's name. */
  readonly name: string;
  readonly args: Arguments;
  /** The parts that were skipped, each with the reason. */
  readonly skipped: readonly string[];
}

/** The tunnels of a settings file, and the sessions that were skipped, each with the reason. */
export interface Import {
  readonly sessions: readonly Imported[];
  readonly skipped: readonly string[];
}

/** The forwards of a session, as arguments of `-L`, `-R` and `-D`. */
export interface Forwards {
  readonly forwards: string[];
  readonly remoteForwards: string[];
  readonly dynamicForwards: string[];
}

export function noForwards(): Forwards {
  return { forwards: [], remoteForwards: [], dynamicForwards: [] };
}

/**
 * Returns the identityFile of a key file's name, which may be empty. A key for PuTTY is skipped:
 * OpenSSH does not read it.
 */
export function identityOf(key: string, skipped: string[]): [string] | undefined {
  if (key === '') return undefined;
  if (!/\.ppk$/i.test(key)) return [key];
  skipped.push(`the key ${key}: export it in PuTTYgen as an OpenSSH key, and set identityFile to that file`);
  return undefined;
}

/** Returns Arguments with these settings, and defaults for the others. */
export function argumentsWith(given: Pick<Arguments, 'destination'> & Partial<Arguments>): Arguments {
  return {
    forwards: [],
    options: [],
    gatewayPorts: false,
    session: true,
    log: { level: 'info' },
    ...given,
  };
}

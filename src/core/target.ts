import { type Endpoint, formatEndpoint } from './endpoint.ts';
import { GatewayError } from './errors.ts';

/**
 * A destination that a transport can dial: a TCP endpoint, a Unix socket by its path, or an SSH
 * subsystem.
 */
export type Destination =
  | { readonly tcp: Endpoint }
  | { readonly unix: string }
  | { readonly subsystem: string };

/**
 * A folder that the SSH server offers by SFTP: absolute, `~/…` from the home, or empty for the
 * home.
 */
export interface SftpFolder {
  readonly sftp: string;
}

/**
 * Where a forward leads, as its configuration says. Read it through the functions of this file, not
 * by its fields.
 */
export type Target = Endpoint | SftpFolder;

/** Returns the target for people, such as `localhost:21` or `sftp:/srv/in`. */
export function formatTarget(target: Target): string {
  return 'sftp' in target ? `sftp:${target.sftp || '~'}` : formatEndpoint(target);
}

/** Returns the destination to dial for a target. */
export function destinationOf(target: Target): Destination {
  return 'sftp' in target ? { subsystem: 'sftp' } : { tcp: target };
}

/** Returns the host that serves the target; null if it is not on a host. */
export function hostOf(target: Target): string | null {
  return 'sftp' in target ? null : target.host;
}

/** Returns the TCP port of the target; null if it has none. */
export function portOf(target: Target): number | null {
  return 'sftp' in target ? null : target.port;
}

/** Returns the folder of the target; null if it is not a folder behind SFTP. */
export function folderOf(target: Target): string | null {
  return 'sftp' in target ? target.sftp : null;
}

/**
 * Returns the TCP endpoint of a destination. Only here does an Endpoint count as short for its
 * Destination. Throws `CHANNEL_REFUSED` for another kind of destination, for transports that dial
 * TCP only.
 */
export function tcpEndpoint(to: Destination | Endpoint): Endpoint {
  if ('host' in to) return to;
  if ('tcp' in to) return to.tcp;
  const shown = 'unix' in to ? `the Unix socket ${to.unix}` : `the subsystem ${to.subsystem}`;
  throw new GatewayError('CHANNEL_REFUSED', `cannot connect to ${shown}: not supported`, {
    reason: 'unknown-type',
  });
}

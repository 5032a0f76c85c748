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

/** A Unix socket, by its absolute path. */
export interface UnixTarget {
  readonly unix: string;
}

/** Each client names the target of its own connection, as with SOCKS. */
export interface DynamicTarget {
  readonly dynamic: true;
}

/** The target of a forward whose clients name their targets. */
export const DYNAMIC: DynamicTarget = { dynamic: true };

/**
 * Where a forward leads, as its configuration says. Read it through the functions of this file, not
 * by its fields.
 */
export type Target = Endpoint | SftpFolder | UnixTarget | DynamicTarget;

/** Returns the target for people, such as `localhost:21` or `sftp:/srv/in`. */
export function formatTarget(target: Target): string {
  if ('sftp' in target) return `sftp:${target.sftp || '~'}`;
  if ('unix' in target) return target.unix;
  return 'dynamic' in target ? "client's choice" : formatEndpoint(target);
}

/**
 * Returns the destination to dial for a target. Throws `INTERNAL` for a dynamic one: only its
 * clients know.
 */
export function destinationOf(target: Target): Destination {
  if ('sftp' in target) return { subsystem: 'sftp' };
  if ('unix' in target) return { unix: target.unix };
  if ('dynamic' in target) throw new GatewayError('INTERNAL', 'a dynamic forward has no target of its own');
  return { tcp: target };
}

/** Returns the host that serves the target; null if it is not on a host, or on any. */
export function hostOf(target: Target): string | null {
  return 'host' in target ? target.host : null;
}

/** Returns the TCP port of the target; null if it has none. */
export function portOf(target: Target): number | null {
  return 'host' in target ? target.port : null;
}

/** Returns the folder of the target; null if it is not a folder behind SFTP. */
export function folderOf(target: Target): string | null {
  return 'sftp' in target ? target.sftp : null;
}

/** Whether each client names the target of its own connection. */
export function isDynamic(target: Target): boolean {
  return 'dynamic' in target;
}

/** Whether the target is a Unix socket. */
export function isUnix(target: Target): boolean {
  return 'unix' in target;
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

import { formatEndpoint } from '../../endpoint.ts';
import { GatewayError } from '../../errors.ts';
import type { SshOptions } from '../options.ts';

/*
 * Errors that every engine has, in the same words.
 */

/** Returns the error for a login that took longer than ConnectTimeout: `SSH_TIMEOUT`. */
export function tooSlow(options: SshOptions, cause?: unknown): GatewayError {
  return new GatewayError(
    'SSH_TIMEOUT',
    `no login within ${options.connectTimeout} s; the host or a firewall on the way does not answer`,
    { where: whereOf(options), cause },
  );
}

/** Returns the error for a server that hung up before or during the key exchange: `SSH_CONNECT`. */
export function cutInHandshake(options: SshOptions, cause?: unknown): GatewayError {
  return new GatewayError(
    'SSH_CONNECT',
    `${whereOf(options)} closed the connection during login: sshd may be overloaded (MaxStartups) or have barred this address for a while (PerSourcePenalties)`,
    { cause },
  );
}

/**
 * Returns the error for a server that hung up between the key exchange and the end of the login:
 * `SSH_CONNECT`.
 */
export function cutAtLogin(options: SshOptions, cause?: unknown): GatewayError {
  return new GatewayError(
    'SSH_CONNECT',
    `${whereOf(options)} closed the connection before the login was done: its time limit may be over (LoginGraceTime in its sshd_config)`,
    { cause },
  );
}

/** Returns the error for a further login that has reached another host: `SSH_HOST_KEY`. */
export function otherHost({ host }: SshOptions): GatewayError {
  return new GatewayError('SSH_HOST_KEY', `the host key of ${host} differs from that of the main connection`);
}

/**
 * Returns the error for a further login that has reached another address: `SSH_CONNECT`. A name may
 * have several, so this is no sign of an attack.
 */
export function otherAddress({ host }: SshOptions, address: string | null): GatewayError {
  return new GatewayError(
    'SSH_CONNECT',
    `${host} was reached at ${address ?? 'an unknown address'}, unlike the main connection`,
  );
}

/** Returns the error for an established connection that the server closed: `SSH_LOST`. */
export function closedByServer({ host }: SshOptions, cause?: unknown): GatewayError {
  return new GatewayError('SSH_LOST', `the SSH connection to ${host} was closed by the other side`, {
    cause,
  });
}

/** Returns the error for an established connection whose keepalives got no answer: `SSH_LOST`. */
export function unanswered(options: SshOptions, cause?: unknown): GatewayError {
  const seconds = options.serverAliveInterval * options.serverAliveCountMax;
  return lost(options, `no answer for ${seconds} s`, cause);
}

/** Returns the error for an established connection that broke for this reason: `SSH_LOST`. */
export function lost({ host }: SshOptions, why: string, cause?: unknown): GatewayError {
  return new GatewayError('SSH_LOST', `the SSH connection to ${host} was lost: ${why}`, { cause });
}

/** Returns the error for a connection that sshferry closed itself: `STOPPING`. */
export function closedHere({ host }: SshOptions): GatewayError {
  return new GatewayError('STOPPING', `the SSH connection to ${host} was closed`);
}

/** Returns the host and port that a login dials. */
export function whereOf({ hostName, port }: Pick<SshOptions, 'hostName' | 'port'>): string {
  return formatEndpoint({ host: hostName, port });
}

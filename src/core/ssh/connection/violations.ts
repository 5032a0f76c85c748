import { GatewayError } from '../../errors.ts';

/** Returns the error for a server that ignores a receive window. */
export function overrun(host: string): GatewayError {
  return new GatewayError(
    'SSH_LOST',
    `sshferry closed the SSH connection to ${host}: the server sent more than its receive window allows (RFC 4254 5.2)`,
  );
}

/** Returns the error for a message that this phase of the login does not allow. */
export function outOfTurn(
  host: string,
  phase: 'exchange' | 'service' | 'login',
  message: string,
): GatewayError {
  return phase === 'exchange'
    ? new GatewayError(
        'SSH_HOST_KEY',
        `${host} sent ${message} before it proved its host key; an attacker may be in between. ` +
          'sshferry closed the connection without logging in',
      )
    : new GatewayError(
        'SSH_CONNECT',
        `${host} violates the SSH protocol: it sent ${message} before the login was done`,
      );
}

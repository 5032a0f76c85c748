import type { Endpoint } from '../../core/endpoint.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';

/** Why a further connection to a data port is reset. */
export function onlyOne(): GatewayError {
  return new GatewayError('DATA_REFUSED', 'a data port takes one connection', { expected: true });
}

/** Codes of a TLS connection that never began: the server's word about its data is not waited for. */
const NO_TLS: ReadonlySet<string> = new Set(['TLS_CERTIFICATE', 'TLS_FAILED', 'CLIENT_TLS_FAILED']);

/**
 * Returns which side broke a data connection. An error of SSH, or of sshferry's own making, is
 * neither's doing; nor is TLS that fails.
 */
export function brokenBy(side: 'client' | 'server', error: GatewayError): 'client' | 'server' | 'gateway' {
  return NO_TLS.has(error.code) || error.fault === 'ssh' || error.fault === 'us' ? 'gateway' : side;
}

/** Why a data connection ends that its owner has given up. */
export function abandoned(): GatewayError {
  return new GatewayError('ABANDONED', 'the data connection is no longer needed');
}

/**
 * Logs at once that the server's port cannot be reached: the client may hang up before the transfer
 * ends.
 */
export function logUnreachable(log: Logger, to: Endpoint, { reason, message }: GatewayError): void {
  if (reason === 'prohibited') log.warn({ event: 'ftp.data.prohibited', ...to }, message);
  else log.debug({ event: 'ftp.data.unreachable', ...to }, message);
}

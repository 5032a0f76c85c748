import { formatEndpoint } from '../../endpoint.ts';
import { GatewayError } from '../../errors.ts';
import { type Destination, tcpEndpoint } from '../../target.ts';
import { singleLine } from '../../text/control-characters.ts';
import { sessionRefused, subsystemRefused } from '../connection/refusals.ts';
import type { SshOptions } from '../options.ts';
import type { Ending } from './client.ts';

/** Returns a stream's destination for people. */
export function whereOf(destination: Destination): string {
  if ('subsystem' in destination) return `the subsystem ${destination.subsystem}`;
  return 'unix' in destination ? destination.unix : formatEndpoint(tcpEndpoint(destination));
}

/** Returns the error for a control socket without a master: `SSH_CONNECT`. */
export function noMaster(socket: string, { host, user, port }: SshOptions, cause: unknown): GatewayError {
  const flags = port === 22 ? '' : ` -p ${port}`;
  return new GatewayError('SSH_CONNECT', `no ssh master answers on ${socket}`, {
    hint: `start one: ssh -M -S ${socket}${flags} ${user}@${host}; or omit -S, so that sshferry logs in itself`,
    cause,
  });
}

/**
 * Returns the error for a stream that the master did not open, by ssh's last words; null if the words
 * are not the master's, so that it may be gone.
 */
export function notOpened(
  destination: Destination,
  host: string,
  words: readonly string[],
): GatewayError | null {
  const said = words.map(
    (line) =>
      /(Master refused .*|(?:Stdio forwarding|Session) request failed: .*|session request failed: .*)$/i.exec(
        line,
      )?.[1],
  );
  const reason = said.findLast((line) => line !== undefined);
  if (reason === undefined) return null;
  const quote = singleLine(reason);
  if (/^Master refused/i.test(quote))
    return new GatewayError('CHANNEL_REFUSED', `the ssh master of ${host} refused: "${quote}"`, {
      hint: 'ControlMaster=ask makes it ask the person at its terminal',
      reason: 'prohibited',
    });
  if ('subsystem' in destination) return sessionRefused(destination.subsystem, host, quote, new Error(quote));
  return new GatewayError(
    'CHANNEL_REFUSED',
    `${host} does not connect to ${whereOf(destination)}; the ssh master prints the reason on its terminal`,
    {
      hint: 'check that the service runs there, and AllowTcpForwarding and PermitOpen in the sshd_config',
      reason: 'connect-failed',
    },
  );
}

/** Returns the error for an ssh that ended before it could ask the master. */
export function notRun(destination: Destination, { words }: Ending): GatewayError {
  return new GatewayError('CHANNEL_REFUSED', `no stream to ${whereOf(destination)}: ssh failed: ${words}`, {
    reason: 'shortage',
    fault: 'us',
  });
}

/** Returns the error for an ssh that ended in this way in the middle of its stream. */
export function broken(
  destination: Destination,
  host: string,
  { words }: Ending,
  silent: boolean,
): GatewayError {
  const cause = new Error(`ssh: ${words}`);
  // A subsystem that the server does not have ends like this.
  if ('subsystem' in destination && silent) return subsystemRefused(destination.subsystem, host, cause);
  return new GatewayError('PEER_RESET', `the stream to ${whereOf(destination)} broke: ssh: ${words}`, {
    cause,
  });
}

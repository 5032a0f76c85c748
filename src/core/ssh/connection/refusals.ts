import { type Endpoint, formatEndpoint } from '../../endpoint.ts';
import { GatewayError, type RefusalReason } from '../../errors.ts';
import { singleLine } from '../../text/control-characters.ts';

/** SSH_OPEN_* of RFC 4254 5.1. */
const REASONS: Readonly<Record<number, RefusalReason>> = {
  1: 'prohibited',
  2: 'connect-failed',
  3: 'unknown-type',
  4: 'shortage',
};

/** Texts of sshd that say nothing. */
const EMPTY_WORDS = /^(open failed)?$/i;

/**
 * Returns the error for a channel to `to` that `server` refused: `CHANNEL_REFUSED` with its reason.
 * `code` is the server's reason code, `text` its description, which is quoted without control
 * characters. `allowed` is another target to which the server has allowed a forward.
 */
export function channelRefused(
  to: Endpoint,
  server: string,
  code: number,
  text: string,
  allowed: Endpoint | null = null,
): GatewayError {
  const where = formatEndpoint(to);
  const said = singleLine(text);
  const quote = EMPTY_WORDS.test(said) ? '' : ` ("${said}")`;
  const reason = REASONS[code];
  const refused = (what: string, hint?: string) =>
    new GatewayError('CHANNEL_REFUSED', what, { reason, hint });

  switch (reason) {
    case 'prohibited':
      if (allowed !== null) {
        return refused(
          `${server} does not allow forwarding to ${where}${quote}, though it does to ${formatEndpoint(allowed)}: PermitOpen in its sshd_config (or permitopen= in authorized_keys) has to name ${where} too; FTP's data ports are many, so: ${formatEndpoint({ host: to.host, port: 0 }).replace(/0$/, '*')}`,
        );
      }
      return refused(
        `${server} does not allow forwarding to ${where}${quote}: see AllowTcpForwarding, DisableForwarding and PermitOpen in its sshd_config, and permitopen=, restrict and no-port-forwarding in authorized_keys`,
      );
    case 'connect-failed':
      return refused(`${server} cannot connect to ${where}: ${whyNotConnected(to, said)}`);
    case 'unknown-type':
      return refused(
        `${server} does not support TCP forwarding${quote}: it cannot reach ${where}`,
        'use another SSH server',
      );
    case 'shortage':
      return refused(
        `${server} has no resources left for a connection to ${where}${quote}: close some and try again`,
      );
    default:
      return refused(`${server} refused a connection to ${where}${quote}, reason code ${code}`);
  }
}

/**
 * Returns the error for a subsystem of which the server opens no session, with the server's words.
 */
export function sessionRefused(name: string, server: string, words: string, cause: Error): GatewayError {
  return new GatewayError(
    'CHANNEL_REFUSED',
    `${server} opens no further session for the subsystem ${name} ("${singleLine(words)}"): see MaxSessions in its sshd_config`,
    { cause, reason: 'shortage' },
  );
}

/** Returns the error for a subsystem that the server does not start. */
export function subsystemRefused(name: string, server: string, cause: Error): GatewayError {
  return new GatewayError(
    'CHANNEL_REFUSED',
    `${server} does not start the subsystem ${name}: see Subsystem and ForceCommand in its sshd_config`,
    { cause, reason: 'unknown-type' },
  );
}

/** Returns the error for a channel that the server closed right after it had opened it. */
export function closedAtOnce(to: Endpoint, server: string): GatewayError {
  return new GatewayError(
    'CHANNEL_REFUSED',
    `${formatEndpoint(to)} closed the connection as soon as ${server} had opened it`,
    { hint: 'check the port', reason: 'connect-failed' },
  );
}

/** Returns the error for a subsystem that ended as soon as the server had started it. */
export function subsystemEnded(name: string, server: string): GatewayError {
  return new GatewayError(
    'CHANNEL_REFUSED',
    `the subsystem ${name} ended as soon as ${server} had started it: see Subsystem in its sshd_config`,
    { reason: 'connect-failed' },
  );
}

/**
 * Returns the error for a request to open a channel to `where` that got no answer within `timeout`.
 * `silence`: how long a keepalive has had no answer either; null if the SSH server answers. Both
 * are in milliseconds.
 */
export function noAnswer(
  where: string,
  server: string,
  timeout: number,
  silence: number | null,
): GatewayError {
  return silence === null
    ? new GatewayError(
        'CHANNEL_TIMEOUT',
        `${where} did not answer ${server} within ${timeout / 1000} s; a firewall may be in the way`,
      )
    : new GatewayError(
        'SSH_TIMEOUT',
        `the SSH connection to ${server} does not answer: no reply to the request for ${where} within ${timeout / 1000} s, ` +
          `and none to a keepalive for ${(silence / 1000).toFixed(1)} s; the connection may be lost, or the server hangs`,
      );
}

/** Returns the error for a server that refuses to listen. */
export function listenRefused(bind: Endpoint, server: string, cause: Error): GatewayError {
  const why =
    bind.port > 0 && bind.port < 1024
      ? 'ports below 1024 need root there'
      : 'the port may be taken there, or see AllowTcpForwarding, GatewayPorts and PermitListen in its sshd_config';
  return new GatewayError('LISTEN_FAILED', `${server} will not listen on ${formatEndpoint(bind)}: ${why}`, {
    cause,
  });
}

/** Returns the error for a server that reports a port on which it cannot be listening. */
export function noSuchPort(bind: Endpoint, server: string, port: number, taken: boolean): GatewayError {
  const why = taken ? 'which another forward already has' : 'which is not a port';
  return new GatewayError(
    'LISTEN_FAILED',
    `${server} was asked to listen on ${formatEndpoint(bind)} and answered with port ${port}, ${why}`,
  );
}

/** OpenSSH sends strerror(3) or gai_strerror(3) unchanged. */
function whyNotConnected(to: Endpoint, said: string): string {
  if (/connection refused/i.test(said))
    return `connection refused; is the service running on port ${to.port}?`;
  if (/name or service not known|nodename nor servname|no address|temporary failure in name/i.test(said))
    return `it knows no host of the name "${singleLine(to.host)}" (${said})`;
  if (/timed? ?out/i.test(said)) return `no answer (${said}); a firewall may be in the way`;
  if (/no route|unreachable/i.test(said)) return `${said}; check the address`;
  return EMPTY_WORDS.test(said) ? 'it gave no reason; is the service running?' : `"${said}"`;
}

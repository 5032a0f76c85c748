import { type Endpoint, formatEndpoint, isSocketPath } from '../../endpoint.ts';
import { type ConnectFailure, GatewayError, type RefusalReason } from '../../errors.ts';
import { singleLine } from '../../text/control-characters.ts';

/** SSH_OPEN_* of RFC 4254 5.1. */
const REASONS: Readonly<Record<number, RefusalReason>> = {
  1: 'prohibited',
  2: 'connect-failed',
  3: 'unknown-type',
  4: 'shortage',
};

/** The last endpoint that the server let this connection reach; null before the first channel. */
export interface Reached {
  last: Endpoint | null;
}

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
      return new GatewayError(
        'CHANNEL_REFUSED',
        `${server} cannot connect to ${where}: ${whyNotConnected(to, said)}`,
        { reason, failure: failureOf(said) },
      );
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

/** Returns the error for a Unix socket that the server did not connect to. sshd gives no reason. */
export function socketRefused(path: string, server: string, code: number, text: string): GatewayError {
  const said = singleLine(text);
  const quote = EMPTY_WORDS.test(said) ? '' : ` ("${said}")`;
  const reason = REASONS[code];
  const refused = (what: string) => new GatewayError('CHANNEL_REFUSED', what, { reason });
  if (reason === 'unknown-type')
    return refused(`${server} does not support Unix sockets${quote}: it cannot reach ${path}`);
  return refused(
    `${server} does not connect to ${path}${quote}: check that a program listens there and that you may use the socket; see also AllowStreamLocalForwarding in its sshd_config`,
  );
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

/** Returns the remark for a session that the server does not open: see HopConnection.session. */
export function noSession(error: Error): string {
  return `no session (${singleLine(error.message)}): small messages may be slow`;
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
export function closedAtOnce(where: string, server: string): GatewayError {
  return new GatewayError(
    'CHANNEL_REFUSED',
    `${where} closed the connection as soon as ${server} had opened it`,
    { hint: 'check the target', reason: 'connect-failed' },
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
  if (isSocketPath(bind.host)) return socketNotBound(bind.host, server, cause);
  const why =
    bind.port > 0 && bind.port < 1024
      ? 'ports below 1024 need root there'
      : 'the port may be taken there, or see AllowTcpForwarding, GatewayPorts and PermitListen in its sshd_config';
  return new GatewayError('LISTEN_FAILED', `${server} will not listen on ${formatEndpoint(bind)}: ${why}`, {
    cause,
  });
}

function socketNotBound(path: string, server: string, cause: Error): GatewayError {
  return new GatewayError(
    'LISTEN_FAILED',
    `${server} will not listen on ${path}: a socket of an earlier connection may exist there (remove it, or set StreamLocalBindUnlink yes in its sshd_config), or see AllowStreamLocalForwarding there`,
    { cause },
  );
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
const FAILURES: readonly (readonly [words: RegExp, failure: ConnectFailure])[] = [
  [/connection refused/i, 'refused'],
  [/name or service not known|nodename nor servname|no address|temporary failure in name/i, 'no-such-host'],
  [/timed? ?out/i, 'no-answer'],
  [/no route|unreachable/i, 'unreachable'],
];

function failureOf(said: string): ConnectFailure | undefined {
  return FAILURES.find(([words]) => words.test(said))?.[1];
}

function whyNotConnected(to: Endpoint, said: string): string {
  switch (failureOf(said)) {
    case 'refused':
      return `connection refused; is the service running on port ${to.port}?`;
    case 'no-such-host':
      return `it knows no host of the name "${singleLine(to.host)}" (${said})`;
    case 'no-answer':
      return `no answer (${said}); a firewall may be in the way`;
    case 'unreachable':
      return `${said}; check the address`;
    default:
      return EMPTY_WORDS.test(said) ? 'it gave no reason; is the service running?' : `"${said}"`;
  }
}

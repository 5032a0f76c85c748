import { type ErrorDetails, GatewayError } from '../../errors.ts';
import { singleLine } from '../../text/control-characters.ts';
import { type AlgorithmKind, filterAlgorithms } from '../connection/algorithms.ts';
import { closedByServer, cutInHandshake, lost, unanswered, whereOf } from '../connection/login-failures.ts';
import { serverOffer } from '../connection/server-offer.ts';
import { outOfTurn } from '../connection/violations.ts';
import type { SshOptions } from '../options.ts';

/**
 * An error that ssh2 emits: with its layer, or with the server's reason code (RFC 4253 11.1) for a
 * disconnect.
 */
export interface Ssh2Error extends Error {
  readonly level?: string;
  readonly code?: string | number;
}

/**
 * Returns whether sshferry itself ended the connection with this error. A socket error can be a
 * GatewayError too: the socket may be a stream of another SSH connection.
 */
export function isOwn(error: Ssh2Error | null): error is GatewayError {
  return error instanceof GatewayError && (error as Ssh2Error).level !== 'client-socket';
}

/** The error for a server that shares no algorithm with ssh2: `SSH_UNSUPPORTED`. */
export class NothingInCommon extends GatewayError {
  constructor(what: string, details: ErrorDetails) {
    super('SSH_UNSUPPORTED', what, details);
  }
}

/** Matches ssh2's errors about a refused or unproven host key (kex.js). */
const NOT_PROVEN = /host denied|signature|host (public )?key/i;
/** Matches ssh2's error for a message outside the key exchange (kex.js, onKEXPayload). */
const OUT_OF_TURN = /^Received unexpected packet type (\d+)/;

/**
 * Returns the error for a connection that failed before or during the first key exchange:
 * `SSH_HOST_KEY` if the server did not prove its key, `SSH_UNSUPPORTED` if the two sides share no
 * algorithm, else `SSH_CONNECT`. `error` is null if the server hung up. `heard` is its first
 * output.
 *
 * The server is not authenticated yet, so the error never repeats the text of its messages.
 */
export function handshakeFailure(options: SshOptions, error: Ssh2Error | null, heard: Buffer): GatewayError {
  const where = whereOf(options);
  const cause = error === null ? {} : { cause: error };
  const text = singleLine(error?.message ?? '');

  const outside = OUT_OF_TURN.exec(text)?.[1];
  if (outside !== undefined) return outOfTurn(options.host, 'exchange', `message ${outside}`);
  const missing = /no matching (.*)$/i.exec(text)?.[1];
  if (missing !== undefined) {
    return new NothingInCommon(`${where} and sshferry ${nothingShared(missing, heard)}`, cause);
  }
  if (NOT_PROVEN.test(text)) {
    // Without the cause: some of these ssh2 errors repeat the server's text.
    return new GatewayError(
      'SSH_HOST_KEY',
      `host key verification failed: ${options.host} did not prove that it holds its host key`,
    );
  }
  const stranger = notSsh(options, heard);
  if (stranger !== null) return stranger;
  if (typeof error?.code === 'number') {
    const words = text.toLowerCase().replaceAll('_', ' ');
    return new GatewayError('SSH_CONNECT', `${where} broke off the key exchange: ${words}`, cause);
  }
  if (error === null || text === '' || /lost before handshake|ECONNRESET|EPIPE|socket hang up/i.test(text)) {
    return cutInHandshake(options, error ?? undefined);
  }
  return new GatewayError('SSH_CONNECT', `the SSH handshake failed: ${text}`, { where, ...cause });
}

/**
 * Returns the error for a server that has sent something other than an SSH identification
 * (`SSH_CONNECT`), else null.
 */
export function notSsh(options: SshOptions, heard: Buffer): GatewayError | null {
  const greeting = heard.toString('latin1');
  // RFC 4253 4.2: other lines may precede the identification. sshd uses them to say why it refuses
  // a client.
  if (greeting === '' || /^SSH-/m.test(greeting)) return null;
  const where = whereOf(options);
  const said = singleLine(greeting.split('\n', 1)[0] ?? '');
  const why = /^(Exceeded MaxStartups|Not allowed at this time)/.test(said)
    ? `refused this connection ("${said}"): try again later`
    : `does not speak SSH ("${said}"): check the port (-p)`;
  return new GatewayError('SSH_CONNECT', `${where} ${why}`);
}

const KINDS: readonly (readonly [pattern: RegExp, kind: AlgorithmKind])[] = [
  [/key exchange/, 'KexAlgorithms'],
  [/host key/, 'HostKeyAlgorithms'],
  [/cipher/, 'Ciphers'],
  [/MAC/, 'MACs'],
];

/** `missing` is ssh2's name for it: `C->S cipher`. */
function nothingShared(missing: string, heard: Buffer): string {
  const kind = KINDS.find(([pattern]) => pattern.test(missing))?.[1];
  // These two are not algorithms (RFC 8308 2.1; PROTOCOL of OpenSSH, 1.10).
  const offer = kind && serverOffer(heard)?.[kind].replace(/,(ext-info|kex-strict)-[^,]*/g, '');
  const text = `have no ${missing.replace(/^[CS]->[CS] /, '')} in common`;
  if (kind === undefined || !offer) return `${text}: update the server`;
  const remedy = (usable: string | undefined) =>
    usable === undefined
      ? `sshferry has none of these: update the server, or see ${kind} in its sshd_config`
      : `update it, or allow an algorithm that it has: -o ${kind}=+${usable}`;
  return `${text}: the server has ${singleLine(offer)}; ${remedy(firstUsable(kind, offer))}`;
}

function firstUsable(kind: AlgorithmKind, offer: string): string | undefined {
  try {
    return filterAlgorithms(kind, offer).names[0];
  } catch {
    return undefined;
  }
}

/**
 * Returns the error for an established connection that ended: `SSH_LOST`, or `SSH_HOST_KEY` if a
 * rekey did not prove the host key again. An error of sshferry's own is returned unchanged. `error`
 * is null if the connection just closed.
 */
export function lostConnection(options: SshOptions, error: Ssh2Error | null): GatewayError {
  if (isOwn(error)) return error;
  if (error?.level === 'handshake' && NOT_PROVEN.test(error.message)) {
    return new GatewayError(
      'SSH_HOST_KEY',
      `sshferry closed the SSH connection to ${options.host}: the server did not prove its host key in a rekey`,
    );
  }
  if (error === null) return closedByServer(options);
  if (error.level === 'client-timeout') return unanswered(options, error);
  return lost(options, singleLine(error.message), error);
}

import { type Endpoint, formatEndpoint } from '../core/endpoint.ts';
import { GatewayError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { resetStream, type Stream } from '../core/stream.ts';
import { type Destination, tcpEndpoint } from '../core/target.ts';
import type { StreamOptions, Transport } from '../core/transport.ts';
import { TransportDecorator } from '../core/transport-decorator.ts';
import { inTime } from '../core/within.ts';
import { converse } from './converse.ts';
import type { TlsClient, TlsSession } from './tls-client.ts';
import { HANDSHAKE_TIME, type TlsFacts, type TlsStream } from './tls-stream.ts';
import type { Upgrade } from './upgrade/dialogue.ts';

export interface TlsTransportOptions {
  readonly client: TlsClient;
  /** How the protocol begins TLS. Default: with the first byte. */
  readonly upgrade?: Upgrade | undefined;
  readonly needsCloseNotify?: boolean | undefined;
  readonly log: Logger;
}

/**
 * The network of a target that speaks TLS, as a client without TLS sees it: `openStream` resolves
 * when the server is accepted, and the stream begins with the server's greeting. Rejects besides
 * with `TLS_CERTIFICATE`, `TLS_FAILED` or `TLS_REFUSED`; nothing of a client was sent by then.
 */
export class TlsTransport extends TransportDecorator {
  readonly #options: TlsTransportOptions;

  constructor(inner: Transport, options: TlsTransportOptions) {
    super(inner);
    this.#options = options;
  }

  override async openStream(to: Destination | Endpoint, options: StreamOptions = {}): Promise<Stream> {
    const peer = formatEndpoint(tcpEndpoint(to));
    const stream = await super.openStream(to, options);
    const { client, upgrade, needsCloseNotify, log } = this.#options;
    const { signal } = options;
    const beginning = { peer, upgrade, needsCloseNotify, signal };
    const { secure, facts, greeting } = await begin(stream, client, beginning);
    logTls(log, peer, facts);
    if (greeting.length > 0) secure.unshift(toBytes(greeting));
    return secure;
  }
}

/** How to begin TLS on a stream. */
export interface Beginning {
  /** The other side, for messages. */
  readonly peer: string;
  readonly upgrade?: Upgrade | undefined;
  readonly needsCloseNotify?: boolean | undefined;
  readonly session?: TlsSession | undefined;
  readonly onReceived?: ((chunk: Buffer) => void) | undefined;
  readonly onSent?: ((chunk: Buffer) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A stream whose server was accepted, and the lines of the greeting that came before TLS. */
export interface Begun {
  readonly secure: TlsStream;
  readonly facts: TlsFacts;
  readonly greeting: readonly string[];
}

/**
 * Begins TLS on a stream that was just opened, which it owns. Resolves when the server is accepted.
 * Rejects as TlsTransport does.
 */
export async function begin(
  inner: Stream,
  client: TlsClient,
  { upgrade, signal, ...connect }: Beginning,
): Promise<Begun> {
  const { peer } = connect;
  let stream: Stream = inner;
  // The stream can fail between two of its readers.
  inner.on('error', () => {});
  try {
    const greeting = upgrade === undefined ? [] : await upgraded(inner, upgrade, peer, signal);
    const secure = client.connect(inner, connect);
    stream = secure;
    const facts = await accepted(secure, peer, signal);
    return { secure, facts, greeting };
  } catch (error) {
    resetStream(stream, error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}

/** Returns lines as they go on the wire. */
export function toBytes(lines: readonly string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\r\n`).join(''), 'latin1');
}

async function upgraded(
  stream: Stream,
  upgrade: Upgrade,
  peer: string,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const { result, rest } = await converse(stream, upgrade.before(), { peer, signal });
  // The client would take them for bytes that came by TLS (CVE-2011-0411).
  if (rest.length > 0)
    throw new GatewayError(
      'TLS_REFUSED',
      `${peer} sent ${rest.length} bytes in the clear where TLS had to begin; an attacker may have put them there`,
    );
  return result;
}

/** Resolves when the server is accepted. Rejects with why it is not, or with the signal's reason. */
async function accepted(stream: TlsStream, peer: string, signal: AbortSignal | undefined): Promise<TlsFacts> {
  const reason = new Error('the handshake takes too long');
  const made = await inTime(() => stream.secured, { ms: HANDSHAKE_TIME, signal, reason });
  signal?.throwIfAborted();
  if (made !== null) return made.value;
  const seconds = HANDSHAKE_TIME / 1000;
  throw new GatewayError('CHANNEL_TIMEOUT', `${peer} did not finish the TLS handshake in ${seconds} s`);
}

/** Logs what was agreed with a target. */
export function logTls(log: Logger, peer: string, { version, cipher }: TlsFacts): void {
  log.debug({ event: 'tls.ready', version, cipher }, `TLS with ${peer}: ${version}, ${cipher}`);
}

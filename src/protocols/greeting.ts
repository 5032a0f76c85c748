import type { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import type { SessionContext } from '../core/plugin.ts';
import { destinationOf, portOf } from '../core/target.ts';
import type { StreamOptions } from '../core/transport.ts';
import { FirstWords, type Offence, type Verdict } from './first-words.ts';

/** How many bytes of a client are read while the server is being dialled. */
const READ_AHEAD = 16 * 1024;

/**
 * The option that lets a client speak first; a field in the schema of each protocol with a
 * greeting.
 */
export const clientSpeaksFirst = z
  .boolean()
  .default(false)
  .describe(
    "Accept clients that send commands before the server's greeting; some monitors do, and so can a web page (default: no).",
  );

const UPGRADE = 'set the client to explicit TLS (AUTH TLS, STARTTLS), or listenTls.mode to implicit';
const SECURED = 'turn TLS off in the client; sshferry speaks TLS to the server';
const NOT_SECURED =
  'turn TLS off in the client; a type such as pop3s or ftp+tls speaks TLS to the server, and type tcp passes TLS of the client';

/** The facts about a forward that the gate needs. */
export interface GreetingOptions {
  readonly clientSpeaksFirst: boolean;
  /** The protocol's name in options: `Ftp`. */
  readonly protocol: string;
  /** Target ports on which the server waits for TLS and sends no greeting first. */
  readonly tlsPorts: readonly number[];
}

/**
 * A gate between client and server. It ends the session if the client's first words must not reach
 * the server.
 */
export class ClientGate {
  readonly #session: SessionContext;
  readonly #options: GreetingOptions;
  readonly #words: FirstWords;

  constructor(session: SessionContext, options: GreetingOptions) {
    this.#session = session;
    this.#options = options;
    this.#words = new FirstWords({ early: options.clientSpeaksFirst, tls: waitsForTls(session, options) });
  }

  /** Returns the bytes that may go on to the server, often the chunk itself. */
  pass(chunk: Uint8Array): Uint8Array {
    return this.#heed(this.#words.push(chunk));
  }

  /** Call it before the first byte of the greeting is sent to the client. */
  greeted(): void {
    this.#heed(this.#words.greeted());
  }

  /** Call it when the client has ended. Returns the bytes that were held. */
  rest(): Uint8Array {
    return this.#heed(this.#words.end());
  }

  #heed(verdict: Verdict): Uint8Array {
    if ('pass' in verdict) return verdict.pass;
    this.#session.end(this.#refusal(verdict.refused, verdict.origin));
    return new Uint8Array();
  }

  get #remedy(): string {
    if (this.#session.clientTls !== null) return UPGRADE;
    return this.#session.secured ? SECURED : NOT_SECURED;
  }

  #refusal(offence: Offence, origin: string | null): GatewayError {
    const { protocol } = this.#options;
    const { host: who } = this.#session.peer.remote;
    switch (offence) {
      case 'early':
        return new GatewayError(
          'CLIENT_EARLY',
          `refused ${who}: it sent commands before the server's greeting, as a web page would`,
          { hint: `if it is no browser, set -o ${protocol}ClientSpeaksFirst=yes` },
        );
      case 'http': {
        const page = origin === null ? 'a web page may have sent it' : `the web page ${origin} sent it`;
        return new GatewayError('CLIENT_HTTP', `refused an HTTP request from ${who}: ${page}`);
      }
      case 'tls':
        return new GatewayError(
          'CLIENT_TLS',
          this.#session.clientTls === null
            ? `refused TLS from ${who}: this port does not speak TLS, SSH encrypts already`
            : `refused TLS from ${who}: on this port a command begins TLS`,
          { hint: this.#remedy },
        );
    }
  }
}

/** The server of a session, and what its client sent before the greeting. */
export interface Greeted {
  readonly server: Duplex;
  readonly gate: ClientGate;
  /** Bytes to send to the server first: silent ones, or any with `clientSpeaksFirst`. */
  readonly said: Uint8Array;
}

/**
 * Dials the target and waits for its first bytes, or for the end of either side. It reads the
 * client meanwhile. Rejects as `openStream` does, or with the error that ended the session. Leaves
 * both streams paused, and consumes nothing of the server's.
 */
export async function awaitGreeting(
  session: SessionContext,
  options: GreetingOptions,
  stream: StreamOptions = {},
): Promise<Greeted> {
  const { client, signal } = session;
  const gate = new ClientGate(session, options);
  const said: Uint8Array[] = [];
  let length = 0;
  const listen = (chunk: Buffer) => {
    const passed = gate.pass(chunk);
    session.count('up', passed.length);
    said.push(passed);
    length += passed.length;
    if (length > READ_AHEAD) client.pause();
  };
  const gone = () => session.end(new GatewayError('PEER_RESET', 'the client broke the connection'));
  client.on('data', listen).once('error', gone).resume();
  if (client.errored) gone();
  try {
    const server = await session.far.openStream(destinationOf(session.target), stream);
    if (!options.clientSpeaksFirst && !waitsForTls(session, options)) await eventOn(client, server);
    // Bytes that the client sent before the greeting must be read before the greeting is sent.
    await nextTurn();
    signal.throwIfAborted();
    return { server, gate, said: Buffer.concat(said) };
  } finally {
    client.off('data', listen).off('error', gone).pause();
  }
}

/** Whether the server of this forward is silent until the client starts TLS. */
function waitsForTls({ target, secured, clientTls }: SessionContext, { tlsPorts }: GreetingOptions): boolean {
  const port = portOf(target);
  return !secured && clientTls === null && port !== null && tlsPorts.includes(port);
}

/** Settles when the server has sent something or either side has ended. */
function eventOn(client: Duplex, server: Duplex): Promise<void> {
  return new Promise((resolve) => {
    if (client.readableEnded || client.destroyed || server.destroyed || server.readableLength > 0)
      return resolve();
    const events: [Duplex, string][] = [
      [client, 'end'],
      [client, 'close'],
      [server, 'readable'],
      [server, 'end'],
      [server, 'close'],
    ];
    const done = () => {
      for (const [stream, event] of events) stream.off(event, done);
      resolve();
    };
    for (const [stream, event] of events) stream.on(event, done);
  });
}

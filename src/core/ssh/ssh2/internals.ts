import type { Client } from 'ssh2';

/** Handles one parsed message: the protocol, then the message's fields (ssh2 1.17.0, client.js). */
export type MessageHandler = (protocol: RawProtocol, ...fields: never[]) => void;

/**
 * The parts of ssh2's Protocol that are used beyond its public types (lib/protocol/Protocol.js).
 */
export interface RawProtocol {
  /** By message name, such as `CHANNEL_OPEN`. ssh2 looks the handler up for each message. */
  readonly _handlers: Record<string, MessageHandler | undefined>;
  /** The current or last key exchange. ssh2 sets it when the server's KEXINIT has come (kex.js). */
  _kex?: RawKeyExchange;
  /** Our KEXINIT, until the key exchange ends. ssh2 queues everything sent meanwhile, unbounded. */
  readonly _kexinit?: Buffer;
  /** Sends a keepalive; its answer calls the next of `RawClient._callbacks`. */
  ping(): void;
  channelClose(recipient: number): void;
  channelOpenFail(recipient: number, reason: number, text: string): void;
}

/** One key exchange (lib/protocol/kex.js). */
export interface RawKeyExchange {
  /** Takes the group that the server chose. Only a group exchange has it (RFC 4419). */
  setDHParams?(prime: Buffer, generator: Buffer): void;
}

/** A channel before a ChannelStream takes it over. While it opens, a function is in its place. */
interface RawChannel {
  readonly incoming: { readonly window: number };
}

interface RawClient {
  /** The server's software, from its identification (RFC 4253 4.2). */
  readonly _remoteVer?: string;
  /** Undefined before `connect`. */
  readonly _protocol?: RawProtocol;
  readonly _chanMgr: { get(channel: number): RawChannel | (() => void) | undefined };
  /**
   * One callback for each unanswered global request, in order. Replaced when the connection closes.
   */
  readonly _callbacks: ((failed: boolean | Error, data?: Buffer) => void)[];
}

/** Returns the client's inside. library.ts lists what relies on it. */
export function internals(client: Client): RawClient {
  return client as unknown as RawClient;
}

/** Returns the client's protocol. Throws before `connect`. */
export function protocolOf(client: Client): RawProtocol {
  const protocol = internals(client)._protocol;
  if (protocol === undefined) throw new Error('the client does not connect yet');
  return protocol;
}

/** Returns what currently handles messages of that name: ssh2, or an `intercept` in front of it. */
export function handlerOf<Fields extends readonly unknown[]>(
  client: Client,
  name: string,
): (...fields: Fields) => void {
  const protocol = protocolOf(client);
  const handler = protocol._handlers[name] as
    | ((protocol: RawProtocol, ...fields: Fields) => void)
    | undefined;
  return (...fields) => handler?.(protocol, ...fields);
}

/**
 * Puts `handle` in front of ssh2 for messages of that name. `pass` hands the message on, with the
 * same fields or others.
 *
 * An exception from `handle` ends the connection: ssh2's parser drops the rest of the segment, and
 * the client emits the exception as its `error`.
 */
export function intercept<Fields extends readonly unknown[]>(
  client: Client,
  name: string,
  handle: (fields: Fields, pass: (...fields: Fields) => void) => void,
): void {
  const pass = handlerOf<Fields>(client, name);
  const handler = (_protocol: RawProtocol, ...fields: Fields) => handle(fields, pass);
  protocolOf(client)._handlers[name] = handler as unknown as MessageHandler;
}

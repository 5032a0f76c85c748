import type { Client } from 'ssh2';

/** Handles a parsed message: the protocol, then the message's fields (ssh2 1.17.0, lib/client.js, `messageHandlers`). */
export type MessageHandler = (protocol: RawProtocol, ...fields: never[]) => void;

/** What is used of ssh2's Protocol beyond its public types (lib/protocol/Protocol.js). */
export interface RawProtocol {
  /** By the message's name, such as `CHANNEL_OPEN`; looked up anew for each message. */
  readonly _handlers: Record<string, MessageHandler | undefined>;
  /** The key exchange under way, or the last one. Set when the other side's KEXINIT has come, before it is answered (kex.js). */
  _kex?: RawKeyExchange;
  /** Defined from our KEXINIT to the end of that key exchange. ssh2 queues what is sent meanwhile, without a bound. */
  readonly _kexinit?: Buffer;
  /** Sends a keepalive; its answer calls the next of `RawClient._callbacks`. */
  ping(): void;
  channelClose(recipient: number): void;
  channelOpenFail(recipient: number, reason: number, text: string): void;
}

/** One key exchange (lib/protocol/kex.js). */
export interface RawKeyExchange {
  /** Only in a group exchange (RFC 4419): takes the group that the server chose. */
  setDHParams?(prime: Buffer, generator: Buffer): void;
}

/** What is used of a channel before a ChannelStream takes it over. While it opens, a function stands for it. */
interface RawChannel {
  readonly incoming: { readonly window: number };
}

interface RawClient {
  /** The server's software, from its identification (RFC 4253 4.2). */
  readonly _remoteVer?: string;
  /** Undefined before `connect`. */
  readonly _protocol?: RawProtocol;
  readonly _chanMgr: { get(channel: number): RawChannel | (() => void) | undefined };
  /** Who waits for the answers to global requests, in order; replaced when the connection closes. */
  readonly _callbacks: ((failed: boolean | Error, data?: Buffer) => void)[];
}

/** The client as it is inside. An upgrade of ssh2 means reading this file, channel.ts and padding.ts against it again. */
export function internals(client: Client): RawClient {
  return client as unknown as RawClient;
}

/** Throws where `connect` was not called. */
export function protocolOf(client: Client): RawProtocol {
  const protocol = internals(client)._protocol;
  if (protocol === undefined) throw new Error('the client does not connect yet');
  return protocol;
}

/** What ssh2, or whoever intercepts it, does with messages of that name now. */
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
 * Has `handle` decide about each message of that name before ssh2 sees it: `pass` gives it to ssh2, with the same fields or others. What
 * `handle` throws ends the connection: ssh2's parser drops the rest of what came, and the client emits the exception as its `error`.
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

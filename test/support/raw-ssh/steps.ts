import net from 'node:net';
import { ClientGone, type RawSshConnection } from './connection.ts';
import { Reader } from './encoding.ts';
import {
  type AuthRequest,
  channelClose,
  channelData,
  channelEof,
  channelFailure,
  channelSuccess,
  MSG,
  type OpenRequest,
  openConfirmation,
  openFailure,
  readAuth,
  readOpen,
  requestFailure,
  serviceAccept,
  userauthFailure,
  userauthSuccess,
  windowAdjust,
} from './messages.ts';

/**
 * Lets any client log in: refuses `none`, accepts the next request. `answer` can return other
 * payloads for a request; null selects the default. Resolves after sending USERAUTH_SUCCESS.
 */
export async function letIn(
  connection: RawSshConnection,
  answer: (request: AuthRequest) => readonly Buffer[] | null = () => null,
): Promise<void> {
  await connection.receive(MSG.SERVICE_REQUEST);
  connection.send(serviceAccept());
  for (;;) {
    const request = readAuth(await connection.receive(MSG.USERAUTH_REQUEST));
    const usual = request.method === 'none' ? userauthFailure(['password']) : userauthSuccess();
    const payloads = answer(request) ?? [usual];
    connection.together(() => connection.send(...payloads));
    if (payloads.some((payload) => payload[0] === MSG.USERAUTH_SUCCESS)) return;
  }
}

/** How the server handles the connection protocol. */
export interface ConnectionHandlers {
  /** The client opens a channel. Default: refused. */
  readonly open?: (request: OpenRequest) => void;
  /**
   * A global request with its data; the handler answers. Default: refused if an answer is wanted.
   */
  readonly global?: (name: string, wantReply: boolean, data: Reader) => void;
  /** A channel request, with the server's number. Default: granted if an answer is wanted. */
  readonly request?: (channel: number, type: string, wantReply: boolean) => void;
  /** Any other channel message: data, EOF, CLOSE, window adjust. Default: ignored. */
  readonly channel?: (type: number, channel: number, reader: Reader) => void;
}

/**
 * Answers the client until it hangs up, then resolves. Channels have the same number on both sides:
 * `open` should confirm a channel with the client's number.
 */
export async function serve(connection: RawSshConnection, handlers: ConnectionHandlers = {}): Promise<void> {
  try {
    for (;;) dispatch(connection, await connection.receive(), handlers);
  } catch (error) {
    if (!(error instanceof ClientGone)) throw error;
  }
}

function dispatch(connection: RawSshConnection, payload: Buffer, handlers: ConnectionHandlers): void {
  const type = payload[0] ?? 0;
  const reader = new Reader(payload);
  if (type === MSG.CHANNEL_OPEN) {
    const request = readOpen(payload);
    if (handlers.open) handlers.open(request);
    else connection.send(openFailure(request.sender, 1, ''));
  } else if (type === MSG.GLOBAL_REQUEST) {
    const [name, wantReply] = [reader.string(), reader.bool()];
    if (handlers.global) handlers.global(name, wantReply, reader);
    else if (wantReply) connection.send(requestFailure());
  } else if (type === MSG.CHANNEL_REQUEST) {
    const [channel, name, wantReply] = [reader.uint32(), reader.string(), reader.bool()];
    if (handlers.request) handlers.request(channel, name, wantReply);
    else if (wantReply) connection.send(channelSuccess(channel));
  } else if (type > MSG.CHANNEL_OPEN && type <= MSG.CHANNEL_FAILURE) {
    handlers.channel?.(type, reader.uint32(), reader);
  }
}

/** Sends data on one channel within its window (RFC 4254 5.2). */
export class WindowedSender {
  readonly #connection: Pick<RawSshConnection, 'send'>;
  readonly #channel: number;
  #window: number;
  #waiting: Buffer[] = [];

  constructor(connection: Pick<RawSshConnection, 'send'>, { sender, window }: OpenRequest) {
    this.#connection = connection;
    this.#channel = sender;
    this.#window = window;
  }

  grant(bytes: number): void {
    this.#window += bytes;
    this.#flush();
  }

  /** `null` sends EOF and CLOSE after all data. */
  push(data: Buffer | null): void {
    for (let at = 0; data !== null && at < data.length; at += PACKET)
      this.#waiting.push(data.subarray(at, at + PACKET));
    if (data === null) this.#waiting.push(END);
    this.#flush();
  }

  #flush(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (next === END) {
        this.#connection.send(channelEof(this.#channel), channelClose(this.#channel));
        this.#waiting = [];
        return;
      }
      if (next.length > this.#window) return;
      this.#window -= next.length;
      this.#waiting.shift();
      this.#connection.send(channelData(this.#channel, next));
    }
  }
}

const PACKET = 16_384;
const END = Buffer.alloc(0);

/** Returns handlers that forward each direct-tcpip to a TCP connection, within the windows. */
export function forwarding(connection: RawSshConnection): ConnectionHandlers {
  const channels = new Map<number, { socket: net.Socket; sender: WindowedSender }>();
  void connection.closed.then(() => {
    for (const { socket } of channels.values()) socket.destroy();
  });
  return {
    open(request) {
      const { type, sender: id, to } = request;
      if (type === 'session') return connection.send(openConfirmation(id, id));
      if (to === null) return connection.send(openFailure(id, 3, ''));
      const socket = net.connect({ ...to, noDelay: true });
      const sender = new WindowedSender(connection, request);
      channels.set(id, { socket, sender });
      let connected = false;
      socket.on('connect', () => {
        connected = true;
        connection.send(openConfirmation(id, id));
      });
      socket.on('data', (chunk) => sender.push(chunk));
      socket.on('error', () => {});
      socket.on('close', () => {
        if (connected) sender.push(null);
        else connection.send(openFailure(id, 2, 'Connection refused'));
      });
    },
    request: (channel, _type, wantReply) => {
      if (wantReply) connection.send(channelFailure(channel));
    },
    channel(type, id, reader) {
      const channel = channels.get(id);
      if (type === MSG.CHANNEL_DATA) {
        const data = reader.bytes();
        channel?.socket.write(data);
        connection.send(windowAdjust(id, data.length));
      } else if (type === MSG.CHANNEL_WINDOW_ADJUST) channel?.sender.grant(reader.uint32());
      else if (type === MSG.CHANNEL_EOF) channel?.socket.end();
      else if (type === MSG.CHANNEL_CLOSE) channel?.socket.destroy();
    },
  };
}

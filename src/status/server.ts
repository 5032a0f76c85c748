import { unlink } from 'node:fs/promises';
import net from 'node:net';
import { isListening } from '../core/local/is-listening.ts';
import { type Owner, placeSocket, protectSocket } from './place.ts';
import {
  type Answer,
  MAX_REQUEST,
  MessageReader,
  NO_FILE,
  type Request,
  requestSchema,
  type Stopping,
  writeMessage,
} from './protocol.ts';
import type { Status } from './schema.ts';

/** Answers the requests of a StatusServer. */
export interface StatusSource {
  status(): Status;
  /**
   * Reloads the configuration and returns the changes as lines for people; null if there is no
   * file.
   */
  readonly reload: (() => Promise<string[]>) | null;
  /** Begins to end the process. */
  stop(): Stopping;
}

/** How long a client may take to send its request, in milliseconds. */
const ASK_TIMEOUT = 5000;
/** How long a client may leave a `watch` unread, in milliseconds. */
const STALL_TIMEOUT = 30_000;
const MAX_ASKERS = 16;
/** Names to try if a process of another PID namespace has taken this one's. */
const NAME_TRIES = 4;

/** Serves this sshferry's status on a socket that only its own user can open. */
export class StatusServer {
  readonly path: string;
  readonly #server: net.Server;
  readonly #sockets: Set<net.Socket>;

  private constructor(path: string, server: net.Server, sockets: Set<net.Socket>) {
    this.path = path;
    this.#server = server;
    this.#sockets = sockets;
  }

  /**
   * Listens on a socket named after the process. Rejects if it cannot; the tunnel works without it.
   */
  static async open(pid: number, owner: Owner, source: StatusSource): Promise<StatusServer> {
    for (let tries = 0; ; tries++) {
      const path = await placeSocket(tries === 0 ? `${pid}` : `${pid}-${tries}`, owner);
      const sockets = new Set<net.Socket>();
      const server = net.createServer((socket) => accept(socket, sockets, source));
      try {
        if (owner.platform !== 'win32' && !(await isListening(path))) await unlink(path).catch(() => {});
        await listen(server, path);
        await protectSocket(path, owner);
        return new StatusServer(path, server, sockets);
      } catch (error) {
        server.close();
        const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
        if (!taken || tries === NAME_TRIES) throw error;
      }
    }
  }

  /** Disconnects all clients and removes the socket. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function listen(server: net.Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      // A later error of the socket must not end the tunnel.
      server.on('error', () => {});
      resolve();
    });
  });
}

function accept(socket: net.Socket, sockets: Set<net.Socket>, source: StatusSource): void {
  socket.on('error', () => {});
  if (sockets.size >= MAX_ASKERS) return void socket.destroy();
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
  socket.setTimeout(ASK_TIMEOUT, () => socket.destroy());
  const reader = new MessageReader(requestSchema, MAX_REQUEST);
  const onData = (chunk: Buffer) => {
    let request: Request | undefined;
    try {
      [request] = reader.push(chunk);
    } catch {
      return void socket.end(writeMessage({ error: 'this sshferry does not know that request' }));
    }
    if (request === undefined) return;
    socket.off('data', onData);
    socket.resume();
    socket.setTimeout(0);
    void answer(socket, request, source);
  };
  socket.on('data', onData);
}

async function answer(socket: net.Socket, request: Request, source: StatusSource): Promise<void> {
  const say = (message: Answer) => socket.write(writeMessage(message));
  try {
    switch (request.request) {
      case 'status':
        say({ status: source.status() });
        break;
      case 'watch':
        return watch(socket, request.every, () => say({ status: source.status() }));
      case 'stop':
        // `close` disconnects the client when all has ended.
        say({ stopping: source.stop() });
        return;
      case 'reload':
        if (source.reload === null) say({ error: NO_FILE });
        else say({ reloaded: await source.reload() });
    }
  } catch (error) {
    say({ error: error instanceof Error ? error.message : String(error) });
  }
  socket.end();
}

/**
 * Calls `say` periodically. Skips a client that does not keep up, and disconnects it after
 * STALL_TIMEOUT.
 */
function watch(socket: net.Socket, every: number, say: () => void): void {
  let heard = Date.now();
  const timer = setInterval(() => {
    if (!socket.writableNeedDrain) {
      heard = Date.now();
      say();
    } else if (Date.now() - heard > STALL_TIMEOUT) socket.destroy();
  }, every);
  socket.once('close', () => clearInterval(timer));
  say();
}

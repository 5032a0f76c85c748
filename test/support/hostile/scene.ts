import { once } from 'node:events';
import net from 'node:net';
import { resetStream } from '../../../src/core/stream.ts';
import { Dice } from './dice.ts';

/** What a web page's request contains; no FTP server may see it. */
export const PAGE_MARK = 'from-a-web-page';

/**
 * One random session: its seed, what happened in it, and every socket, listener and timer that the
 * test itself opened for it.
 */
export class Scene {
  readonly seed: number;
  /** What each actor did, in order. */
  readonly trace: string[] = [];
  /** What no session may do. */
  readonly faults: string[] = [];
  readonly #sockets = new Set<net.Socket>();
  readonly #servers = new Set<net.Server>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #closed = false;

  constructor(seed: number) {
    this.seed = seed;
  }

  dice(actor: string): Dice {
    return new Dice(this.seed, actor);
  }

  note(actor: string, act: string): void {
    if (this.trace.length < 500) this.trace.push(`${actor}: ${act}`);
  }

  /** Takes a socket over: it goes with the scene. */
  own(socket: net.Socket): net.Socket {
    socket.on('error', () => {});
    if (this.#closed) socket.destroy();
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    return socket;
  }

  /** Connects; resolves with null if that fails or takes longer than 500 ms. */
  async dial(to: { host: string; port: number }): Promise<net.Socket | null> {
    if (to.port < 1 || to.port > 65_535) return null;
    const socket = this.own(net.connect({ ...to, allowHalfOpen: true, noDelay: true }));
    const connected = new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('close', () => resolve(false));
    });
    if (await this.within(500, connected, false)) return socket;
    socket.destroy();
    return null;
  }

  /** Listens on a free port of 127.0.0.1; `onSocket` receives each connection. */
  async listen(onSocket: (socket: net.Socket) => void): Promise<{ port: number; close(): void }> {
    const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      onSocket(this.own(socket)),
    );
    server.on('error', () => {});
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const close = () => {
      this.#servers.delete(server);
      server.close();
    };
    if (this.#closed) close();
    else this.#servers.add(server);
    return { port: (server.address() as net.AddressInfo)?.port ?? 1, close };
  }

  /** Calls `act` after `ms` milliseconds unless the scene is closed before. */
  later(ms: number, act: () => void): void {
    if (this.#closed) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    this.#timers.add(timer);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.later(ms, resolve));
  }

  /** Returns what `promise` brings, or `otherwise` after `ms` milliseconds. */
  within<T>(ms: number, promise: Promise<T>, otherwise: T): Promise<T> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(otherwise), ms);
      void promise.then((value) => {
        clearTimeout(timer);
        resolve(value);
      });
    });
  }

  /** Closes every socket that the test's FTP server and client still have. */
  end(reset: boolean): void {
    for (const socket of this.#sockets) {
      if (reset) resetSocket(socket);
      else socket.destroy();
    }
  }

  close(): void {
    this.#closed = true;
    this.end(false);
    for (const server of this.#servers) server.close();
    for (const timer of this.#timers) clearTimeout(timer);
  }
}

/**
 * Resets the connection if that is possible: Node loses a socket that is reset during its shutdown.
 */
export function resetSocket(socket: net.Socket): void {
  resetStream(socket, new Error('reset by the test'));
}

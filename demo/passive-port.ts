import { once } from 'node:events';
import net from 'node:net';

/** How long a client may take to connect to the data port, in milliseconds. */
const ACCEPT_TIMEOUT = 10_000;

/** A data port that PASV or EPSV opened on 127.0.0.1. It accepts one connection. */
export class PassivePort {
  readonly port: number;
  readonly #server: net.Server;
  readonly #accepted: Promise<net.Socket>;
  #socket: net.Socket | null = null;

  static async open(): Promise<PassivePort> {
    const server = net.createServer({ pauseOnConnect: true, noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new PassivePort(server);
  }

  private constructor(server: net.Server) {
    this.port = (server.address() as net.AddressInfo).port;
    this.#server = server;
    this.#accepted = new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        server.close();
        reject(new Error('No data connection'));
      }, ACCEPT_TIMEOUT);
      server.once('connection', (socket) => {
        clearTimeout(timer);
        server.close();
        socket.on('error', () => {});
        this.#socket = socket;
        resolve(socket);
      });
      server.once('close', () => {
        clearTimeout(timer);
        if (this.#socket === null) reject(new Error('No data connection'));
      });
    });
    // The promise of an unused port rejects while no code awaits it.
    this.#accepted.catch(() => {});
  }

  /** Whether the client has ever connected. */
  get connected(): boolean {
    return this.#socket !== null;
  }

  /** Returns the client's connection, paused. Rejects if the client does not connect in time, or the port is closed. */
  accept(): Promise<net.Socket> {
    return this.#accepted;
  }

  close(): void {
    this.#server.close();
    this.#socket?.destroy();
  }
}

import { once } from 'node:events';
import net from 'node:net';

/** How long a client may take to connect to the data port, in milliseconds. */
const ACCEPT_TIMEOUT = 10_000;

/** A data port that PASV or EPSV opened on 127.0.0.1: it takes one connection. */
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
    // A port that is never used fails without anyone waiting for it.
    this.#accepted.catch(() => {});
  }

  /** Whether the client has connected, be it still or no more. */
  get connected(): boolean {
    return this.#socket !== null;
  }

  /** The client's connection, paused. Rejects when none comes in time or the port was closed. */
  accept(): Promise<net.Socket> {
    return this.#accepted;
  }

  close(): void {
    this.#server.close();
    this.#socket?.destroy();
  }
}

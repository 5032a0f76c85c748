import type net from 'node:net';
import { type Duplex, pipeline } from 'node:stream';
import { carrierCommand } from './helper-programs.ts';
import { listenAt } from './unix-listener.ts';

/**
 * A Unix socket by which ssh uses a stream of sshferry's, such as a channel of a jump host: `command`
 * is its ProxyCommand. Owns the stream.
 */
export class CarrierSocket {
  readonly command: string;
  readonly #server: net.Server;
  readonly #stream: Duplex;

  private constructor(path: string, server: net.Server, stream: Duplex) {
    this.command = carrierCommand(path);
    this.#server = server;
    this.#stream = stream;
  }

  /**
   * Listens at this path, for one connection. If that fails, destroys the stream and
   * rejects with `SSH_CONNECT`.
   */
  static async open(path: string, stream: Duplex): Promise<CarrierSocket> {
    let taken = false;
    stream.on('error', () => {});
    const server = await listenAt(path, 'SSH_CONNECT', (socket) => {
      if (taken) return void socket.destroy();
      taken = true;
      server.close();
      // An error of either ends both.
      pipeline(socket, stream, () => {});
      pipeline(stream, socket, () => {});
    }).catch((error) => {
      stream.destroy();
      throw error;
    });
    return new CarrierSocket(path, server, stream);
  }

  close(): void {
    if (this.#server.listening) this.#server.close();
    this.#stream.destroy();
  }
}

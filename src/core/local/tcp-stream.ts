import type net from 'node:net';
import type { Stream } from '../stream.ts';

const NOTHING = Buffer.alloc(0);

const TCP = {
  /**
   * Sends RST. A socket whose FIN is sent or under way is closed quietly: its data was whole, and
   * RST would drop what the kernel has yet to deliver.
   */
  reset(this: net.Socket, error: Error): void {
    if (this.connecting) this.destroy(error);
    // Even before it is finished: libuv does not reset a socket while it sends the FIN, and Node
    // then keeps it open for ever.
    else if (this.writableEnded && this.writableLength === 0) this.destroy();
    else this.resetAndDestroy();
  },

  /** One system call for each packet is the most expensive part of a download. */
  gathersWrites: true,

  /**
   * Node also emits `end` for a reset that comes together with data: libuv reports POLLHUP after a
   * partial read as end-of-file and leaves the error unread. An empty write reveals the error, and
   * sends nothing on a healthy socket.
   */
  confirmEnd(this: net.Socket, ended: () => void): void {
    if (!this.writable) return ended();
    this.write(NOTHING, (error) => {
      // The error itself comes as an event.
      if (!error) ended();
    });
  },
} satisfies Partial<Stream>;

/**
 * Makes a TCP socket a Stream; returns the same object. Not for a TLS socket: its `resetAndDestroy`
 * throws.
 */
export function tcpStream<S extends net.Socket>(socket: S): S & Stream {
  return Object.assign(socket, TCP);
}

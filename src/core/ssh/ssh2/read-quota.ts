import type { Duplex } from 'node:stream';
import { processArrivals } from '../../local/accept-activity.ts';

/** How much is read from one connection before everything else has its turn, in bytes. */
const QUOTA = 512 * 1024;
/** The same while clients arrive, each of which waits for a turn. */
const SHORT_QUOTA = 64 * 1024;

/**
 * Limits how much of one busy TCP connection is handled in one turn of the event loop. libuv reads
 * up to 2 MiB of it at a time; decrypting and forwarding that takes tens of milliseconds on a busy
 * machine, in which other connections wait.
 *
 * Call only after a reader is attached, and only if nothing else pauses the socket.
 */
export function limitReads(socket: Duplex): void {
  let read = 0;
  let most = QUOTA;
  let arrivals = processArrivals.count;
  const nextTurn = () => {
    if (read >= most) socket.resume();
    read = 0;
    most = processArrivals.count === arrivals ? QUOTA : SHORT_QUOTA;
    arrivals = processArrivals.count;
  };
  socket.on('data', (chunk: Buffer) => {
    if (read === 0) setImmediate(nextTurn);
    read += chunk.length;
    if (read >= most) socket.pause();
  });
}

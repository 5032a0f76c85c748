import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { processArrivals } from '../../local/accept-activity.ts';

/** What is read from one connection before everything else has its turn, in bytes. */
const TURN = 512 * 1024;
/** The same while clients come, who wait for a turn each. */
const SHORT_TURN = 64 * 1024;

/**
 * Keeps one busy connection from holding up the others: libuv reads up to 2 MiB of it in one turn of the event loop, and decrypting
 * and passing that on takes tens of milliseconds where the machine is busy. To be called when somebody reads `socket` already, and
 * by whom nobody else pauses it. Does nothing to what is not a TCP socket.
 */
export function shareTurns(socket: Duplex): void {
  if (!(socket instanceof Socket)) return;
  let read = 0;
  let most = TURN;
  let arrivals = processArrivals.count;
  const nextTurn = () => {
    if (read >= most) socket.resume();
    read = 0;
    most = processArrivals.count === arrivals ? TURN : SHORT_TURN;
    arrivals = processArrivals.count;
  };
  socket.on('data', (chunk: Buffer) => {
    if (read === 0) setImmediate(nextTurn);
    read += chunk.length;
    if (read >= most) socket.pause();
  });
}

import net from 'node:net';
import type { Duplex } from 'node:stream';
import type { ServerChannel } from 'ssh2';

/**
 * Joins a server's channel and a socket, half-close both ways. A socket that breaks closes the
 * channel without EOF.
 *
 * ssh2's server channel sends EOF and CLOSE together on `end()`; so it is never ended, only
 * `eof()`ed once all is written, and closed when both directions are done.
 */
export function bridge(channel: ServerChannel, socket: Duplex): void {
  let open = 2;
  const done = () => {
    open -= 1;
    if (open === 0) channel.close();
  };
  let socketEnded = false;

  channel.pipe(socket, { end: false });
  channel.once('end', () => {
    const { incoming } = channel as unknown as { incoming: { state: string } };
    if (incoming.state !== 'eof' && !socketEnded) return reset(socket);
    socket.end(done);
  });
  channel.once('close', () => {
    if (!socketEnded) reset(socket);
  });

  socket.pipe(channel, { end: false });
  socket.once('end', () => {
    socketEnded = true;
    // Written behind all that the pipe has queued, so its callback means that everything is out.
    channel.write(Buffer.alloc(0), () => {
      (channel as unknown as { eof(): void }).eof();
      done();
    });
  });
  let broken = false;
  socket.on('error', () => {
    broken = true;
  });
  socket.once('close', () => {
    if (socketEnded && !broken) return;
    channel.close();
    channel.resume();
  });
}

function reset(socket: Duplex): void {
  if (socket instanceof net.Socket) socket.resetAndDestroy();
  else socket.destroy();
}

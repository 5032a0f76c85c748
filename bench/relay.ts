import { once } from 'node:events';
import net, { type Socket } from 'node:net';

/**
 * How many bytes one direction buffers before the sender has to wait: far more than any round trip
 * here needs.
 */
const ROOM = 256 * 1024 * 1024;

/**
 * A long link between two addresses of this machine, as a program: `relay.ts RTT_MS FROM TO PORT…`
 * listens on FROM:PORT for each port and carries every connection to TO:PORT, each direction RTT/2
 * late, ends and breaks included.
 *
 * It cannot delay what the kernels do by themselves. A TCP handshake over it costs the dialling
 * side no round trip, slow start none, and Nagle's algorithm waits for no distant ACK. All of that
 * favours peers that open many connections.
 */
async function main([rtt = '', from = '', to = '', ...ports]: readonly string[]): Promise<void> {
  const delay = Number(rtt) / 2;
  for (const port of ports.map(Number)) {
    const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (near) =>
      join(near, to, port, delay),
    );
    server.listen(port, from);
    await once(server, 'listening');
  }
  process.stdout.write('listening\n');
}

function join(near: Socket, host: string, port: number, delay: number): void {
  const broken = () => {
    near.destroy();
    far.destroy();
  };
  near.on('error', broken);
  const far = net.connect({ host, port, allowHalfOpen: true, noDelay: true });
  far.on('error', broken);
  carry(near, far, delay);
  carry(far, near, delay);
}

/** Hands each chunk on when its time has come; null is the end. */
function carry(source: Socket, destination: Socket, delay: number): void {
  const line: { due: number; chunk: Buffer | null }[] = [];
  let held = 0;
  let waiting = false;
  const deliver = () => {
    waiting = false;
    while (line[0] !== undefined && line[0].due <= performance.now()) {
      const { chunk } = line.shift() ?? { chunk: null };
      if (chunk === null) {
        destination.end();
        return;
      }
      held -= chunk.length;
      destination.write(chunk);
    }
    if (held + destination.writableLength < ROOM) source.resume();
    if (line[0] !== undefined) wait(line[0].due - performance.now());
  };
  const wait = (ms: number) => {
    waiting = true;
    setTimeout(deliver, Math.max(0, ms));
  };
  const enqueue = (chunk: Buffer | null) => {
    line.push({ due: performance.now() + delay, chunk });
    if (!waiting) wait(delay);
  };
  source.on('data', (chunk) => {
    held += chunk.length;
    if (held + destination.writableLength > ROOM) source.pause();
    enqueue(chunk);
  });
  source.on('end', () => enqueue(null));
  source.on('close', (broken) => {
    if (broken) setTimeout(() => destination.resetAndDestroy(), delay);
  });
}

await main(process.argv.slice(2));

import { once } from 'node:events';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { empties } from './flood.ts';

/**
 * `flood-client.ts HOST PORT SILENT-PORT COUNT RATE` logs in COUNT times at an FTP server, sends
 * empty lines on each connection, RATE bytes a second, and only reads from a further connection to
 * SILENT-PORT. It prints a line when all have begun, and ends with its input.
 */
const [host = '', port, silentPort, count, rate] = process.argv.slice(2);

async function login(): Promise<net.Socket> {
  const socket = net.connect(Number(port), host);
  const lines = createInterface(socket);
  for (const command of ['USER anonymous', 'PASS bench', '']) {
    const [line] = await once(lines, 'line');
    if (!/^[23]/.test(line)) throw new Error(`${command}: ${line}`);
    if (command !== '') socket.write(`${command}\r\n`);
  }
  lines.close();
  return socket.resume();
}

const sockets = await Promise.all(Array.from({ length: Number(count) }, login));
for (const socket of sockets) empties(socket, Number(rate));
net.connect(Number(silentPort), host).resume();
process.stdout.write('flooding\n');
process.stdin.once('end', () => process.exit()).resume();

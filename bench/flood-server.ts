import net from 'node:net';
import { empties } from './flood.ts';

/**
 * `flood-server.ts RATE`: an FTP server that prints its port, greets clients, and then sends empty
 * lines, RATE bytes a second.
 */
const rate = Number(process.argv[2]);
const server = net.createServer((socket) => {
  socket.on('error', () => {}).resume();
  socket.write('220 bench\r\n');
  empties(socket, rate);
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as net.AddressInfo;
  process.stdout.write(`port ${port}.\n`);
});

import net from 'node:net';

/**
 * `source.ts HOST PORT SIZE` sends SIZE bytes to each connection, to measure the throughput of a
 * link.
 */
const [host, port, size] = process.argv.slice(2);
const block = Buffer.alloc(1024 * 1024);
const server = net.createServer({ noDelay: true }, (socket) => {
  let left = Number(size);
  const send = () => {
    while (left > 0) {
      const piece = block.subarray(0, left);
      left -= piece.length;
      if (!socket.write(piece)) return void socket.once('drain', send);
    }
    socket.end();
  };
  socket.on('error', () => socket.destroy());
  send();
});
server.listen(Number(port), host, () => process.stdout.write('listening\n'));

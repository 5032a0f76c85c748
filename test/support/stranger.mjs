// A program of another user: argv is its uid. Each line of its input is one connection to make, as
// JSON; each line of its output says how that ended. See stranger.ts.
import net from 'node:net';
import { createInterface } from 'node:readline';

const uid = Number(process.argv[2]);
process.setgid(uid);
process.setuid(uid);

/** Connections that stay open, and whether they are to be reset all the same. */
const held = new Set();
let resetting = false;

function connect({ id, port, host = '127.0.0.1', localPort, bytes = '', end }) {
  const answer = { id, got: '' };
  const socket = net.connect({ port, host, localPort, allowHalfOpen: true });
  socket.on('connect', () => {
    answer.from = socket.localPort;
    const act = () => {
      if (end === 'close') socket.destroy();
      else if (end === 'reset') socket.resetAndDestroy();
      else if (end === 'half-close') socket.end();
      else if (resetting) socket.resetAndDestroy();
      else held.add(socket);
    };
    if (bytes === '') act();
    else socket.write(bytes, act);
  });
  socket.on('data', (data) => {
    answer.got += data;
  });
  socket.on('end', () => socket.end());
  socket.on('error', (error) => {
    answer.error = error.code;
  });
  socket.on('close', () => console.log(JSON.stringify(answer)));
}

function resetHeld() {
  resetting = true;
  for (const socket of held) socket.resetAndDestroy();
}

/** Connects again and again, one connection after the other. */
function flood({ port, bytes, end, gap }) {
  const socket = net.connect({ port, host: '127.0.0.1' });
  socket.on('connect', () =>
    socket.write(bytes, () => (end === 'reset' ? socket.resetAndDestroy() : socket.destroy())),
  );
  socket.on('error', () => {});
  socket.on('close', () => setTimeout(() => flood({ port, bytes, end, gap }), gap));
}

const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  const order = JSON.parse(line);
  if (order.flood) flood(order);
  else if (order.reset) resetHeld();
  else connect(order);
});
input.on('close', () => process.exit());
console.log(JSON.stringify({ id: 0 }));

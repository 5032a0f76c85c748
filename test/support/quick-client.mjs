// An FTP client that closes its data connection as soon as it has sent all: argv is the port, how
// many files to put, when to connect to the data port (`before` or `after` the 150), the size of a
// file, and `patient` if it waits for the reply instead. Prints a line of JSON with what went wrong
// and how long the slowest file took, in milliseconds.
import { once } from 'node:events';
import net from 'node:net';
import { createInterface } from 'node:readline';

const [port, count, when, size, patient] = [
  Number(process.argv[2]),
  Number(process.argv[3]),
  process.argv[4],
  Number(process.argv[5]),
  process.argv[6] === 'patient',
];
const control = net.connect({ port, host: '127.0.0.1', noDelay: true });
const lines = createInterface({ input: control })[Symbol.asyncIterator]();
const reply = async () => (await lines.next()).value ?? 'nothing';
const command = async (line) => {
  control.write(`${line}\r\n`);
  return reply();
};
const connect = async (dataPort) => {
  const socket = net.connect({ port: dataPort, host: '127.0.0.1' });
  await once(socket, 'connect');
  return socket;
};

await reply();
const failed = [];
let slowest = 0;
for (let i = 0; i < count; i++) {
  const begun = performance.now();
  const dataPort = Number(/\|(\d+)\|\)/.exec(await command('EPSV'))?.[1]);
  let data = when === 'before' ? await connect(dataPort) : null;
  const begin = await command(`STOR ${i}`);
  data ??= await connect(dataPort);
  const file = Buffer.alloc(size, String(i % 10));
  if (size > 0) await new Promise((resolve) => data.write(file, resolve));
  if (patient) data.end();
  else data.destroy();
  const end = begin.startsWith('150') ? await reply() : begin;
  data.destroy();
  if (!end.startsWith('226')) failed.push(`${i}: ${end}`);
  slowest = Math.max(slowest, performance.now() - begun);
}
control.end('QUIT\r\n');
console.log(JSON.stringify({ failed, slowest: Math.round(slowest) }));

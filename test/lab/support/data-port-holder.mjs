import { createHash } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { createInterface } from 'node:readline';

// Logs in, asks for a data port and says `port N`. On SIGUSR1 it fetches the file through that port and says `got SHA256`.
const { host, port, user, password, ask, path } = JSON.parse(process.argv[2]);
const control = net.connect({ host, port });
const lines = createInterface({ input: control })[Symbol.asyncIterator]();

async function reply() {
  for (;;) {
    const { value } = await lines.next();
    if (/^\d{3} /.test(value)) return value;
  }
}

async function command(line) {
  control.write(`${line}\r\n`);
  return await reply();
}

await reply();
await command(`USER ${user}`);
await command(`PASS ${password}`);
await command('TYPE I');
const told = await command(ask);
const six = /(\d+),(\d+)\)/.exec(told);
const dataPort = six ? Number(six[1]) * 256 + Number(six[2]) : Number(/\|(\d+)\|/.exec(told)?.[1]);
console.log(`port ${dataPort}`);

await once(process, 'SIGUSR1');
const data = net.connect({ host, port: dataPort });
const hash = createHash('sha256');
data.on('data', (chunk) => hash.update(chunk));
const ended = once(data, 'end');
const begun = await command(`RETR ${path}`);
await ended;
const done = await reply();
console.log(`got ${hash.digest('hex')} ${begun.slice(0, 3)} ${done.slice(0, 3)}`);
control.end('QUIT\r\n');

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { pipeline } from 'node:stream';
import tls from 'node:tls';
import { Maildrop } from '../demo/maildrop.ts';
import { startPop3Server } from '../demo/pop3-server.ts';

/**
 * `maildrop.ts SIZE PEM`: the demo's POP3 server, with one letter of SIZE bytes, and the same with
 * TLS from the first byte. Prints both ports. PEM holds a key and its certificate.
 */
const letter = Buffer.alloc(Number(process.argv[2]), `${'x'.repeat(70)}\r\n`);
const maildrop = new Maildrop();
maildrop.deliver(Buffer.concat([Buffer.from('Subject: bench\r\n\r\n'), letter]));
const { port } = await startPop3Server(maildrop, () => {});
const pem = readFileSync(process.argv[3] ?? '');
const secure = tls.createServer({ key: pem, cert: pem, noDelay: true }, (socket) => {
  const plain = net.connect({ port, host: '127.0.0.1', noDelay: true });
  pipeline(socket, plain, socket, () => {});
});
secure.listen(0, '127.0.0.1');
await once(secure, 'listening');
const { port: securePort } = secure.address() as net.AddressInfo;
process.stdout.write(`port ${port}, with TLS port ${securePort}.\n`);

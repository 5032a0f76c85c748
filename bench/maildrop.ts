import { Maildrop } from '../demo/maildrop.ts';
import { startPop3Server } from '../demo/pop3-server.ts';

/**
 * `maildrop.ts SIZE`: the demo's POP3 server, which prints its port, with one letter of SIZE bytes.
 */
const letter = Buffer.alloc(Number(process.argv[2]), `${'x'.repeat(70)}\r\n`);
const maildrop = new Maildrop();
maildrop.deliver(Buffer.concat([Buffer.from('Subject: bench\r\n\r\n'), letter]));
const { port } = await startPop3Server(maildrop, () => {});
process.stdout.write(`port ${port}.\n`);

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';
import type { Running } from './serve.ts';

/** The maximum size of a letter, in bytes. */
const MAX_SIZE = 32 * 1024 * 1024;

/** A letter that the sink has accepted, with its envelope. */
export interface Received {
  readonly from: string;
  readonly to: readonly string[];
  readonly message: Buffer;
}

/** Accepts letters to all recipients on a free port of 127.0.0.1, and delivers none elsewhere. */
export async function startSmtpSink(onLetter: (letter: Received) => void): Promise<Running> {
  const server = new SMTPServer({
    name: 'demo',
    banner: 'sshferry demo',
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    size: MAX_SIZE,
    closeTimeout: 500,
    onData(stream, { envelope }, callback) {
      const chunks: Buffer[] = [];
      // A letter beyond the limit is read to its end, but not kept.
      stream.on('data', (chunk: Buffer) => {
        if (!stream.sizeExceeded) chunks.push(chunk);
      });
      stream.on('end', () => {
        if (stream.sizeExceeded) {
          const refusal = Object.assign(new Error('The letter is too large'), { responseCode: 552 });
          callback(refusal);
          return;
        }
        onLetter({
          from: envelope.mailFrom === false ? '' : envelope.mailFrom.address,
          to: envelope.rcptTo.map((recipient) => recipient.address),
          message: Buffer.concat(chunks),
        });
        callback(null);
      });
    },
  });
  // A client that hangs up during a letter must not end the demo.
  server.on('error', () => {});
  const listener = server.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port: (listener.address() as AddressInfo).port,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

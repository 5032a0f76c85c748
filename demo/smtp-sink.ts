import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';
import type { Running } from './serve.ts';

/** Largest letter that is taken, in bytes. */
const MAX_SIZE = 32 * 1024 * 1024;

/** A letter as the sink took it, with its envelope. */
export interface Received {
  readonly from: string;
  readonly to: readonly string[];
  readonly message: Buffer;
}

/** Takes every letter, to whomever, on a free port of 127.0.0.1; sends none on. */
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
      // Past the limit the letter is read to its end but no longer kept.
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
  // A client that hangs up in mid-letter is no reason for the demo to end.
  server.on('error', () => {});
  const listener = server.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port: (listener.address() as AddressInfo).port,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

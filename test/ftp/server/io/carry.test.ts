import { Duplex } from 'node:stream';
import { expect, it } from 'vitest';
import { GatewayError } from '../../../../src/core/errors.ts';
import { sendAll } from '../../../../src/ftp/server/io/carry.ts';

const options = () => ({ signal: new AbortController().signal, onBytes: () => {} });

/** A client that has ended its direction: its stream closes in the turn in which ours is finished. */
function client(final: (callback: (error?: Error) => void) => void = (callback) => callback()): Duplex {
  return new Duplex({
    allowHalfOpen: true,
    read() {
      this.push(null);
    },
    write: (_chunk, _encoding, callback) => callback(),
    final: (callback) => setImmediate(final, callback),
  });
}

function portions(...texts: string[]): () => Promise<Uint8Array | null> {
  return async () => {
    const text = texts.shift();
    return text === undefined ? null : Buffer.from(text);
  };
}

it('a client that closes together with the end of its download has all of it', async () => {
  await expect(sendAll(client(), portions('all ', 'of it'), options())).resolves.toBeUndefined();
});

it('a client that breaks before the end does not', async () => {
  const lost = new GatewayError('PEER_RESET', 'reset');
  const stream = client((callback) => callback(lost));
  await expect(sendAll(stream, portions('all of it'), options())).rejects.toThrow(
    'the client broke the data connection',
  );
});

it('a client that closes before the end does not', async () => {
  const stream = client(() => stream.destroy());
  await expect(sendAll(stream, portions('all of it'), options())).rejects.toThrow(
    'the client broke the data connection',
  );
});

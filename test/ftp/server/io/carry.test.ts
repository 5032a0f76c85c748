import { Duplex } from 'node:stream';
import { expect, it } from 'vitest';
import { sendAll } from '../../../../src/ftp/server/io/carry.ts';

/** A connection whose `end` of ours completes only when the test says so. */
function connection(): { stream: Duplex; finishing: Promise<void>; finish: () => void } {
  let finish = () => {};
  let began = () => {};
  const finishing = new Promise<void>((resolve) => {
    began = resolve;
  });
  const stream = new Duplex({
    read() {},
    write: (_chunk, _encoding, callback) => callback(),
    final(callback) {
      finish = callback;
      began();
    },
  });
  return { stream, finishing, finish: () => finish() };
}

async function send(stream: Duplex): Promise<number> {
  const chunks = [Buffer.alloc(1000), null];
  let bytes = 0;
  await sendAll(stream, async () => chunks.shift() ?? null, {
    signal: new AbortController().signal,
    onBytes: (count) => {
      bytes += count;
    },
  });
  return bytes;
}

it('a client that ended its direction first does not break a download that closes as it finishes', async () => {
  const { stream, finishing, finish } = connection();
  const sent = send(stream);
  stream.push(null);
  await finishing;
  // Node emits `finish` and `close` in one turn then.
  finish();
  expect(await sent).toBe(1000);
});

it('a download whose connection closes before its end was sent is broken', async () => {
  const { stream, finishing } = connection();
  const sent = send(stream);
  await finishing;
  stream.destroy();
  await expect(sent).rejects.toMatchObject({ code: 'PEER_RESET' });
});

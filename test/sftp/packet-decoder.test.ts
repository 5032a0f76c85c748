import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Incoming, PacketDecoder } from '../../src/sftp/codec/packet-decoder.ts';
import { packet, string, u32 } from '../support/scripted-sftp-server.ts';

/** What came, with the pieces of each DATA put together, and views copied. */
function decode(chunks: readonly Uint8Array[], limit?: number): unknown[] {
  const decoder = new PacketDecoder(limit);
  const out: { kind: string; bytes?: Buffer }[] = [];
  for (const incoming of chunks.flatMap((chunk) => decoder.push(Buffer.from(chunk)))) {
    const last = out.at(-1);
    if (incoming.kind !== 'piece') out.push(copied(incoming));
    else if (last?.bytes) last.bytes = Buffer.concat([last.bytes, incoming.bytes]);
  }
  return out;
}

function copied(incoming: Incoming): { kind: string; bytes?: Buffer } {
  if (incoming.kind === 'packet') return { ...incoming, body: Buffer.from(incoming.body) } as never;
  return incoming.kind === 'data' ? { ...incoming, bytes: Buffer.alloc(0) } : incoming;
}

const status = packet('STATUS', u32(7), u32(4), string('Failure'), string(''));
const data = packet('DATA', u32(8), string('hello world'));

describe('PacketDecoder', () => {
  it('returns packets whole, and DATA as its pieces come', () => {
    expect(decode([Buffer.concat([status, data, status])])).toEqual([
      { kind: 'packet', type: 101, body: status.subarray(5) },
      { kind: 'data', id: 8, length: 11, bytes: Buffer.from('hello world') },
      { kind: 'packet', type: 101, body: status.subarray(5) },
    ]);
  });

  it('hands on a piece of DATA before the rest has come', () => {
    const decoder = new PacketDecoder();
    expect(decoder.push(data.subarray(0, 15))).toEqual([
      { kind: 'data', id: 8, length: 11 },
      { kind: 'piece', bytes: Buffer.from('he') },
    ]);
    expect(decoder.push(data.subarray(15))).toEqual([{ kind: 'piece', bytes: Buffer.from('llo world') }]);
  });

  it('copies nothing of what comes whole', () => {
    const [first] = new PacketDecoder().push(status);
    expect(first?.kind === 'packet' && first.body.buffer === status.buffer).toBe(true);
  });

  it('passes over what a server puts after the data of a DATA packet', () => {
    const long = packet('DATA', u32(8), string('abc'), Buffer.from([1]));
    expect(decode([Buffer.concat([long, status])])).toEqual([
      { kind: 'data', id: 8, length: 3, bytes: Buffer.from('abc') },
      { kind: 'packet', type: 101, body: status.subarray(5) },
    ]);
  });

  it.each([
    ['no bytes', u32(0), 'a packet of 0 bytes'],
    ['more bytes than the limit', u32(1001), 'a packet of 1001 bytes'],
    ['4 GiB', u32(0xffffffff), 'a packet of 4294967295 bytes'],
    ['DATA without its head', packet('DATA', u32(8)), 'a DATA packet of 5 bytes'],
    [
      'DATA of more bytes than the packet',
      packet('DATA', u32(8), u32(4), Buffer.alloc(3)),
      '4 bytes of data in a DATA packet with room for 3',
    ],
  ])('refuses a packet of %s, and what follows', (_what, bytes, words) => {
    const padded = Buffer.concat([bytes, Buffer.alloc(20)]);
    expect(decode([status, padded, status], 1000)).toEqual([
      { kind: 'packet', type: 101, body: status.subarray(5) },
      { kind: 'fault', words },
    ]);
  });

  const part = fc.oneof(
    fc.uint8Array({ maxLength: 40 }).map((body) => packet('STATUS', Buffer.from(body))),
    fc.uint8Array({ maxLength: 40 }).map((body) => packet('DATA', u32(1), string(Buffer.from(body)))),
    fc.uint8Array({ maxLength: 20 }).map((body) => packet('DATA', Buffer.from(body))),
    fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
  );

  it('returns the same for any split of any input', () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), fc.array(fc.nat(200)), (parts, cuts) => {
        const whole = Buffer.concat(parts);
        const at = [...cuts, whole.length].sort((a, b) => a - b);
        const chunks = at.map((end, i) => whole.subarray(at[i - 1] ?? 0, end));
        expect(decode(chunks, 60)).toEqual(decode([whole], 60));
        expect(
          decode(
            [...whole].map((byte) => Buffer.from([byte])),
            60,
          ),
        ).toEqual(decode([whole], 60));
      }),
      { numRuns: 300 },
    );
  });
});

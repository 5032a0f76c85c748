import fc from 'fast-check';
import { expect, it } from 'vitest';
import { encodeFields, type Field } from '../../../../src/core/ssh/openssh/fields.ts';
import { MuxDecoder, type MuxReply, muxRequests } from '../../../../src/core/ssh/openssh/mux-messages.ts';

function message(...fields: Field[]): Buffer {
  const body = encodeFields(fields);
  return encodeFields([body.length, { raw: body }]);
}

const STREAM = Buffer.concat([
  // With a pair of an extension, as PROTOCOL.mux allows.
  message(0x00000001, 4, 'info', ''),
  message(0x80000001, 1),
  message(0x80000003, 2, 'Port forwarding failed'),
  message(0x80000007, 3, 40_000),
  message(0x80000005, 4, 1234),
  message(0x8000000f, 5),
]);
const EXPECTED: MuxReply[] = [
  { type: 'hello', version: 4 },
  { type: 'ok', id: 1 },
  { type: 'refused', id: 2, reason: 'Port forwarding failed' },
  { type: 'port', id: 3, port: 40_000 },
  { type: 'alive', id: 4 },
  { type: 'proxy', id: 5 },
];

function decoded(parts: readonly Buffer[]): { replies: MuxReply[]; rest: string } {
  const decoder = new MuxDecoder();
  const replies: MuxReply[] = [];
  for (const part of parts) {
    decoder.feed(part);
    // What follows the last reply is another protocol.
    while (replies.length < EXPECTED.length) {
      const reply = decoder.take();
      if (reply === null) break;
      replies.push(reply);
    }
  }
  return { replies, rest: decoder.rest().toString() };
}

it('decodes every reply in any split, and keeps what follows', () => {
  const bytes = Buffer.concat([STREAM, Buffer.from('another protocol')]);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length - 1), { maxLength: 30 }), (cuts) => {
      const at = [...new Set(cuts)].sort((a, b) => a - b);
      const parts = [0, ...at].map((start, i) => bytes.subarray(start, at[i] ?? bytes.length));
      expect(decoded(parts)).toEqual({ replies: EXPECTED, rest: 'another protocol' });
    }),
  );
});

it('refuses other bytes with SSH_LOST', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 100 }), (bytes) => {
      try {
        decoded([Buffer.from(bytes)]);
      } catch (error) {
        expect(error).toMatchObject({ code: 'SSH_LOST' });
      }
    }),
  );
  expect(() => decoded([Buffer.from([0, 2, 0, 0, 0, 0, 0, 0])])).toThrow(/control message of/);
});

it('asks for a forward to a path as PROTOCOL.mux has it', () => {
  expect(muxRequests.openForward(9, { host: '*', port: 0, path: '/x' })).toEqual(
    message(0x10000006, 9, 2, '*', 0, '/x', 0xffff_fffe),
  );
});

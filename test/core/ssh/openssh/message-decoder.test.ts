import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../../src/core/errors.ts';
import {
  CHANNEL_DATA,
  CHANNEL_EXTENDED_DATA,
  CHANNEL_OPEN,
  CHANNEL_OPEN_CONFIRMATION,
  CHANNEL_OPEN_FAILURE,
  CHANNEL_REQUEST,
  CHANNEL_WINDOW_ADJUST,
  type ServerMessage,
} from '../../../../src/core/ssh/openssh/connection-messages.ts';
import { booleanField, encodeFields, type Field } from '../../../../src/core/ssh/openssh/fields.ts';
import { MessageDecoder } from '../../../../src/core/ssh/openssh/message-decoder.ts';

type Heard = ServerMessage | { data: string; channel: number } | { extended: number; channel: number };

/** Feeds the parts, and returns what came of them, with the data of one channel in one piece. */
function decoded(parts: readonly Buffer[]): Heard[] {
  const heard: Heard[] = [];
  const decoder = new MessageDecoder({
    onMessage: (message) => void heard.push(message),
    onData: (channel, part) => {
      const last = heard.at(-1);
      if (last && 'data' in last && last.channel === channel) last.data += part.toString('latin1');
      else heard.push({ data: part.toString('latin1'), channel });
    },
    onExtendedData: (channel, bytes) => {
      const last = heard.at(-1);
      if (last && 'extended' in last && last.channel === channel) last.extended += bytes;
      else heard.push({ extended: bytes, channel });
    },
  });
  for (const part of parts) decoder.feed(part);
  return heard;
}

function message(type: number, ...fields: Field[]): Buffer {
  const body = encodeFields([{ raw: Buffer.from([0, type]) }, ...fields]);
  return encodeFields([body.length, { raw: body }]);
}

const STREAM = Buffer.concat([
  message(CHANNEL_OPEN_CONFIRMATION, 0, 7, 2_097_152, 32_768),
  message(CHANNEL_DATA, 0, 'two pieces '),
  message(CHANNEL_DATA, 0, 'of one text'),
  message(CHANNEL_EXTENDED_DATA, 0, 1, 'stderr'),
  message(CHANNEL_WINDOW_ADJUST, 0, 4096),
  message(CHANNEL_REQUEST, 0, 'exit-status', booleanField(false), 0),
  message(CHANNEL_OPEN_FAILURE, 1, 2, 'Connection refused', ''),
  message(CHANNEL_OPEN, 'forwarded-tcpip', 5, 1000, 1000, 'localhost', 80, '127.0.0.1', 1),
  message(96, 0),
  message(97, 0),
  message(99, 0),
  message(100, 0),
  message(80, 'hostkeys-00@openssh.com', booleanField(false)),
  message(2, 'ignored'),
]);

const EXPECTED: Heard[] = [
  { type: 'confirmed', channel: 0, sender: 7, window: 2_097_152, packet: 32_768 },
  { data: 'two pieces of one text', channel: 0 },
  { extended: 6, channel: 0 },
  { type: 'adjust', channel: 0, bytes: 4096 },
  { type: 'request', channel: 0, wantsReply: false },
  { type: 'refused', channel: 1, reason: 2, text: 'Connection refused' },
  { type: 'open', sender: 5 },
  { type: 'eof', channel: 0 },
  { type: 'close', channel: 0 },
  { type: 'success', channel: 0 },
  { type: 'failure', channel: 0 },
  { type: 'global', wantsReply: false },
  { type: 'other', code: 2 },
];

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % bytes.length))].sort((a, b) => a - b);
  return [0, ...at].map((start, i) => bytes.subarray(start, at[i] ?? bytes.length));
}

it('decodes every message in any split', () => {
  expect(decoded([STREAM])).toEqual(EXPECTED);
  fc.assert(
    fc.property(fc.array(fc.nat(STREAM.length - 1), { maxLength: 60 }), (cuts) => {
      expect(decoded(split(STREAM, cuts))).toEqual(EXPECTED);
    }),
  );
  expect(decoded([...STREAM].map((byte) => Buffer.from([byte])))).toEqual(EXPECTED);
});

it('passes data on without a copy', () => {
  const chunk = message(CHANNEL_DATA, 3, 'x'.repeat(1000));
  const parts: Buffer[] = [];
  const decoder = new MessageDecoder({
    onMessage() {},
    onData: (_channel, part) => void parts.push(part),
    onExtendedData() {},
  });
  decoder.feed(chunk);
  expect(parts[0]?.buffer).toBe(chunk.buffer);
});

describe('bytes that are no messages', () => {
  it('end with SSH_LOST, or are skipped, whatever they are', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 }), (chunks) => {
        try {
          decoded(chunks.map((chunk) => Buffer.from(chunk)));
        } catch (error) {
          expect(error).toBeInstanceOf(GatewayError);
          expect((error as GatewayError).code).toBe('SSH_LOST');
        }
      }),
    );
  });

  it('end with SSH_LOST, or are skipped, in the middle of messages', () => {
    fc.assert(
      fc.property(fc.nat(STREAM.length - 1), fc.nat(255), (at, byte) => {
        const bytes = Buffer.from(STREAM);
        bytes[at] = byte;
        try {
          decoded([bytes]);
        } catch (error) {
          expect((error as GatewayError).code).toBe('SSH_LOST');
        }
      }),
    );
  });

  it.each([
    ['no padding byte of 0', Buffer.from([0, 0, 0, 6, 1, 96, 0, 0, 0, 0])],
    ['a length of 0', Buffer.from([0, 0, 0, 0, 0, 96])],
    ['data longer than its message', message(CHANNEL_DATA, 0, { raw: Buffer.from([0, 0, 0, 9, 1]) })],
    ['data of more than 256 KiB', Buffer.from([0, 8, 0, 10, 0, 94, 0, 0, 0, 0, 0, 8, 0, 0])],
    ['a truncated head of data', Buffer.from([0, 0, 0, 6, 0, 94, 0, 0, 0, 0, 0, 0, 0, 0])],
    ['another message of more than 64 KiB', Buffer.from([0, 2, 0, 0, 0, 90])],
    ['a field beyond its message', message(CHANNEL_OPEN_FAILURE, 1, 2, 9999)],
  ])('%s', (_title, bytes) => {
    expect(() => decoded([bytes])).toThrow(expect.objectContaining({ code: 'SSH_LOST' }));
  });
});

import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import { nativeCrypto } from '../../../src/core/ssh/ssh2/native-crypto.ts';
import { connectTo } from '../../support/ssh-login.ts';
import { startSshServer } from '../../support/ssh-server.ts';

interface Cipher {
  allocPacket(length: number): Buffer;
}
const { createCipher, CIPHER_INFO } = createRequire(import.meta.url)('ssh2/lib/protocol/crypto.js');

/** As ssh2 makes one when keys were exchanged. */
function cipher(): Cipher {
  return createCipher({
    outbound: {
      onWrite: () => {},
      cipherInfo: CIPHER_INFO['aes128-gcm@openssh.com'],
      cipherKey: Buffer.alloc(16, 1),
      cipherIV: Buffer.alloc(12, 2),
      seqno: 0,
    },
  });
}

const AROUND = [...Array(600).keys(), 32 * 1024, 255 * 1024 + 9];

it("a packet is the same as ssh2's, except for the padding", async (test) => {
  const prototype: Cipher = Object.getPrototypeOf(cipher());
  const before = prototype.allocPacket;
  const plain = AROUND.map((length) => before.call(cipher(), length));

  const server = await startSshServer({});
  test.onTestFinished(() => server.close());
  const connection = await connectTo(server.port);
  test.onTestFinished(() => connection.close());
  // Without the addon ssh2 has another class, and nothing is changed.
  if (!nativeCrypto()) return expect(prototype.allocPacket).toBe(before);
  expect(
    prototype.allocPacket,
    'see src/core/ssh/ssh2/padding.ts: it relies on names of ssh2 1.17.0 that are not public',
  ).not.toBe(before);

  const paddings = new Set<string>();
  AROUND.forEach((length, i) => {
    const packet = cipher().allocPacket(length);
    const expected = plain[i] ?? Buffer.alloc(0);
    expect(packet.length).toBe(expected.length);
    expect(packet.subarray(0, 5)).toEqual(expected.subarray(0, 5));
    const padding = packet.subarray(5 + length, 4 + packet.readUInt32BE(0));
    expect(padding.length).toBe(packet[4]);
    expect(packet.length).toBe(5 + length + padding.length + 16);
    if (padding.length >= 8) paddings.add(padding.toString('hex'));
  });
  // Random bytes, and none of them twice.
  expect(paddings.size).toBe(AROUND.filter((_, i) => (plain[i]?.[4] ?? 0) >= 8).length);
});

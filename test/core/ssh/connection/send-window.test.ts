import { expect, it } from 'vitest';
import { GatewayError } from '../../../../src/core/errors.ts';
import { SendWindow } from '../../../../src/core/ssh/connection/send-window.ts';

const MiB = 1024 * 1024;
const open = (window: number) => new SendWindow({ id: 7, packetSize: 32_768, state: 'open', window });

it('is what the server grants, less what is sent, as long as that is small', () => {
  const side = open(2 * MiB);
  side.window -= 32_768;
  side.window += 65_536;
  expect(side.window).toBe(2 * MiB + 32_768);
  expect([side.id, side.packetSize, side.state]).toEqual([7, 32_768, 'open']);
});

it('never shows more than 64 MiB, and forgets nothing that was granted', () => {
  const side = open(2 ** 31);
  let sent = 0;
  while (side.window > 0) {
    expect(side.window).toBeLessThanOrEqual(64 * MiB);
    const bytes = Math.min(side.window, 48 * MiB);
    side.window -= bytes;
    sent += bytes;
    if (sent === 480 * MiB) side.window += MiB;
  }
  expect(sent).toBe(2 ** 31 + MiB);
});

it('is an error beyond what SSH has numbers for', () => {
  const side = open(2 ** 32 - 1);
  expect(() => {
    side.window += 1;
  }).toThrow(GatewayError);
});

import { expect, it } from 'vitest';
import { GatewayError } from '../../../../src/core/errors.ts';
import { SendWindow } from '../../../../src/core/ssh/connection/send-window.ts';

const MiB = 1024 * 1024;

it('is the bytes granted minus the bytes sent, if that is small', () => {
  const window = new SendWindow(2 * MiB);
  window.sent(32_768);
  window.grant(65_536);
  expect(window.usable).toBe(2 * MiB + 32_768);
});

it('never shows more than 64 MiB, and forgets no grant', () => {
  const window = new SendWindow(2 ** 31);
  let sent = 0;
  while (window.usable > 0) {
    expect(window.usable).toBeLessThanOrEqual(64 * MiB);
    const bytes = Math.min(window.usable, 48 * MiB);
    window.sent(bytes);
    sent += bytes;
    if (sent === 480 * MiB) window.grant(MiB);
  }
  expect(sent).toBe(2 ** 31 + MiB);
});

it('rejects a grant beyond the largest window of SSH', () => {
  const window = new SendWindow(2 ** 32 - 1);
  expect(() => window.grant(1)).toThrow(GatewayError);
});

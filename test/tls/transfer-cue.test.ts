import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { TransferCue } from '../../src/tls/transfer-cue.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Whether TLS may begin now on a data connection that was opened before. */
async function hasBegun(next: Promise<void>): Promise<boolean> {
  return Promise.race([next.then(() => true), Promise.resolve().then(() => Promise.resolve(false))]);
}

it('lets TLS begin when the server says that the transfer does, in whatever pieces', async () => {
  const cue = new TransferCue();
  cue.received(Buffer.from('229 Entering (|||4000|)\r\n'));
  const next = cue.next();
  expect(await hasBegun(next)).toBe(false);
  cue.received(Buffer.from('200 Type set\r\n15'));
  expect(await hasBegun(next)).toBe(false);
  cue.received(Buffer.from('0 Here it comes\r\n'));
  expect(await hasBegun(next)).toBe(true);
});

it('lets it begin at once if the transfer has begun, but not for the next one', async () => {
  const cue = new TransferCue();
  cue.received(Buffer.from('150 Connecting to you\r\n'));
  expect(await hasBegun(cue.next())).toBe(true);
  cue.received(Buffer.from('226 Done\r\n'));
  expect(await hasBegun(cue.next())).toBe(false);
});

it.each([
  ['before the data connection is open', true],
  ['after that', false],
])('does not wait for ever for the reply to a command that was sent %s', async (_when, before) => {
  const cue = new TransferCue();
  if (before) cue.sent(Buffer.from('RETR f\r\n'));
  const next = cue.next();
  if (!before) cue.sent(Buffer.from('RETR f\r\n'));
  await vi.advanceTimersByTimeAsync(1999);
  expect(await hasBegun(next)).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(await hasBegun(next)).toBe(true);
});

it('waits for a client that takes its time before its command', async () => {
  const cue = new TransferCue();
  const next = cue.next();
  await vi.advanceTimersByTimeAsync(60_000);
  cue.sent(Buffer.from('TYPE I\r\nREST 0\r'));
  cue.received(Buffer.from('200-Type\r\n200 set\r\n'));
  cue.sent(Buffer.from('\n'));
  cue.received(Buffer.from('350 Restarting\r\n'));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await hasBegun(next)).toBe(false);
  cue.sent(Buffer.from('RETR f\r\n'));
  cue.received(Buffer.from('150 Here it comes\r\n'));
  expect(await hasBegun(next)).toBe(true);
});

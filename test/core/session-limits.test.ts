import { expect, it } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { type Place, SessionLimits } from '../../src/core/session-limits.ts';

const from = (host: string) => ({ host, port: 40_000 });

function claimed(limits: SessionLimits, forward: string, host: string): Place {
  const place = limits.claim(forward, from(host));
  if (place instanceof GatewayError) throw place;
  return place;
}

function refusal(limits: SessionLimits, forward: string, host: string): string | null {
  const place = limits.claim(forward, from(host));
  return place instanceof GatewayError ? place.message : null;
}

it.each([
  [1, 'files: the limit of 1 connection is reached; try again later'],
  [2, 'files: the limit of 2 connections is reached; try again later'],
])('a forward takes %i at a time', (maxSessions, message) => {
  const limits = new SessionLimits({ maxSessions });
  const places = Array.from({ length: maxSessions }, () => claimed(limits, 'files', '127.0.0.1'));
  expect(refusal(limits, 'files', '127.0.0.1')).toBe(message);
  expect(refusal(limits, 'mail', '127.0.0.1')).toBeNull();
  places[0]?.release();
  expect(refusal(limits, 'files', '127.0.0.1')).toBeNull();
});

it('an address has a limit of its own in each forward', () => {
  const limits = new SessionLimits({ maxSessionsPerPeer: 1 });
  const place = claimed(limits, 'files', '192.0.2.1');
  expect(refusal(limits, 'files', '192.0.2.1')).toBe(
    'files: 192.0.2.1 has reached its limit of 1 connection; try again later',
  );
  expect(refusal(limits, 'files', '192.0.2.2')).toBeNull();
  expect(refusal(limits, 'mail', '192.0.2.1')).toBeNull();
  place.release();
  expect(refusal(limits, 'files', '192.0.2.1')).toBeNull();
});

it('loopback has no limit of its own, and an IPv6 /64 is one address', () => {
  const limits = new SessionLimits({ maxSessionsPerPeer: 1 });
  for (const host of ['127.0.0.1', '127.0.0.1', '::1', '::1']) claimed(limits, 'files', host);
  claimed(limits, 'files', '2001:db8:1:2::1');
  expect(refusal(limits, 'files', '2001:db8:1:2::2')).toMatch(/^files: 2001:db8:1:2::\/64 has reached/);
  expect(refusal(limits, 'files', '2001:db8:1:3::1')).toBeNull();
});

it('a refused session takes no place', () => {
  const limits = new SessionLimits({ maxSessions: 1 });
  const place = claimed(limits, 'files', '127.0.0.1');
  for (let i = 0; i < 3; i++) expect(refusal(limits, 'files', '127.0.0.1')).not.toBeNull();
  place.release();
  claimed(limits, 'files', '127.0.0.1');
  expect(refusal(limits, 'files', '127.0.0.1')).not.toBeNull();
});

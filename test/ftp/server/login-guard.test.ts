import { describe, expect, it } from 'vitest';
import { LoginGuard } from '../../../src/ftp/server/login-guard.ts';

const MINUTE = 60_000;

function failures(guard: LoginGuard, address: string, count: number, now = 0): boolean[] {
  return Array.from({ length: count }, () => guard.begin(address, now));
}

describe('LoginGuard', () => {
  it('refuses the eleventh failure of an address, also if they come at once, for a quarter of an hour', () => {
    const guard = new LoginGuard();
    expect(failures(guard, '192.0.2.1', 10)).not.toContain(false);
    expect(guard.begin('192.0.2.1', 14 * MINUTE)).toBe(false);
    expect(guard.begin('::ffff:192.0.2.1', 14 * MINUTE)).toBe(false);
    expect(guard.begin('192.0.2.2', 14 * MINUTE)).toBe(true);
    expect(guard.begin('192.0.2.1', 15 * MINUTE)).toBe(true);
  });
  it('does not count a login that was right, and forgives no others for it', () => {
    const guard = new LoginGuard();
    failures(guard, '192.0.2.1', 9);
    for (let i = 0; i < 20; i++) {
      expect(guard.begin('192.0.2.1', 1)).toBe(true);
      guard.succeeded('192.0.2.1');
    }
    expect(failures(guard, '192.0.2.1', 2)).toEqual([true, false]);
  });
  it('takes an IPv6 network for one address', () => {
    const guard = new LoginGuard();
    failures(guard, '2001:db8:0:1::1', 10);
    expect(guard.begin('2001:db8:0:1:ffff::2', 1)).toBe(false);
    expect(guard.begin('2001:db8:0:2::1', 1)).toBe(true);
    failures(guard, '::1', 10);
    expect(guard.begin('::2', 1)).toBe(false);
  });
  it('remembers a bounded number of addresses', () => {
    const guard = new LoginGuard();
    failures(guard, '192.0.2.1', 10);
    for (let i = 0; i < 10_000; i++) guard.begin(`10.0.${i >> 8}.${i & 255}`, 1);
    expect(guard.begin('192.0.2.1', 1)).toBe(true);
  });
});

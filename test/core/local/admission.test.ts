import { describe, expect, test } from 'vitest';
import { UserAdmission } from '../../../src/core/local/admission.ts';
import type { AllowedUids } from '../../../src/core/local/local-users.ts';
import type { PeerOwner } from '../../../src/core/local/peer-owner.ts';
import type { Logger } from '../../../src/core/log.ts';

const user = (uid: number, unread = 0) => ({ uid, unread });
const loopback = (port = 50_000, host = '127.0.0.1') => ({
  remote: { host, port },
  local: { host, port: 8021 },
});

/** An admission of root and 1000, for which `owner` made every connection. */
function setUp({
  owner = 'unknown',
  allowed = new Set([0, 1000]),
  openTables = () => {},
}: {
  owner?: PeerOwner;
  allowed?: AllowedUids;
  openTables?: () => void;
} = {}) {
  const lines: { level: string; fields: Record<string, unknown>; text: string }[] = [];
  const add = (level: string) => (fields: unknown, text?: string) =>
    void lines.push({ level, fields: fields as Record<string, unknown>, text: text ?? '' });
  const log = { warn: add('warn'), debug: add('debug') } as unknown as Logger;
  const asked: unknown[] = [];
  let connected = true;
  const admission = new UserAdmission(allowed, {
    findOwner: async (_, how) => {
      asked.push(how);
      // What happens while the tables are read.
      onLook();
      return owner;
    },
    openTables,
    log,
  });
  let onLook = () => {};
  return {
    admission,
    lines,
    asked,
    resetDuringLook: () => {
      onLook = () => {
        connected = false;
      };
    },
    judge: (peer = loopback(), canWait = false) =>
      admission.judge({ peer, canWait, isConnected: () => connected }),
  };
}

describe('a connection', () => {
  const unreadable = { error: new Error('EIO: i/o error, read') };
  test.each([
    ['of the own user', user(1000), 'allowed', []],
    ['of root', user(0), 'allowed', []],
    ['that its program has closed', 'closed', 'closed', []],
    ['of another user', user(4242), 'refused', ['a user (uid 4242); -o LocalUsers=4242 would allow it']],
    [
      'of a user who is not mapped',
      'unmapped',
      'refused',
      ['its user is not mapped into this user namespace'],
    ],
    ['that no table has', 'unknown', 'refused', ['the kernel has no owner for it in this network namespace']],
    ['while the tables cannot be read', unreadable, 'refused', ['could not be read (EIO: i/o error, read)']],
  ] as [string, PeerOwner, string, string[]][])('%s', async (_, owner, standing, warnings) => {
    const { judge, lines } = setUp({ owner });
    expect(await judge()).toBe(standing);
    expect(lines).toEqual(
      warnings.map((text) => ({
        level: 'warn',
        fields: expect.objectContaining({ event: 'listener.refused-user', port: 8021, count: 1 }),
        text: expect.stringContaining(text),
      })),
    );
  });

  test.each([
    ['the own user', user(1000)],
    ['another user', user(4242)],
    ['no program any more', 'closed' as const],
  ])('that was reset before the look ended does not use a row of %s', async (_, owner) => {
    const { judge, lines, resetDuringLook } = setUp({ owner });
    resetDuringLook();
    expect(await judge()).toBe('reset');
    expect(lines).toEqual([]);
  });

  test('to an address that is not loopback is not looked up, nor is any with LocalUsers=any', async () => {
    const one = setUp({ owner: user(4242) });
    expect(await one.judge(loopback(50_000, '192.0.2.1'))).toBe('allowed');
    const two = setUp({ owner: user(4242), allowed: 'any' });
    expect(await two.judge(loopback(50_000, '::1'))).toBe('allowed');
    expect([...one.asked, ...two.asked]).toEqual([]);
  });

  test('says whether it can wait for others', async () => {
    const { judge, asked } = setUp({ owner: user(0) });
    await judge(loopback(), true);
    await judge(loopback(), false);
    expect(asked).toEqual([{ canWait: true }, { canWait: false }]);
  });
});

test('on a platform that cannot tell, all are admitted, and that is logged once', async () => {
  const { judge, lines } = setUp({ owner: 'unsupported' });
  expect([await judge(), await judge()]).toEqual(['allowed', 'allowed']);
  expect(lines.map(({ level, fields }) => [level, fields.event])).toEqual([
    ['debug', 'local-users.unsupported'],
  ]);
});

test('a flood of refusals is one line', async () => {
  const { judge, lines } = setUp({ owner: user(4242) });
  for (let port = 1; port < 1000; port++) await judge(loopback(port));
  expect(lines).toHaveLength(1);
});

describe('tables that cannot be opened', () => {
  const openTables = () => {
    throw Object.assign(new Error("ENOENT: no such file or directory, open '/proc/self/net/tcp'"), {
      code: 'ENOENT',
    });
  };

  test.each([['127.0.0.1'], ['::1']])('keep a listener at %s from being opened', (host) => {
    expect(() => setUp({ openTables }).admission.prepare(host)).toThrow(
      `cannot tell which users connect to ${host}: ENOENT: no such file or directory, open '/proc/self/net/tcp'; ` +
        'check that /proc is mounted, or let every local user in with LocalUsers=any',
    );
  });

  test('are not needed for other addresses, nor for LocalUsers=any', () => {
    setUp({ openTables }).admission.prepare('192.0.2.1');
    setUp({ openTables, allowed: 'any' }).admission.prepare('127.0.0.1');
  });
});

describe('whether a program has read all that it was sent', () => {
  test.each([
    ['it has', user(1000, 0), true],
    ['it has not', user(1000, 12), false],
    ['unknown user', 'unknown' as const, true],
  ])('%s', async (_, owner, read) => expect(await setUp({ owner }).admission.hasRead(loopback())).toBe(read));

  test('is not asked of clients on other hosts', async () => {
    const { admission, asked } = setUp({ owner: user(1000, 12) });
    expect(await admission.hasRead(loopback(50_000, '192.0.2.1'))).toBe(true);
    expect(asked).toEqual([]);
  });
});

describe('a closed connection that was refused', () => {
  test.each([
    [true, 'warn', /what was sent is lost; LocalUsers=any would take it$/],
    [false, 'debug', /closed before the owner could be looked up$/],
  ])('and had sent something: %s', (sent, level, text) => {
    const { admission, lines } = setUp();
    admission.refusedClosed(loopback(), sent);
    admission.refusedClosed(loopback(), sent);
    expect(lines).toEqual([
      {
        level,
        fields: { event: 'listener.closed-early', port: 8021, from: loopback().remote, sent, count: 1 },
        text: expect.stringMatching(text),
      },
    ]);
  });
});

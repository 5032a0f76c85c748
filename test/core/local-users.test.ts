import { describe, expect, test } from 'vitest';
import { admitLocalUsers, parseLocalUsers, resolveLocalUsers } from '../../src/core/local-users.ts';
import type { Logger } from '../../src/core/log.ts';
import type { PeerOwner } from '../../src/core/peer-owner.ts';

test.each([
  ['any', 'any'],
  ['ANY', 'any'],
  ['alice', ['alice']],
  [' alice , 1001 ', ['alice', '1001']],
  ['CORP\\bob', ['CORP\\bob']],
  ['', null],
  ['alice,', null],
  ['-u', null],
  ['a\nb', null],
  ['$(id)', null],
])('LocalUsers=%j', (text, users) => expect(parseLocalUsers(text)).toEqual(users));

describe('resolved', () => {
  const own = process.geteuid?.() ?? 0;
  const lookUp = async (name: string) => (name === 'alice' ? 1001 : null);

  test('the own user and root always belong', async () => {
    expect(await resolveLocalUsers([], lookUp)).toEqual(new Set([0, own]));
    expect(await resolveLocalUsers(['alice', '77'], lookUp)).toEqual(new Set([0, own, 1001, 77]));
    expect(await resolveLocalUsers('any', lookUp)).toBe('any');
  });

  test('an unknown one is named', async () => {
    await expect(resolveLocalUsers(['alice', 'alcie'], lookUp)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/^LocalUsers=alice,alcie: this machine has no user 'alcie'; expected /),
    });
  });

  test('this machine is asked', async () => {
    expect(await resolveLocalUsers(['root'])).toEqual(new Set([0, own]));
    await expect(resolveLocalUsers(['no-such-user-here'])).rejects.toThrow("no user 'no-such-user-here'");
  });
});

describe('who comes in', () => {
  const lines: { level: string; fields: Record<string, unknown>; text: string }[] = [];
  const add = (level: string) => (fields: unknown, text?: string) =>
    void lines.push({ level, fields: fields as Record<string, unknown>, text: text ?? '' });
  const log = { warn: add('warn'), debug: add('debug') } as unknown as Logger;
  const admit = (owner: PeerOwner, host = '127.0.0.1', allowed: 'any' | Set<number> = new Set([0, 1000])) => {
    lines.length = 0;
    return admitLocalUsers(
      allowed,
      async () => owner,
      log,
    )({
      remote: { host, port: 50_000 },
      local: { host, port: 8021 },
    });
  };

  test.each([
    ['the own user', { uid: 1000 }, true],
    ['root', { uid: 0 }, true],
    ['another', { uid: 4242 }, false],
    ['nobody who can be told', 'unknown', false],
  ] as const)('%s', async (_, owner, comesIn) => {
    expect(await admit(owner)).toBe(comesIn);
    expect(lines.map(({ level, fields }) => [level, fields.event, fields.port])).toEqual(
      comesIn ? [] : [['warn', 'listener.refused-user', 8021]],
    );
  });

  test('the log says who was refused, and what would let them in', async () => {
    await admit({ uid: 4242 });
    expect(lines[0]).toMatchObject({
      fields: { uid: 4242 },
      text: expect.stringContaining('-o LocalUsers=4242'),
    });
  });

  test('an address that is not loopback is not looked at, nor is any', async () => {
    expect(await admit({ uid: 4242 }, '192.0.2.1')).toBe(true);
    expect(await admit({ uid: 4242 }, '::1', 'any')).toBe(true);
  });

  test('where the platform cannot tell, all do, and that is said once', async () => {
    lines.length = 0;
    const decide = admitLocalUsers(new Set([0]), async () => 'unsupported', log);
    const peer = { remote: { host: '::1', port: 1 }, local: { host: '::1', port: 2 } };
    expect([await decide(peer), await decide(peer)]).toEqual([true, true]);
    expect(lines.map(({ level, fields }) => [level, fields.event])).toEqual([
      ['debug', 'local-users.unsupported'],
    ]);
  });
});

import { describe, expect, test } from 'vitest';
import { parseLocalUsers, resolveLocalUsers, uidOf } from '../../../src/core/local/local-users.ts';

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
  const own = {
    uid: 1000,
    overflow: null,
    lookUp: async (name: string) => ({ alice: 1001, nobody: 65_534 })[name] ?? null,
  };
  const inNamespace = { ...own, overflow: 65_534 };

  test('the own user and root always belong', async () => {
    expect(await resolveLocalUsers([], own)).toEqual(new Set([0, 1000]));
    expect(await resolveLocalUsers(['alice', '77'], own)).toEqual(new Set([0, 1000, 1001, 77]));
    expect(await resolveLocalUsers('any', own)).toBe('any');
  });

  test('an unknown one is named', async () => {
    await expect(resolveLocalUsers(['alice', 'alcie'], own)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/^LocalUsers=alice,alcie: this machine has no user 'alcie'; expected /),
    });
  });

  test('this machine is asked', async () => {
    expect(await resolveLocalUsers(['root'], { ...own, lookUp: uidOf })).toEqual(new Set([0, 1000]));
    await expect(resolveLocalUsers(['no-such-user-here'], { ...own, lookUp: uidOf })).rejects.toThrow(
      "no user 'no-such-user-here'",
    );
  });

  describe('the uid that stands for every user who is not mapped', () => {
    const refusal = {
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('cannot be told apart from other users'),
    };

    test.each([['nobody'], ['65534']])('is refused as LocalUsers=%s', async (user) => {
      await expect(resolveLocalUsers([user], inNamespace)).rejects.toMatchObject(refusal);
      // Where every user is mapped, it is a user like others.
      expect(await resolveLocalUsers([user], own)).toEqual(new Set([0, 1000, 65_534]));
    });

    test('cannot be the own user', async () => {
      await expect(resolveLocalUsers([], { ...inNamespace, uid: 65_534 })).rejects.toMatchObject(refusal);
      expect(await resolveLocalUsers('any', { ...inNamespace, uid: 65_534 })).toBe('any');
    });
  });
});

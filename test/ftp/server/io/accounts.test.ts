import { scryptSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Accounts, type PasswordAccount } from '../../../../src/ftp/server/io/accounts.ts';
import { hashPassword, parsePasswordHash, verifyPassword } from '../../../../src/ftp/server/io/password.ts';
import { stubStore } from '../../../support/file-server.ts';

/** A hash that takes no time: N is 2. */
function cheapHash(password: string): string {
  const salt = Buffer.alloc(16);
  const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
  const hash = scryptSync(password, salt, 32, { N: 2, r: 1, p: 1 });
  return `$scrypt$ln=1,r=1,p=1$${base64(salt)}$${base64(hash)}`;
}

const OPEN = cheapHash('open sesame');

describe('a password', () => {
  it('is known by its hash again', async () => {
    const text = await hashPassword(Buffer.from('pässword'));
    expect(text).toMatch(/^\$scrypt\$ln=15,r=8,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
    const hash = parsePasswordHash(text);
    if (hash === null) throw new Error(`cannot read ${text}`);
    expect(await verifyPassword(Buffer.from('pässword'), hash)).toBe(true);
    expect(await verifyPassword(Buffer.from('passwort'), hash)).toBe(false);
    expect(await verifyPassword(Buffer.alloc(0), hash)).toBe(false);
    expect(await hashPassword(Buffer.from('pässword'))).not.toBe(text);
  });
  it('is known by a hash of another cost', async () => {
    const hash = parsePasswordHash(OPEN);
    if (hash === null) throw new Error(`cannot read ${OPEN}`);
    expect(await verifyPassword(Buffer.from('open sesame'), hash)).toBe(true);
  });
  it.each([
    ['', 'nothing'],
    ['secret', 'the password itself'],
    [OPEN.slice(0, -43), 'no hash'],
    [OPEN.replace('ln=1', 'ln=0'), 'N is 1'],
    [OPEN.replace('ln=1', 'ln=40'), 'more memory than there is'],
    [OPEN.replace('ln=1,r=1', 'ln=20,r=32'), '4 GiB'],
    [OPEN.replace('scrypt', 'argon2id'), 'another function'],
    [`${OPEN}!`, 'something after it'],
  ])('%j is no hash: %s', (text) => expect(parsePasswordHash(text)).toBeNull());
});

describe('Accounts', () => {
  const account = (password: string): PasswordAccount => {
    const hash = parsePasswordHash(cheapHash(password));
    if (hash === null) throw new Error('no hash');
    return { access: 'read-only', store: stubStore({}), password: hash };
  };

  it('open with the right password, and do not say which part was wrong', async () => {
    const ann = account('open sesame');
    const accounts = new Accounts(new Map([['ann', ann]]));
    const verify = (user: string, password: string) =>
      accounts.verify(user, Buffer.from(password), '192.0.2.1');
    expect(await verify('ann', 'open sesame')).toBe(ann);
    expect(await verify('ann', 'open sesame ')).toBe('wrong');
    expect(await verify('Ann', 'open sesame')).toBe('wrong');
    expect(await verify('bob', 'open sesame')).toBe('wrong');
    expect(await verify('constructor', 'open sesame')).toBe('wrong');
  });
  it('lock an address that fails too often, also if all attempts come at once', async () => {
    const accounts = new Accounts(new Map([['ann', account('right')]]));
    const verdicts = await Promise.all(
      Array.from({ length: 14 }, () => accounts.verify('ann', Buffer.from('wrong'), '192.0.2.1')),
    );
    expect(verdicts.filter((verdict) => verdict === 'wrong')).toHaveLength(10);
    expect(verdicts.filter((verdict) => verdict === 'locked')).toHaveLength(4);
    expect(await accounts.verify('ann', Buffer.from('right'), '192.0.2.1')).toBe('locked');
    expect(await accounts.verify('ann', Buffer.from('right'), '192.0.2.2')).toMatchObject({
      access: 'read-only',
    });
  });
  it('refuse every login if there are none', async () => {
    expect(await new Accounts(new Map()).verify('ann', Buffer.from(''), '192.0.2.1')).toBe('wrong');
  });
  it('take a bounded number of attempts at once', async () => {
    const accounts = new Accounts(new Map([['ann', account('right')]]));
    const attempts = Array.from({ length: 60 }, (_, n) =>
      accounts.verify('ann', Buffer.from('right'), `192.0.2.${n}`).catch((error) => error.reason),
    );
    const results = await Promise.all(attempts);
    expect(results.filter((result) => result === 'unavailable')).toHaveLength(8);
  });
});

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it, type TestContext } from 'vitest';
import { ftpAccount } from '../../../src/ftp/probe/account.ts';
import { findNetrc, parseNetrc } from '../../../src/ftp/probe/netrc.ts';

describe('parseNetrc', () => {
  it.each([
    ['one line', 'machine a login u password p', [['a', 'u', 'p']]],
    [
      'several lines',
      'machine a\n\tlogin u\n\tpassword p\nmachine b login v',
      [
        ['a', 'u', 'p'],
        ['b', 'v', null],
      ],
    ],
    ['quotes', 'machine a login u password "p \\" q"', [['a', 'u', 'p " q']]],
    ['a password that is a keyword', 'machine a login login password machine', [['a', 'login', 'machine']]],
    ['a password with #', 'machine a login u password #p', [['a', 'u', '#p']]],
    ['comments', '# machine x login y\nmachine a login u password p', [['a', 'u', 'p']]],
    ['account', 'machine a login u account machine password p', [['a', 'u', 'p']]],
    ['default, which names no machine', 'default login u password p\n', []],
    [
      'a macro',
      'machine a login u password p\nmacdef init\nmachine x\n\nmachine b',
      [
        ['a', 'u', 'p'],
        ['b', null, null],
      ],
    ],
    ['an end in the middle', 'machine a login', [['a', null, null]]],
    ['nothing', '', []],
  ])('reads %s', (_, text, expected) => {
    expect(parseNetrc(text).map(({ machine, login, password }) => [machine, login, password])).toEqual(
      expected,
    );
  });
});

async function netrc(test: TestContext, text: string, mode = 0o600): Promise<string> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-netrc-'));
  test.onTestFinished(() => rm(dir, { recursive: true }));
  const file = path.join(dir, '.netrc');
  await writeFile(file, text, { mode });
  return file;
}

describe('findNetrc', () => {
  const TEXT = 'machine b login v password q\nmachine A login u password p\nmachine a login w password r\n';

  it('takes the first machine that has an entry, in their order', async (test) => {
    const file = await netrc(test, TEXT);
    expect(await findNetrc(file, ['x', 'a', 'b'], null)).toMatchObject({ login: 'u', password: 'p' });
    expect(await findNetrc(file, ['a'], 'w')).toMatchObject({ login: 'w', password: 'r' });
    expect(await findNetrc(file, ['x'], null)).toBeNull();
    expect(await findNetrc(file, ['a'], 'x')).toBeNull();
  });

  it('does without a file', async () => {
    expect(await findNetrc('/nonexistent/netrc', ['a'], null)).toBeNull();
  });

  it('refuses a password that others can read, unless the user is anonymous', async (test) => {
    const file = await netrc(
      test,
      `${TEXT}machine c login anonymous password me@\nmachine d login u\n`,
      0o640,
    );
    await expect(findNetrc(file, ['a'], null)).rejects.toThrow(/open to other users.*chmod 600/);
    expect(await findNetrc(file, ['c'], null)).toMatchObject({ login: 'anonymous' });
    expect(await findNetrc(file, ['d'], null)).toMatchObject({ login: 'u', password: null });
  });
});

describe('ftpAccount', () => {
  const through = { host: 'office', hostName: 'office.example.com' };
  const noTerminal = { interactive: false, ask: () => Promise.reject(new Error('no terminal')), tell() {} };

  async function user(file: string, host: string, asked: string | null = null) {
    const source = { user: asked, netrc: file, prompter: noTerminal };
    return (await ftpAccount({ host, port: 21 }, through, source))?.user;
  }

  it('knows a target that is the SSH server itself by that one’s names', async (test) => {
    const file = await netrc(
      test,
      'machine localhost login l password p\nmachine office.example.com login o password p\n',
    );
    expect(await user(file, 'localhost')).toBe('o');
    expect(await user(file, '127.0.0.1')).toBe('o');
    expect(await user(file, 'other')).toBeUndefined();
  });

  it('is never anonymous unless requested', async (test) => {
    const file = await netrc(test, 'default login anonymous password me@\n');
    expect(await user(file, 'localhost')).toBeUndefined();
    expect(await user(file, 'localhost', 'anonymous')).toBe('anonymous');
  });
});

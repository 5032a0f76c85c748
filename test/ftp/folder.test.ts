import { expect, test } from 'vitest';
import { schema } from '../../src/ftp/config.ts';
import { validateForward } from '../../src/ftp/folder.ts';
import { hashPassword } from '../../src/ftp/server/io/password.ts';

const FOLDER = { sftp: '/srv/in' };
const HOST = { host: 'localhost', port: 21 };
const password = await hashPassword(Buffer.from('secret'));

test.each([
  [{ direction: 'local', host: 'localhost', target: FOLDER }, {}, null],
  [{ direction: 'local', host: '127.0.0.1', target: FOLDER }, { access: 'read-only' }, null],
  [{ direction: 'local', host: '*', target: FOLDER }, { users: { scanner: { password } } }, null],
  [{ direction: 'local', host: '*', target: FOLDER }, {}, /^to listen on \*, it needs users/],
  [{ direction: 'local', host: '192.0.2.1', target: FOLDER }, {}, /it needs users/],
  [{ direction: 'remote', host: 'localhost', target: FOLDER }, {}, /on this machine \(-L\) only/],
  [{ direction: 'local', host: '*', target: HOST }, { prefetch: true }, null],
  [
    { direction: 'local', host: 'localhost', target: HOST },
    { access: 'read-only' },
    /^access: only for a folder/,
  ],
  [
    { direction: 'local', host: 'localhost', target: HOST },
    { fsync: false, charset: 'shift_jis' },
    /^charset, fsync: /,
  ],
] as const)('%o with %o', (forward, options, wrong) => {
  const words = validateForward(forward, schema.parse(options));
  if (wrong === null) expect(words).toBe(null);
  else expect(words).toMatch(wrong);
});

test.each([
  [{ users: { scanner: { password: 'secret' } } }, 'a hash that sshferry hash has made'],
  [{ users: { scanner: { password, folder: 'a/../../b' } } }, 'a path without ..'],
  [{ charset: 'utf-16' }, 'a character set that contains ASCII'],
])('%o is invalid', (options, words) => {
  expect(schema.safeParse(options).error?.issues.map(({ message }) => message)).toEqual([
    expect.stringContaining(words),
  ]);
});

test('a user’s folder is a path below that of the forward', () => {
  const { users } = schema.parse({
    users: { scanner: { password, folder: '/scans/a/' }, other: { password } },
  });
  expect([...(users ?? [])].map(([name, { folder }]) => [name, folder])).toEqual([
    ['scanner', 'scans/a'],
    ['other', ''],
  ]);
});

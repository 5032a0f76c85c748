import { describe, expect, test } from 'vitest';
import { type ForwardInfo, forwardLines } from '../../../src/cli/display/forward-lines.ts';
import { isUnicodeLocale } from '../../../src/cli/display/terminal-style.ts';

const server = { label: 'you@yourserver', host: 'yourserver', hostName: '203.0.113.5' };
const forward = (
  type: string,
  listen: string,
  port: number,
  host: string,
  hostport: number,
): ForwardInfo => ({
  type,
  direction: 'local',
  listen: { host: listen, port },
  target: { host, port: hostport },
  tls: null,
  listenTls: null,
  server,
});

test('a remote forward shows the side of each end', () => {
  const forwards = [
    forward('ftp', 'localhost', 2121, 'localhost', 21),
    forward('tcp', '*', 80, 'files.example.com', 80),
  ].map((info): ForwardInfo => ({ ...info, direction: 'remote' }));
  expect(forwardLines(forwards, { unicode: false })).toEqual([
    'ftp  localhost:2121 on yourserver -> localhost:21 here          control and data through you@yourserver',
    'tcp  *:80 on yourserver           -> files.example.com:80 here  through you@yourserver',
    '     note: from this machine to files.example.com, the data travels outside SSH',
  ]);
});

test('columns are aligned, and a target on another host has a remark', () => {
  const forwards = [
    forward('ftp', 'localhost', 8021, 'files.example.com', 21),
    forward('pop3', '::1', 8110, 'localhost', 110),
    forward('tcp', '*', 80, '2001:db8::1', 80),
  ];
  expect(forwardLines(forwards, { unicode: true })).toEqual([
    'ftp   localhost:8021 → files.example.com:21  control and data through you@yourserver',
    '      note: from yourserver to files.example.com, the data travels outside SSH',
    'pop3  [::1]:8110     → localhost:110         through you@yourserver',
    'tcp   *:80           → [2001:db8::1]:80      through you@yourserver',
    '      note: from yourserver to 2001:db8::1, the data travels outside SSH',
  ]);
});

test('a target with TLS has a remark about TLS, and none about the leg outside SSH', () => {
  const tls = { mode: 'implicit', serverName: 'mail.example.com', verified: true } as const;
  const forwards = [
    { ...forward('pop3s', 'localhost', 8110, 'mail.example.com', 995), tls },
    { ...forward('ftp+tls', 'localhost', 8021, 'localhost', 21), tls: { ...tls, verified: false } },
  ];
  expect(forwardLines(forwards, { unicode: true })).toEqual([
    'pop3s    localhost:8110 → mail.example.com:995  through you@yourserver',
    '         note: from yourserver to mail.example.com, the data travels in TLS (verified as mail.example.com)',
    'ftp+tls  localhost:8021 → localhost:21          control and data through you@yourserver',
    '         note: from yourserver to localhost, the data travels in TLS (the server is not verified)',
  ]);
});

test.each(['localhost', '127.0.0.1', '127.1.2.3', '::1', 'yourserver', 'YourServer', '203.0.113.5'])(
  '%s is the SSH server itself: no remark',
  (host) => {
    expect(forwardLines([forward('ftp', 'localhost', 8021, host, 21)], { unicode: true })).toHaveLength(1);
  },
);

test('a locale without UTF-8 gets ASCII', () => {
  const [line] = forwardLines([forward('ftp', 'localhost', 8021, 'localhost', 21)], { unicode: false });
  expect(line).toBe('ftp  localhost:8021 -> localhost:21  control and data through you@yourserver');
});

describe('the locale', () => {
  test.each([
    [{ LANG: 'de_DE.UTF-8' }, true],
    [{ LANG: 'C.utf8' }, true],
    [{ LANG: 'C' }, false],
    [{ LANG: 'de_DE.UTF-8', LC_ALL: 'C' }, false],
    [{ LANG: 'C', LC_CTYPE: 'C.UTF-8' }, true],
    [{ LC_ALL: '', LANG: 'ja_JP.eucJP' }, false],
    [{}, false],
  ])('%j', (env, unicode) => expect(isUnicodeLocale(env, 'linux')).toBe(unicode));

  test('is UTF-8 on systems that set no locale', () => {
    expect(isUnicodeLocale({}, 'darwin')).toBe(true);
    expect(isUnicodeLocale({}, 'win32')).toBe(true);
  });
});

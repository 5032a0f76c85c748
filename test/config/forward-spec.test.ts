import { homedir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { type ForwardType, parseDynamic, parseForward } from '../../src/config/forward-spec.ts';
import { GatewayError } from '../../src/core/errors.ts';

const types: ForwardType[] = [
  { name: 'ftp', defaultPorts: [21], servesFolders: true, needsAddresses: true },
  { name: 'pop3', defaultPorts: [110] },
  { name: 'smtp', defaultPorts: [25, 587] },
  { name: 'imap', defaultPorts: [143] },
  { name: 'tcp', defaultPorts: [] },
  { name: 'socks', defaultPorts: [], isDynamic: true },
];

describe('a valid forward', () => {
  test.each([
    ['8021:localhost:21', 'ftp', null, 8021, 'localhost', 21],
    ['8110:localhost:110', 'pop3', null, 8110, 'localhost', 110],
    ['8025:localhost:25', 'smtp', null, 8025, 'localhost', 25],
    ['8587:mail.example.com:587', 'smtp', null, 8587, 'mail.example.com', 587],
    ['8143:localhost:143', 'imap', null, 8143, 'localhost', 143],
    ['8080:localhost:80', 'tcp', null, 8080, 'localhost', 80],
    ['ftp/1234:localhost:2121', 'ftp', null, 1234, 'localhost', 2121],
    ['FTP/1234:localhost:2121', 'ftp', null, 1234, 'localhost', 2121],
    ['tcp/8021:localhost:21', 'tcp', null, 8021, 'localhost', 21],
    ['127.0.0.1:8021:localhost:21', 'ftp', '127.0.0.1', 8021, 'localhost', 21],
    ['localhost:8021:localhost:21', 'ftp', 'localhost', 8021, 'localhost', 21],
    ['*:8021:localhost:21', 'ftp', '*', 8021, 'localhost', 21],
    [':8021:localhost:21', 'ftp', '*', 8021, 'localhost', 21],
    ['ftp/*:8021:localhost:2121', 'ftp', '*', 8021, 'localhost', 2121],
    ['[::1]:8021:[2001:db8::1]:21', 'ftp', '::1', 8021, '2001:db8::1', 21],
    ['ftp/[::]:8021:[::1]:21', 'ftp', '::', 8021, '::1', 21],
    ['8021:[fe80::1%eth0]:21', 'ftp', null, 8021, 'fe80::1%eth0', 21],
    ['0:localhost:21', 'ftp', null, 0, 'localhost', 21],
    [' 8021:localhost:21 ', 'ftp', null, 8021, 'localhost', 21],
    ['8021:my_host-1.example.com:21', 'ftp', null, 8021, 'my_host-1.example.com', 21],
    ['8021:bücher.example:21', 'ftp', null, 8021, 'bücher.example', 21],
  ])('%s', (text, type, bindHost, port, host, hostport) => {
    expect(parseForward(text, types)).toEqual({
      type,
      listen: { host: bindHost, port },
      target: { host, port: hostport },
    });
  });
});

describe('a folder behind SFTP', () => {
  test.each([
    ['8021:sftp:/srv/in', null, 8021, '/srv/in'],
    ['8021:sftp:', null, 8021, ''],
    ['8021:sftp:~', null, 8021, ''],
    ['8021:sftp:~/in', null, 8021, '~/in'],
    ['8021:sftp:/with:colon/a b', null, 8021, '/with:colon/a b'],
    ['8021:sftp:/sftp:/x', null, 8021, '/sftp:/x'],
    ['ftp/8021:sftp:/srv/in', null, 8021, '/srv/in'],
    ['FTP/*:8021:sftp:/srv/in', '*', 8021, '/srv/in'],
    [':8021:sftp:/', '*', 8021, '/'],
    ['[::1]:8021:sftp:/srv', '::1', 8021, '/srv'],
    ['0:sftp:/srv', null, 0, '/srv'],
  ])('%s', (text, host, port, sftp) => {
    expect(parseForward(text, types)).toEqual({ type: 'ftp', listen: { host, port }, target: { sftp } });
  });
  test('a host called sftp has a numeric port', () => {
    const target = { host: 'sftp', port: 21 };
    expect(parseForward('8021:sftp:21', types)).toEqual({
      type: 'ftp',
      listen: { host: null, port: 8021 },
      target,
    });
    expect(parseForward('sftp:8021:localhost:21', types).listen.host).toBe('sftp');
  });
  test.each([
    ['8021:sftp:in', "the folder 'in' is invalid: it is not absolute"],
    ['8021:sftp:~you/in', 'homes of other users are not supported'],
    ['pop3/8021:sftp:/srv', "type 'pop3' does not serve a folder; expected ftp"],
    ['80211:sftp:/srv', "the port to listen on '80211' is invalid"],
    ['8021:sftp:/a\nb', 'the folder has a control character'],
  ])('%s is an error, with an example', (text, message) => {
    expect(() => parseForward(text, types)).toThrow(message);
    expect(() => parseForward(text, types)).toThrow(/, such as -L 8021:sftp:\/srv\/in$/);
  });
});

describe('the error for an invalid forward names the part and what was expected', () => {
  test.each([
    ['', 'the host and its port are missing'],
    ['8021', 'the host and its port are missing'],
    ['8021:localhost', 'only two parts'],
    ['ftp/8021', 'the host and its port are missing'],
    ['8021:localhost:', 'the target port is missing; expected a number from 1 to 65535'],
    ['8021:localhost:0', "the target port '0' is invalid"],
    ['8021:localhost:2l', "the target port '2l' is invalid; expected a number from 1 to 65535"],
    ['8021:localhost:65536', "the target port '65536' is invalid"],
    ['8021:localhost:+21', "the target port '+21' is invalid"],
    ['80211:localhost:21', "the port to listen on '80211' is invalid; expected a number from 0"],
    ['-1:localhost:21', "the port to listen on '-1' is invalid"],
    ['0x15:localhost:21', "the port to listen on '0x15' is invalid"],
    ['::localhost:21', 'the port to listen on is missing'],
    ['ftp:localhost:2121', 'such as -L ftp/8021:localhost:2121'],
    ['8021::21', 'the target host is empty'],
    ['8021:you@yourserver:21', "the target host 'you@yourserver' is invalid; expected a host without"],
    ['8021:local host:21', "the target host 'local host' is invalid"],
    ['local host:8021:localhost:21', "the bind address 'local host' is invalid"],
    ['8021:::1:21', 'too many colons'],
    ['8021:2001:db8::1:21', 'IPv6 addresses in brackets'],
    ['8021:[::1:21', "has a '[' without a ']'"],
    ['8021:[::1]21', "continues after ']'"],
    ['8021:[localhost]:21', "'[localhost]' is not an IPv6 address"],
    ['8021:[]:21', "'[]' is not an IPv6 address"],
    [
      'ftps/8021:localhost:21',
      "unknown type 'ftps' (did you mean ftp?); expected one of ftp, pop3, smtp, imap, tcp, socks, such as",
    ],
    ['pop/8110:localhost:110', 'did you mean pop3?'],
    ['http/8080:localhost:80', "unknown type 'http'"],
    ['8021/localhost/21', "the separator is ':', not '/'"],
  ])('%s', (text, part) => {
    const error = caught(() => parseForward(text, types));
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toContain(`-L ${text}: `);
    expect(error.message).toContain(part);
    expect(error.message).toMatch(/such as -L \S+:\S+:\d+$/);
    expect(error.message).not.toContain('\n');
  });
});

describe('a Unix socket', () => {
  const socket = (path: string) => ({ host: path, port: 0 });
  test.each([
    ['8080:/run/app.sock', 'tcp', { host: null, port: 8080 }, { unix: '/run/app.sock' }],
    ['*:8080:/run/app.sock', 'tcp', { host: '*', port: 8080 }, { unix: '/run/app.sock' }],
    ['[::1]:8080:/run/app.sock', 'tcp', { host: '::1', port: 8080 }, { unix: '/run/app.sock' }],
    ['/tmp/a.sock:localhost:80', 'tcp', socket('/tmp/a.sock'), { host: 'localhost', port: 80 }],
    ['/tmp/a.sock:[::1]:80', 'tcp', socket('/tmp/a.sock'), { host: '::1', port: 80 }],
    ['/tmp/a.sock:/run/app.sock', 'tcp', socket('/tmp/a.sock'), { unix: '/run/app.sock' }],
    ['[/tmp/a:b.sock]:[/run/c:d.sock]', 'tcp', socket('/tmp/a:b.sock'), { unix: '/run/c:d.sock' }],
    ['/tmp/a\\:b.sock:/run/c\\\\d', 'tcp', socket('/tmp/a:b.sock'), { unix: '/run/c\\d' }],
    ['pop3/8110:/run/pop3.sock', 'pop3', { host: null, port: 8110 }, { unix: '/run/pop3.sock' }],
    ['pop3//tmp/a.sock:localhost:110', 'pop3', socket('/tmp/a.sock'), { host: 'localhost', port: 110 }],
    ['/tmp/a.sock:localhost:110', 'pop3', socket('/tmp/a.sock'), { host: 'localhost', port: 110 }],
    // FTP needs addresses; as in ssh, the control connection alone is carried.
    ['/tmp/a.sock:localhost:21', 'tcp', socket('/tmp/a.sock'), { host: 'localhost', port: 21 }],
    ['./a.sock:localhost:80', 'tcp', socket(path.resolve('a.sock')), { host: 'localhost', port: 80 }],
    ['~/a.sock:localhost:80', 'tcp', socket(path.join(homedir(), 'a.sock')), { host: 'localhost', port: 80 }],
  ])('%s', (text, type, listen, target) => {
    expect(parseForward(text, types)).toEqual({ type, listen, target });
  });
  test('on this side of -R may be relative', () => {
    expect(parseForward('9000:./a.sock', types, '-R').target).toEqual({ unix: path.resolve('a.sock') });
    expect(parseForward('/run/b.sock:./a.sock', types, '-R').listen).toEqual(socket('/run/b.sock'));
  });
  test.each([
    ['-L', '8021:./run/app.sock', "'./run/app.sock' is not absolute"],
    ['-L', '8021:~/app.sock', "'~/app.sock' is not absolute"],
    ['-R', './b.sock:localhost:80', "'./b.sock' is not absolute"],
    ['-L', 'ftp/8021:/run/ftp.sock', 'type ftp opens further ports'],
    ['-L', 'ftp//tmp/a.sock:localhost:21', 'type ftp opens further ports'],
    ['-L', 'ftp//tmp/a.sock:sftp:/srv', 'type ftp opens further ports'],
    ['-L', '/tmp/a:8080:/run/app.sock', 'too many colons'],
    ['-L', '/tmp/a:b:8080:localhost:80', 'too many colons'],
    ['-L', '/tmp/a.sock', 'the host and its port are missing'],
    ['-L', '/tmp/:localhost:80', 'is a folder'],
    ['-L', '8080:/run/', 'is a folder'],
    ['-L', '/tmp/a\nb:localhost:80', 'has a control character'],
  ])('%s %j is an error', (flag, text, message) => {
    const error = caught(() => parseForward(text, types, flag));
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toContain(message);
  });
});

describe('a dynamic forward', () => {
  const target = { dynamic: true };
  test.each([
    ['1080', null, 1080],
    ['*:1080', '*', 1080],
    [':1080', '*', 1080],
    ['127.0.0.2:1080', '127.0.0.2', 1080],
    ['[::1]:1080', '::1', 1080],
    ['0', null, 0],
    ['/tmp/socks.sock', '/tmp/socks.sock', 0],
    ['socks/1080', null, 1080],
  ])('-D and -R %s', (text, host, port) => {
    const expected = { type: 'socks', listen: { host, port }, target };
    expect(parseDynamic(text, types)).toEqual(expected);
    expect(parseForward(text, types, '-R')).toEqual(expected);
  });
  test.each([
    ['1080:localhost:80', 'a dynamic forward has no target; expected [bind_address:]port'],
    ['ftp/1080', 'type ftp needs a target'],
    ['70000', "the port to listen on '70000' is invalid"],
    ['', 'the port to listen on is missing'],
  ])('-D %j is an error', (text, message) => {
    const error = caught(() => parseDynamic(text, types));
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/, such as -D 1080$/);
  });
  test('type socks takes no target', () => {
    expect(() => parseForward('socks/1080:localhost:80', types)).toThrow('type socks takes no target');
  });
});

function caught(run: () => unknown): GatewayError {
  try {
    run();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

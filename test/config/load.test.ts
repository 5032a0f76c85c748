import { describe, expect, test } from 'vitest';
import { PLUGINS } from '../../src/app/plugins.ts';
import { type Arguments, configFromArguments } from '../../src/config/load.ts';
import { plugins } from './plugins.ts';

const args = (given: Partial<Arguments> = {}): Arguments => ({
  destination: 'you@yourserver.example.com',
  forwards: ['8021:localhost:21'],
  options: [],
  gatewayPorts: false,
  session: true,
  log: { level: 'info' },
  ...given,
});
const load = (given?: Partial<Arguments>, local: string[] = [], remote: string[] = []) =>
  configFromArguments(args(given), plugins, { local, remote, dynamic: [] });
const only = <T>(record: Readonly<Record<string, T>>): T | undefined => Object.values(record)[0];

test('a forward has its server, its addresses and its protocol with the defaults filled in', () => {
  expect(load().forwards).toEqual({
    'ftp-8021': {
      type: 'ftp',
      direction: 'local',
      server: 'you@yourserver.example.com',
      listen: { host: null, port: 8021 },
      to: { host: 'localhost', port: 21 },
      options: { active: 'to-passive', prefetch: false, dataHost: 'control', maxDataPorts: 16 },
      tls: null,
      listenTls: null,
    },
  });
});

test('the destination is split, and flags take precedence over it', () => {
  expect(only(load().servers)).toMatchObject({ host: 'yourserver.example.com', user: 'you' });
  expect(only(load({ destination: 'ssh://you@h:2222' }).servers)).toMatchObject({
    host: 'h',
    user: 'you',
    port: 2222,
  });
  expect(only(load({ destination: 'ssh://you@h:2222', user: 'me', port: 22 }).servers)).toMatchObject({
    user: 'me',
    port: 22,
  });
});

test('a protocol option is set for every forward of its protocol, and the first of a key counts', () => {
  const { forwards } = load({
    forwards: ['8021:localhost:21', '8110:localhost:110', 'ftp/8022:b:2121'],
    options: ['FtpPrefetch=yes', 'ftpprefetch=no'],
  });
  expect(forwards['ftp-8021']?.options).toMatchObject({ prefetch: true, active: 'to-passive' });
  expect(forwards['ftp-8022']?.options).toMatchObject({ prefetch: true });
  expect(forwards['pop3-8110']?.options).toEqual({});
});

test("ssh_config's options are kept in their order", () => {
  const { servers } = load({ options: ['Ciphers=a', 'FtpPrefetch=yes', 'Ciphers=b', 'TCPKeepAlive no'] });
  expect(only(servers)?.options).toEqual([
    ['Ciphers', 'a'],
    ['Ciphers', 'b'],
    ['TCPKeepAlive', 'no'],
  ]);
});

test('TCPKeepAlive belongs to ssh_config, though tcp has options too', () => {
  const given = args({ options: ['tcpkeepalive=no', 'TcpIdleTimeout=60'], forwards: ['tcp/9:a:9'] });
  const { servers, forwards } = configFromArguments(given, PLUGINS);
  expect(only(servers)?.options).toEqual([['tcpkeepalive', 'no']]);
  expect(only(forwards)?.options).toMatchObject({ idleTimeout: 60 });
});

test.each([
  [[], []],
  [['LocalUsers=any'], 'any'],
  [
    ['localusers=alice,1001', 'LocalUsers=any'],
    ['alice', '1001'],
  ],
])('%j sets who else may connect', (options, localUsers) => {
  const config = load({ options });
  expect(config.localUsers).toEqual(localUsers);
  expect(only(config.servers)?.options).toEqual([]);
});

test('IPv6 addresses are kept whole', () => {
  expect(only(load({ forwards: ['[::1]:8021:[2001:db8::1]:21'] }).forwards)).toMatchObject({
    listen: { host: '::1', port: 8021 },
    to: { host: '2001:db8::1', port: 21 },
  });
});

test("ssh_config's LocalForward lines are forwards like those of -L", () => {
  expect(Object.keys(load({}, ['8110:localhost:110']).forwards)).toEqual(['ftp-8021', 'pop3-8110']);
  expect(() => load({}, ['x:localhost:110'])).toThrow(
    "LocalForward x:localhost:110: the port to listen on 'x' is invalid",
  );
});

test('two forwards on any free port, or on one port of two addresses, have names of their own', () => {
  expect(
    Object.keys(load({ forwards: ['0:a:21', '0:b:21', '127.0.0.2:8021:a:21', '8021:a:21'] }).forwards),
  ).toEqual(['ftp-0', 'ftp-0-2', 'ftp-8021', 'ftp-8021-2']);
});

describe('an error names the argument', () => {
  test.each([
    [{ forwards: ['8021:a:21', '8021:b:21'] }, '-L 8021:b:21: port 8021 is already used by -L 8021:a:21'],
    [{ forwards: ['8021:a:2l'] }, "the target port '2l' is invalid"],
    [{ options: ['FtpPrefech=yes'] }, 'did you mean FtpPrefetch?'],
    [{ options: ['FtpPrefetch'] }, '-o FtpPrefetch: expected Key=Value'],
    [{ options: ['FtpActive=never'] }, '-o FtpActive=never: expected one of'],
    [
      { options: ['LocalUsers=alice,,bob'] },
      "-o LocalUsers: 'alice,,bob' is invalid; expected any, or user names",
    ],
    [{ destination: 'you@' }, 'you@'],
    [{ destination: 'ssh://h:99999' }, 'ssh://h:99999'],
    [{ destination: 'ssh://h:x' }, 'ssh://h:x'],
  ])('%j', (given, message) => expect(() => load(given)).toThrow(message));
});

test('-R and RemoteForward lines listen on the server, which has its own ports', () => {
  const { forwards } = load(
    { remoteForwards: ['8021:localhost:21', '*:8080:www:80'] },
    [],
    ['pop3/8110:localhost:1110'],
  );
  const summary = Object.entries(forwards).map(([name, { direction, type, listen }]) => [
    name,
    direction,
    type,
    listen.host,
  ]);
  expect(summary).toEqual([
    ['ftp-8021', 'local', 'ftp', null],
    ['remote-ftp-8021', 'remote', 'ftp', null],
    ['remote-tcp-8080', 'remote', 'tcp', '*'],
    ['remote-pop3-8110', 'remote', 'pop3', null],
  ]);
  expect(() => load({ remoteForwards: ['2121:localhost:21', '2121:localhost:22'] })).toThrow(
    /-R 2121:localhost:21/,
  );
  expect(() => load({ remoteForwards: ['2121x'] })).toThrow(/-R 2121x: .*such as -R /);
});

test.each([
  [[], undefined, 10],
  [['DataConnections=0', 'draintimeout=0'], 0, 0],
  [['DataConnections=3', 'DataConnections=1', 'DrainTimeout=60'], 3, 60],
])('%j sets the connections for data and the time to drain', (options, dataConnections, drainTimeout) => {
  const config = load({ options });
  expect(only(config.servers)?.dataConnections).toBe(dataConnections);
  expect(config.drainTimeout).toBe(drainTimeout);
});

test.each(['DataConnections=17', 'DataConnections=some', 'DrainTimeout=-1', 'DrainTimeout=2h'])(
  'refuses %s',
  (option) => {
    expect(() => load({ options: [option] })).toThrow(new RegExp(option.split('=')[0] ?? '', 'i'));
  },
);

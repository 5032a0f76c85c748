import { homedir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { PLUGINS } from '../../src/app/plugins.ts';
import { readConfigText } from '../../src/config/diagnose.ts';
import { type Arguments, configFromArguments, inputFromArguments } from '../../src/config/load.ts';
import { newConfigFile } from '../../src/config/new-file.ts';

const PIN = `sha256//${'A'.repeat(43)}=`;
const DEFAULTS = { verify: true, minVersion: '1.2', clearData: false };

const TYPES = [
  ['ftps', 'ftp', 'implicit'],
  ['ftp+tls', 'ftp', 'upgrade'],
  ['pop3s', 'pop3', 'implicit'],
  ['pop3+starttls', 'pop3', 'upgrade'],
  ['smtps', 'smtp', 'implicit'],
  ['smtp+starttls', 'smtp', 'upgrade'],
  ['imaps', 'imap', 'implicit'],
  ['imap+starttls', 'imap', 'upgrade'],
  ['tcp+tls', 'tcp', 'implicit'],
] as const;

const args = (forwards: string[], options: string[] = [], given: Partial<Arguments> = {}): Arguments => ({
  destination: 'you@yourserver.example.com',
  forwards,
  options,
  gatewayPorts: false,
  session: true,
  log: { level: 'info' },
  ...given,
});
const load = (...given: Parameters<typeof args>) => configFromArguments(args(...given), PLUGINS).forwards;

describe('on the command line', () => {
  test.each(TYPES)('%s is %s with TLS that begins as %s', (name, type, mode) => {
    expect(load([`${name}/8110:mail.example.com:995`])).toEqual({
      [`${name.replace('+', '-')}-8110`]: expect.objectContaining({
        type,
        listen: { host: null, port: 8110 },
        to: { host: 'mail.example.com', port: 995 },
        tls: { ...DEFAULTS, mode },
      }),
    });
  });

  test('a type is read in any case, and with every form of the addresses', () => {
    expect(load(['FTP+TLS/*:8021:[2001:db8::1]:21'])['ftp-tls-8021']).toMatchObject({
      type: 'ftp',
      listen: { host: '*' },
      to: { host: '2001:db8::1' },
      tls: { mode: 'upgrade' },
    });
  });

  test.each(['990', '993', '995', '465', '21', '110'])('port %s alone turns no TLS on', (port) => {
    expect(Object.values(load([`8995:mail.example.com:${port}`])).map(({ tls }) => tls)).toEqual([null]);
  });

  test('-R and ssh_config’s lines have the same types', () => {
    const given = args([], [], { remoteForwards: ['imaps/8993:mail.example.com:993'] });
    const lines = { local: ['pop3s/8995:mail.example.com:995'], remote: [], dynamic: [] };
    const { forwards } = configFromArguments(given, PLUGINS, lines);
    expect(Object.values(forwards).map(({ tls, direction }) => [direction, tls?.mode])).toEqual([
      ['remote', 'implicit'],
      ['local', 'implicit'],
    ]);
  });

  test('the options are those of every forward with TLS, and of no other', () => {
    const options = [
      'TlsServerName=mx.example.com',
      'tlsverify=no',
      'TlsMinVersion=1.0',
      `TlsPin=${PIN}`,
      'TlsClearData=yes',
      'TlsCa=~/ca.pem',
      'TlsCert=/etc/cert.pem',
      'TlsKey=key.pem',
    ];
    const forwards = load(['pop3s/1:a:995', 'ftp+tls/2:b:21', '3:c:21'], options);
    const tls = {
      serverName: 'mx.example.com',
      verify: false,
      minVersion: '1.0',
      pin: PIN,
      clearData: true,
      ca: path.join(homedir(), 'ca.pem'),
      cert: '/etc/cert.pem',
      key: path.resolve('key.pem'),
    };
    expect(forwards['pop3s-1']?.tls).toEqual({ ...tls, mode: 'implicit' });
    expect(forwards['ftp-tls-2']?.tls).toEqual({ ...tls, mode: 'upgrade' });
    expect(forwards['ftp-3']?.tls).toBeNull();
  });

  test.each([
    [
      ['8995:mail.example.com:995'],
      ['TlsServerName=mx.example.com'],
      '-o TlsServerName: no forward speaks TLS to its target; use a type that does, such as -L pop3s/8110:host:995',
    ],
    [
      ['pop3s/1:a:995'],
      ['TlsVerfy=no'],
      '-o TlsVerfy: unknown option (did you mean TlsVerify?); expected one of TlsServerName, TlsVerify, TlsCa, TlsCert, TlsKey, TlsMinVersion, TlsPin, TlsClearData',
    ],
    [['pop3s/1:a:995'], ['TlsMode=upgrade'], '-o TlsMode: unknown option'],
    [['pop3s/1:a:995'], ['TlsVerify=perhaps'], '-o TlsVerify=perhaps: expected yes or no'],
    [['pop3s/1:a:995'], ['TlsMinVersion=1.4'], '-o TlsMinVersion=1.4: expected one of 1.0, 1.1, 1.2, 1.3'],
    [
      ['pop3s/1:a:995'],
      ['TlsPin=sha256//AAAA'],
      '-o TlsPin=sha256//AAAA: expected sha256// and the base64 of the SHA-256 of the public key',
    ],
    [['pop3s/1:a:995'], ['TlsCert=c.pem'], '(-o TlsCert, TlsKey) belong together; set both'],
    [['pop3s/1:a:995'], ['TlsKey=k.pem'], '(-o TlsCert, TlsKey) belong together; set both'],
    [['imapss/1:a:995'], [], "unknown type 'imapss' (did you mean imaps?)"],
    [['pop3s:mail.example.com:995'], [], 'such as -L pop3s/8110:mail.example.com:995'],
    [['ftp+tls:host:21'], [], 'such as -L ftp+tls/8021:host:21'],
    [['ftps/8021:sftp:/srv/in'], [], "type 'ftps' does not serve a folder; expected ftp"],
  ])('%j with %j is refused', (forwards, options, message) => {
    expect(() => load(forwards, options)).toThrow(message);
  });
});

const file = (forward: string) => `servers:
  office: { host: yourserver.example.com }
forwards:
  f: { listen: 8110, server: office, ${forward} }
`;
const read = (forward: string) => readConfigText(file(forward), PLUGINS);
const tlsIn = (forward: string) => {
  const reading = read(forward);
  return 'config' in reading ? reading.config.forwards.f?.tls : reading.mistakes;
};

describe('in a config file', () => {
  test.each(TYPES)('type %s is %s with TLS that begins as %s', (name, type, mode) => {
    const reading = read(`to: 'mail.example.com:995', type: ${name}`);
    expect('config' in reading && reading.config.forwards.f).toMatchObject({
      type,
      tls: { ...DEFAULTS, mode },
    });
  });

  test.each([
    ["to: 'a:110', type: pop3, tls: { mode: upgrade }", { ...DEFAULTS, mode: 'upgrade' }],
    ["to: 'a:110', tls: { mode: upgrade }", { ...DEFAULTS, mode: 'upgrade' }],
    ["to: 'a:443', tls: { mode: implicit }", { ...DEFAULTS, mode: 'implicit' }],
    ["to: 'a:995', type: pop3s, tls: { mode: implicit }", { ...DEFAULTS, mode: 'implicit' }],
    ["to: 'a:995', type: pop3s, tls: {}", { ...DEFAULTS, mode: 'implicit' }],
    [
      `to: 'a:995', type: pop3s, tls: { serverName: b, pin: ${PIN}, verify: false }`,
      { ...DEFAULTS, mode: 'implicit', serverName: 'b', pin: PIN, verify: false },
    ],
    ["to: 'a:995'", null],
    ["to: 'a:995', type: pop3", null],
  ])('%s', (forward, tls) => expect(tlsIn(forward)).toEqual(tls));

  test.each([
    ['1.0', '1.0'],
    ['1.3', '1.3'],
    ['"1.1"', '1.1'],
  ])('minVersion may be a number of YAML: %s', (given, minVersion) => {
    expect(tlsIn(`to: 'a:995', type: pop3s, tls: { minVersion: ${given} }`)).toMatchObject({ minVersion });
  });

  test.each([
    [
      "to: 'a:110', type: pop3, tls: {}",
      'forwards.f.tls: type pop3 speaks no TLS to the target; use type pop3s or pop3+starttls, or set tls.mode',
    ],
    [
      "to: 'a:21', tls: { verify: false }",
      'forwards.f.tls: type ftp speaks no TLS to the target; use type ftps or ftp+tls, or set tls.mode',
    ],
    [
      "to: 'a:995', type: pop3s, tls: { mode: upgrade }",
      'forwards.f.tls: type pop3s means tls.mode implicit, not upgrade; remove one of the two',
    ],
    [
      "to: 'a:110', type: pop3+starttls, tls: { mode: implicit }",
      'forwards.f.tls: type pop3+starttls means tls.mode upgrade, not implicit; remove one of the two',
    ],
    [
      "to: 'a:9000', tls: { mode: upgrade }",
      'forwards.f.tls: type tcp has no command that begins TLS; use tls.mode implicit',
    ],
    [
      "to: 'a:995', type: pop3s, tls: { cert: c.pem }",
      'forwards.f.tls: tls.cert and tls.key (-o TlsCert, TlsKey) belong together; set both',
    ],
    [
      "to: 'a:995', type: pop3s, tls: { key: k.pem }",
      'forwards.f.tls: tls.cert and tls.key (-o TlsCert, TlsKey) belong together; set both',
    ],
    [
      'to: { sftp: /srv }, tls: { mode: implicit }',
      'forwards.f.tls: a folder behind SFTP needs no TLS, SSH encrypts all the way; use type ftp without tls',
    ],
    [
      'to: { sftp: /srv }, type: ftps',
      'forwards.f.type: a folder behind SFTP needs no TLS, SSH encrypts all the way; use type ftp without tls',
    ],
    [
      "to: 'a:995', type: pop3s, tls: { pin: abc }",
      "forwards.f.tls.pin: expected sha256// and the base64 of the SHA-256 of the public key, not 'abc'",
    ],
    [
      "to: 'a:995', type: pop3s, tls: { minVersion: 1.4 }",
      'forwards.f.tls.minVersion: expected one of 1.0, 1.1, 1.2, 1.3, not the number 1.4',
    ],
    [
      "to: 'a:995', type: pop3s, tls: { mode: starttls }",
      "forwards.f.tls.mode: expected one of implicit, upgrade, not 'starttls'",
    ],
    [
      "to: 'a:995', type: pop3s, tls: { verfy: false }",
      'forwards.f.tls.verfy: unknown key (did you mean verify?); expected one of serverName, verify, ca, cert, key, minVersion, pin, clearData, mode',
    ],
  ])('%s is refused', (forward, message) => {
    const reading = read(forward);
    expect('mistakes' in reading && reading.mistakes.map((mistake) => mistake.message)).toEqual([message]);
  });
});

test('the file that init writes means the same as its arguments', () => {
  const given = args(['pop3s/8110:a:995', 'ftp+tls/8021:b:21', '8143:c:143'], []);
  const text = newConfigFile([{ input: inputFromArguments(given, PLUGINS) }], PLUGINS, 'schema.json');
  expect(text).not.toContain('tls: {}');
  const reading = readConfigText(text, PLUGINS);
  const forwards = 'config' in reading ? Object.values(reading.config.forwards) : [];
  expect(forwards.map(({ type, tls }) => [type, tls?.mode])).toEqual([
    ['pop3', 'implicit'],
    ['ftp', 'upgrade'],
    ['imap', undefined],
  ]);
});

test('init writes the options of TLS to each forward that has it', () => {
  const given = args(
    ['pop3s/8110:a:995', '8143:c:143'],
    ['TlsServerName=mx.example.com', 'TlsMinVersion=1.3'],
  );
  const text = newConfigFile([{ input: inputFromArguments(given, PLUGINS) }], PLUGINS, 'schema.json');
  const reading = readConfigText(text, PLUGINS);
  const forwards = 'config' in reading ? Object.values(reading.config.forwards) : [];
  expect(forwards.map(({ tls }) => tls)).toEqual([
    { ...DEFAULTS, mode: 'implicit', serverName: 'mx.example.com', minVersion: '1.3' },
    null,
  ]);
});

import { homedir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { PLUGINS } from '../../src/app/plugins.ts';
import { readConfigText } from '../../src/config/diagnose.ts';
import { type Arguments, configFromArguments } from '../../src/config/load.ts';

const FILES = ['ListenTlsCert=~/cert.pem', 'ListenTlsKey=key.pem'];
const RESOLVED = { cert: path.join(homedir(), 'cert.pem'), key: path.resolve('key.pem') };

function load(forwards: string[], options: string[] = []) {
  const args: Arguments = {
    destination: 'you@gate.example.com',
    forwards,
    options,
    gatewayPorts: false,
    session: true,
    log: { level: 'info' },
  };
  return configFromArguments(args, PLUGINS).forwards;
}

/** A config file with one forward, which has these keys too. */
function fileWith(forward: string) {
  const text = `servers: { gate: { host: gate } }\nforwards:\n  one: { listen: 1, server: gate, ${forward} }\n`;
  return readConfigText(text, PLUGINS);
}

describe('TLS with clients', () => {
  test('is off unless a certificate is given', () => {
    expect(load(['8021:localhost:21'])['ftp-8021']?.listenTls).toBeNull();
  });

  test('begins by a command where the protocol has one, and else with the first byte', () => {
    const forwards = load(['1:a:21', '2:b:110', '3:b:143', '4:b:25', '5:c:22', 'pop3s/6:b:995'], FILES);
    const modes = Object.fromEntries(
      Object.entries(forwards).map(([name, { listenTls }]) => [name, listenTls?.mode]),
    );
    expect(modes).toEqual({
      ...{ 'ftp-1': 'upgrade', 'pop3-2': 'upgrade', 'imap-3': 'upgrade', 'smtp-4': 'upgrade' },
      ...{ 'tcp-5': 'implicit', 'pop3s-6': 'upgrade' },
    });
    expect(forwards['ftp-1']?.listenTls).toEqual({ ...RESOLVED, mode: 'upgrade', minVersion: '1.2' });
    expect(forwards['pop3s-6']?.tls?.mode).toBe('implicit');
  });

  test('takes its options from the command line', () => {
    const more = ['listentlsmode=implicit', 'ListenTlsRequired=no', 'ListenTlsMinVersion=1.3'];
    expect(load(['8990:localhost:21'], [...FILES, ...more])['ftp-8990']?.listenTls).toEqual({
      ...{ ...RESOLVED, mode: 'implicit', required: false, minVersion: '1.3' },
    });
  });

  test.each([
    [
      ['1:a:21'],
      ['ListenTlsCert=c.pem'],
      '-o ListenTlsCert: TLS with clients needs a certificate and its key; set ListenTlsCert and ListenTlsKey',
    ],
    [['1:a:21'], ['ListenTlsMode=implicit'], '-o ListenTlsMode: TLS with clients needs a certificate'],
    [['1:a:21'], ['ListenTlsKy=k.pem'], '-o ListenTlsKy: unknown option (did you mean ListenTlsKey?)'],
    [['1:a:21'], ['ListenTlsMode=later'], '-o ListenTlsMode=later: expected one of implicit, upgrade'],
    [
      ['5:c:22'],
      [...FILES, 'ListenTlsMode=upgrade'],
      'type tcp has no command that begins TLS; use listenTls.mode implicit (-o ListenTlsMode)',
    ],
  ])('%j with %j is a mistake', (forwards, options, message) => {
    expect(() => load(forwards, options)).toThrow(message);
  });

  test('is the same in a config file', () => {
    const read = fileWith(
      'to: "localhost:21", listenTls: { cert: ~/cert.pem, key: key.pem, minVersion: 1.3 }',
    );
    if (!('config' in read)) throw new Error(JSON.stringify(read.mistakes));
    expect(read.config.forwards.one?.listenTls).toEqual({ ...RESOLVED, mode: 'upgrade', minVersion: '1.3' });
  });

  test.each([
    ['listenTls: { cert: c.pem }', 'key'],
    ['listenTls: { cert: c.pem, key: k.pem, ca: x }', 'ca'],
    ['type: tcp, listenTls: { cert: c.pem, key: k.pem, mode: upgrade }', 'no command that begins TLS'],
  ])('%s is a mistake there', (forward, words) => {
    const read = fileWith(`to: "localhost:21", ${forward}`);
    expect('mistakes' in read && JSON.stringify(read.mistakes)).toContain(words);
  });
});

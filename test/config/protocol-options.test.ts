import { describe, expect, test } from 'vitest';
import {
  findProtocolOption,
  protocolOptions,
  readProtocolValue,
  splitOption,
} from '../../src/config/protocol-options.ts';
import { plugins } from './plugins.ts';

const options = protocolOptions(plugins);

test('the keys come from the schemas', () => {
  expect(options.map(({ key }) => key)).toEqual([
    'FtpActive',
    'FtpPrefetch',
    'FtpDataHost',
    'FtpMaxDataPorts',
    'FtpDataPorts',
  ]);
});

describe('-o is split as in ssh', () => {
  test.each([
    ['FtpActive=refuse', 'FtpActive', 'refuse'],
    ['FtpActive refuse', 'FtpActive', 'refuse'],
    [' FtpActive = refuse ', 'FtpActive', 'refuse'],
    ['ProxyCommand=nc -X connect %h %p', 'ProxyCommand', 'nc -X connect %h %p'],
    ['ProxyCommand nc --proxy=p %h', 'ProxyCommand', 'nc --proxy=p %h'],
    ['IdentityFile="/a b/id"', 'IdentityFile', '/a b/id'],
  ])('%s', (text, key, value) => expect(splitOption(text)).toEqual([key, value]));

  test.each(['', 'FtpActive', 'FtpActive=', '=refuse', '-x=1'])('%j is refused', (text) => {
    expect(() => splitOption(text)).toThrow(`-o ${text}: expected Key=Value, such as`);
  });
});

describe('a key', () => {
  test('is found in any case', () => {
    expect(findProtocolOption('ftpdataports', options)?.field).toBe('dataPorts');
  });

  test.each(['Ciphers', 'TCPKeepAlive', 'ConnectTimeout', 'Pop3Foo'])('%s is left to ssh_config', (key) => {
    expect(findProtocolOption(key, options)).toBeNull();
  });

  test.each([
    ['FtpPrefech', '-o FtpPrefech: unknown option (did you mean FtpPrefetch?); expected one of FtpActive, '],
    ['FptActive', '(did you mean FtpActive?)'],
    ['FtpFooBarBaz', '-o FtpFooBarBaz: unknown option; expected one of FtpActive, FtpPrefetch'],
  ])('%s is an error that names it', (key, message) => {
    expect(() => findProtocolOption(key, options)).toThrow(message);
  });
});

describe('a value', () => {
  const read = (key: string, value: string) => {
    const option = findProtocolOption(key, options);
    if (option === null) throw new Error(`no option ${key}`);
    return readProtocolValue(option, value);
  };

  test.each([
    ['FtpPrefetch', 'yes', true],
    ['FtpPrefetch', 'No', false],
    ['FtpPrefetch', 'true', true],
    ['FtpMaxDataPorts', '8', 8],
    ['FtpDataHost', 'Reply', 'reply'],
    ['FtpDataHost', '192.0.2.1', '192.0.2.1'],
    ['FtpActive', 'refuse', 'refuse'],
    ['FtpActive', 'Refuse', 'refuse'],
    ['FtpDataPorts', '50000-50100', '50000-50100'],
  ])('%s=%s', (key, value, expected) => expect(read(key, value)).toBe(expected));

  test.each([
    ['FtpPrefetch', 'maybe', '-o FtpPrefetch=maybe: expected yes or no'],
    ['FtpActive', 'never', '-o FtpActive=never: expected one of to-passive, refuse'],
    ['FtpDataPorts', '50000', '-o FtpDataPorts=50000: expected a range of ports such as 50000-50100'],
    ['FtpDataHost', 'x', '-o FtpDataHost=x: expected one of control, reply, or an IPv4 address'],
    ['FtpMaxDataPorts', '65', '-o FtpMaxDataPorts=65: expected a number from 1 to 64'],
    ['FtpMaxDataPorts', 'many', 'expected a number from 1 to 64'],
  ])('%s=%s is refused', (key, value, message) => expect(() => read(key, value)).toThrow(message));
});

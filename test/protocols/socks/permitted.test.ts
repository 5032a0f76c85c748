import { expect, it } from 'vitest';
import { isPermitted, parsePermitted } from '../../../src/protocols/socks/permitted.ts';

it.for([
  ['any', 'example.com', 80, true],
  ['ANY', 'example.com', 80, true],
  ['none', 'example.com', 80, false],
  ['example.com:80', 'example.com', 80, true],
  ['example.com:80', 'EXAMPLE.com', 80, true],
  ['example.com:80', 'example.com', 81, false],
  ['example.com:80', 'sub.example.com', 80, false],
  ['example.com:*', 'example.com', 81, true],
  ['*:443', 'example.com', 443, true],
  ['*:443', 'example.com', 80, false],
  ['a:1 b:2', 'b', 2, true],
  ['[::1]:22', '::1', 22, true],
  ['127.0.0.1:22', '::ffff:127.0.0.1', 22, true],
] as const)('%s: %s:%d', ([text, host, port, permitted]) => {
  const parsed = parsePermitted(text);
  expect(parsed).not.toBeNull();
  expect(isPermitted({ host, port }, parsed ?? [])).toBe(permitted);
});

it.for(['', 'example.com', 'example.com:', ':80', 'a:0', 'a:65536', 'any a:1', 'a:1,b:2'])(
  '%j is not a list of destinations',
  (text) => {
    expect(parsePermitted(text)).toBeNull();
  },
);

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fingerprint,
  hashName,
  knownHostsName,
  knownTypes,
  lookup,
  parseKnownHosts,
} from '../../../../src/core/ssh/host-key/known-hosts.ts';

function blob(type: string, filler: number): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(type.length);
  return Buffer.concat([head, Buffer.from(type), Buffer.alloc(36, filler)]);
}
const A = blob('ssh-ed25519', 1);
const B = blob('ssh-ed25519', 2);
const R = blob('ssh-rsa', 3);
const line = (hosts: string, key: Buffer, marker = '') => {
  const type = key === R ? 'ssh-rsa' : 'ssh-ed25519';
  return `${marker}${hosts} ${type} ${key.toString('base64')}`;
};
const hashed = (name: string) => hashName(name, Buffer.alloc(20, 7));

describe('parseKnownHosts', () => {
  it('keeps good lines, with their numbers, among comments and damage', () => {
    const text = [
      '# comment',
      '',
      line('one', A),
      'two ssh-ed25519',
      'three ssh-rsa not!base64',
      `four ssh-rsa ${A.toString('base64')}`,
      `@nonsense ${line('five', A)}`,
      `  \t${line('six', B)} a comment\r`,
      '@revoked',
    ].join('\n');
    expect(parseKnownHosts(text, 'f').map(({ hosts, line: at }) => [hosts, at])).toEqual([
      ['one', 3],
      ['six', 8],
    ]);
  });

  it('never throws, whatever the file holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        lookup(parseKnownHosts(text, 'f'), ['h'], A);
      }),
    );
  });
});

describe('lookup', () => {
  const cases: Array<
    [what: string, lines: string[], names: string[], key: Buffer, status: string, at?: number]
  > = [
    ['the same key', [line('h', A)], ['h'], A, 'match', 1],
    ['no line', [], ['h'], A, 'unknown'],
    ['another host', [line('g', A)], ['h'], A, 'unknown'],
    ['another key', [line('h', B)], ['h'], A, 'changed', 1],
    ['a key of another type alone, as OpenSSH decides', [line('h', R)], ['h'], A, 'changed', 1],
    ['the line of the same type is the offending one', [line('h', R), line('h', B)], ['h'], A, 'changed', 2],
    ['one of several keys', [line('h', B), line('h', A)], ['h'], A, 'match', 2],
    ['a comma list', [line('x,h,y', A)], ['h'], A, 'match', 1],
    ['case of letters', [line('H.Example', A)], ['h.example'], A, 'match', 1],
    ['a wildcard', [line('*.example.com', A)], ['a.b.example.com'], A, 'match', 1],
    ['a question mark', [line('h?', A)], ['h1'], A, 'match', 1],
    ['a question mark is one character', [line('h?', A)], ['h'], A, 'unknown'],
    ['a negation', [line('*.example.com,!bad.example.com', A)], ['bad.example.com'], A, 'unknown'],
    ['a negation in front', [line('!bad.example.com,*.example.com', A)], ['bad.example.com'], A, 'unknown'],
    ['a negation alone matches nothing', [line('!bad', A)], ['h'], A, 'unknown'],
    ['a hashed name', [line(hashed('h'), A)], ['h'], A, 'match', 1],
    ['a hashed name with port', [line(hashed('[h]:2222'), A)], ['[h]:2222', 'h'], A, 'match', 1],
    ['a hashed name of another host', [line(hashed('g'), A)], ['h'], A, 'unknown'],
    ['[host]:port', [line('[h]:2222', A)], ['[h]:2222', 'h'], A, 'match', 1],
    ['the bare name confirms a key on another port', [line('h', A)], ['[h]:2222', 'h'], A, 'match', 1],
    ['the bare name contradicts none on another port', [line('h', B)], ['[h]:2222', 'h'], A, 'unknown'],
    ['a revoked key', [line('h', A), line('*', A, '@revoked ')], ['h'], A, 'revoked', 2],
    ['another key revoked', [line('h', A), line('*', B, '@revoked ')], ['h'], A, 'match', 1],
    ['a key revoked for another host', [line('h', A), line('g', A, '@revoked ')], ['h'], A, 'match', 1],
    ['a certificate authority counts for nothing', [line('h', A, '@cert-authority ')], ['h'], A, 'unknown'],
  ];
  it.each(cases)('%s', (_, lines, names, key, status, at) => {
    const verdict = lookup(parseKnownHosts(lines.join('\n'), 'f'), names, key);
    expect(verdict.status).toBe(status);
    expect('entry' in verdict ? verdict.entry.line : undefined).toBe(at);
  });
});

it('returns the known key types of the first known name', () => {
  const entries = parseKnownHosts(
    [line('h', R), line('[h]:2222', A), line('h', A, '@revoked ')].join('\n'),
    'f',
  );
  expect(knownTypes(entries, ['[h]:2222', 'h'])).toEqual(['ssh-ed25519']);
  expect(knownTypes(entries, ['[h]:99', 'h'])).toEqual(['ssh-rsa']);
});

it.each([
  ['Host', 22, 'host'],
  ['Host', 2222, '[host]:2222'],
  ['::1', 22, '::1'],
  ['::1', 2222, '[::1]:2222'],
])('writes %s port %i as %s', (host, port, name) => {
  expect(knownHostsName(host, port)).toBe(name);
});

it('prints fingerprints without padding', () => {
  expect(fingerprint(A)).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/);
});

import { describe, expect, test } from 'vitest';
import {
  clientKey,
  hasReceivedFin,
  keepsOwners,
  keyOf,
  ourKey,
  ownerOf,
} from '../../../src/core/local/proc-net-tcp.ts';

const peer = (remote: string, local: string) => ({
  remote: { host: remote, port: 0xb6cc },
  local: { host: local, port: 8080 },
});
const V4 = peer('127.0.0.1', '127.0.0.1');
const V6 = peer('::1', '::1');
const ONE6 = '00000000000000000000000001000000';
const MAPPED = '0000000000000000FFFF00000100007F';

// Rows as Linux 6.18 wrote them; only the owner 65534 connected.
const row = (st: string, uid: number, inode: number, unread = 0) =>
  `  52: 0100007F:B6CC 0100007F:1F90 ${st} 00000000:${unread.toString(16).padStart(8, '0')} 00:00000000 00000000 ${String(uid).padStart(5)}        0 ${inode} 2 00000000127f6f4e 20 4 0 10 -1  `;

describe('how the other end is written', () => {
  test.each([
    ['IPv4 in tcp', V4, 'tcp', 'LE', '0100007F:B6CC 0100007F:1F90'],
    ['IPv4 in tcp, big-endian', V4, 'tcp', 'BE', '7F000001:B6CC 7F000001:1F90'],
    ['127.1.2.3', peer('127.1.2.3', '127.0.0.1'), 'tcp', 'LE', '0302017F:B6CC 0100007F:1F90'],
    ['IPv4 of an IPv6 socket', V4, 'tcp6', 'LE', `${MAPPED}:B6CC ${MAPPED}:1F90`],
    ['IPv6', V6, 'tcp6', 'LE', `${ONE6}:B6CC ${ONE6}:1F90`],
    [
      'IPv6, big-endian',
      V6,
      'tcp6',
      'BE',
      `${ONE6.slice(0, 24)}00000001:B6CC ${ONE6.slice(0, 24)}00000001:1F90`,
    ],
    ['IPv6 in tcp', V6, 'tcp', 'LE', null],
  ] as const)('%s', (_, of, table, order, key) => expect(clientKey(of, table, order)).toBe(key));

  test('the key of a line is the same', () => {
    expect(keyOf(row('01', 65534, 366732), 'tcp')).toBe(clientKey(V4, 'tcp', 'LE'));
    const line = `  11: ${ONE6}:B6CC ${ONE6}:1F90 01 00000000:00000000`;
    expect(keyOf(line, 'tcp6')).toBe(clientKey(V6, 'tcp6', 'LE'));
    expect(keyOf('  sl  local_address rem_address   st', 'tcp')).toBe('');
  });
});

test('our own end is the same pair, the other way round', () => {
  expect(ourKey(V4, 'tcp', 'LE')).toBe('0100007F:1F90 0100007F:B6CC');
  expect(ourKey(V6, 'tcp', 'LE')).toBe(null);
});

describe('the owner of a row', () => {
  const user = (uid: number, unread = 0) => ({ uid, unread });
  // What a kernel that keeps owners lets us know, and what one before Linux 6.17 does.
  test.each([
    ['established', row('01', 65534, 366732), user(65534), user(65534)],
    ["root's", row('01', 0, 366732), user(0), user(0)],
    ['with 300 bytes that it has not read', row('01', 1000, 366732, 300), user(1000, 300), user(1000, 300)],
    ['half-closed, in FIN_WAIT2', row('05', 65534, 366735), user(65534), user(65534)],
    ['half-closed, in FIN_WAIT1', row('04', 65534, 366735), user(65534), user(65534)],
    ['after our own end', row('08', 1000, 366735), user(1000), user(1000)],
    ['closed, its FIN not acknowledged', row('04', 65534, 0), user(65534), 'orphan'],
    ['closed, in FIN_WAIT1: on an old kernel 0 is not root', row('04', 0, 0), user(0), 'orphan'],
    ['closed, in FIN_WAIT2: 0 is the stand-in of any user', row('05', 0, 0), 'orphan', 'orphan'],
    ['closed, in FIN_WAIT2 with its owner', row('05', 1000, 0), user(1000), 'orphan'],
    ['TIME_WAIT: 0 is not root', row('06', 0, 0), 'orphan', 'orphan'],
    ['TIME_WAIT with anything else', row('06', 0, 7), 'orphan', 'orphan'],
    ['established without a program', row('01', 1000, 0), 'orphan', 'orphan'],
    ['a listener', row('0A', 0, 366731), null, null],
    ['still connecting', row('02', 0, 366731), null, null],
    ['cut short before the inode', row('01', 0, 366731).slice(0, 90), null, null],
    ['nothing', '', null, null],
  ])('%s', (_, line, kept, lost) => {
    expect(ownerOf(line, true)).toEqual(kept);
    expect(ownerOf(line, false)).toEqual(lost);
  });
});

test('a FIN that our end has received shows in its state', () => {
  expect(hasReceivedFin(row('08', 0, 1))).toBe(true);
  for (const state of ['01', '04', '06']) expect(hasReceivedFin(row(state, 0, 1))).toBe(false);
  expect(hasReceivedFin('')).toBe(false);
});

test.each([
  ['6.18.44', true],
  ['6.17.0-rc1', true],
  ['7.0.1', true],
  ['6.16.9', false],
  ['6.1.0-28-amd64', false],
  ['5.14.0-503.el9', false],
  ['2.6.32', false],
  ['4.4.0', false],
  ['', false],
])('Linux %s keeps owners: %s', (release, kept) => expect(keepsOwners(release)).toBe(kept));

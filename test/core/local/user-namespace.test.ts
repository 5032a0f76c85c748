import { expect, test } from 'vitest';
import { overflowUid } from '../../../src/core/local/user-namespace.ts';

const absent = Object.assign(new Error('ENOENT'), { code: 'ENOENT' });

/** Files by name; a missing one is absent. */
const files = (map: string | null, overflow: string | null) => (file: string) => {
  const text = { '/proc/self/uid_map': map, '/proc/sys/kernel/overflowuid': overflow }[file];
  if (typeof text !== 'string') throw absent;
  return text;
};

test.each([
  ['every user is mapped', '         0          0 4294967295\n', '65534\n', null],
  ['every user is mapped, in parts', '0 0 1000\n1000 5000 4294966295\n', '65534\n', null],
  [
    'a rootless container',
    '         0       1000          1\n         1     100000      65536\n',
    '65534\n',
    65534,
  ],
  ['one user', '      1000       1000          1\n', '65533\n', 65533],
  ['no user yet', '', '65534\n', 65534],
  ['a kernel without user namespaces', null, null, null],
])('%s', (_, map, overflow, uid) => expect(overflowUid(files(map, overflow))).toBe(uid));

test('a map that cannot be read counts as one that lacks users', () => {
  const forbidden = () => {
    throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
  };
  expect(overflowUid(forbidden)).toBe(65_534);
});

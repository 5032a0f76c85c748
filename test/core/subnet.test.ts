import { expect, it } from 'vitest';
import { subnetOf } from '../../src/core/subnet.ts';

it.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2:ffff::1', '2001:db8:1:2::/64'],
  ['2001:db8:1:3::1', '2001:db8:1:3::/64'],
  ['fe80::1%eth0', 'fe80::/64%eth0'],
  ['fe80::2%eth1', 'fe80::/64%eth1'],
  ['::1', '::/64'],
  ['client.test', 'client.test'],
])('%s belongs to %s', (host, subnet) => {
  expect(subnetOf(host)).toBe(subnet);
});

import { describe, expect, it } from 'vitest';
import {
  addressFamily,
  canonicalAddress,
  formatEndpoint,
  isLoopback,
  sameHost,
  withZoneOf,
} from '../../src/core/endpoint.ts';

it.each([
  [{ host: 'ftp.example.com', port: 21 }, 'ftp.example.com:21'],
  [{ host: '10.0.0.1', port: 8021 }, '10.0.0.1:8021'],
  [{ host: '::1', port: 21 }, '[::1]:21'],
])('writes %j as %s', (endpoint, text) => {
  expect(formatEndpoint(endpoint)).toBe(text);
});

it.each([
  ['::ffff:127.0.0.1', '127.0.0.1'],
  ['fe80::1%eth0', 'fe80::1%eth0'],
  ['FE80:0::1%eth0', 'fe80::1%eth0'],
  ['fd00::1%eth0', 'fd00::1'],
  ['::1%lo', '::1'],
  ['0:0:0:0:0:0:0:1', '::1'],
  ['localhost', 'localhost'],
])('turns %s into %s', (address, canonical) => {
  expect(canonicalAddress(address)).toBe(canonical);
});

it.each([
  ['localhost', true],
  ['LOCALHOST', true],
  ['127.0.0.1', true],
  ['127.200.0.9', true],
  ['::1', true],
  ['::ffff:127.0.0.1', true],
  ['10.0.0.1', false],
  ['0.0.0.0', false],
  ['example.com', false],
])('knows whether %s is loopback: %s', (host, loopback) => {
  expect(isLoopback(host)).toBe(loopback);
});

it.each([
  ['10.0.0.1', 4],
  ['::ffff:10.0.0.1', 4],
  ['fe80::1', 6],
  ['fe80::1%eth0', 6],
  ['example.com', 0],
])('returns the family of %s: %d', (host, family) => {
  expect(addressFamily(host)).toBe(family);
});

it.each([
  ['fe80::1', 'fe80::2%eth0', 'fe80::1%eth0'],
  ['fe80::1%eth1', 'fe80::2%eth0', 'fe80::1%eth1'],
  ['fd00::1', 'fe80::2%eth0', 'fd00::1'],
  ['127.0.0.1', '127.0.0.1', '127.0.0.1'],
])('adds the zone of %s, named by %s: %s', (host, peer, expected) => {
  expect(withZoneOf(host, peer)).toBe(expected);
});

describe('whether two addresses are one host', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1', true],
    ['::ffff:10.0.0.1', '10.0.0.1', true],
    ['127.0.0.1', '::1', true],
    ['localhost', '127.0.0.1', true],
    ['10.0.0.1', '10.0.0.2', false],
    ['127.0.0.1', '10.0.0.1', false],
    ['fe80::1%eth0', 'fe80::1%eth0', true],
    ['fe80::1%eth0', 'fe80::1%eth1', false],
    ['fe80::1%eth0', 'fe80::1', false],
    // Different local users can stand behind different loopback addresses.
    ['127.0.0.1', '127.0.0.2', false],
  ])('%s, %s: %s', (a, b, same) => {
    expect(sameHost(a, b)).toBe(same);
    expect(sameHost(b, a)).toBe(same);
  });
});

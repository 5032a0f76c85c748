import { describe, expect, it } from 'vitest';
import { remotePeer } from '../../../../src/core/ssh/connection/forwarded.ts';

describe('remotePeer', () => {
  it.each([
    // asked for, from, server, local, bound
    ['localhost', '127.0.0.1', '203.0.113.5', '127.0.0.1', undefined],
    ['localhost', '::1', '203.0.113.5', '::1', undefined],
    ['127.0.0.1', '127.0.0.1', null, '127.0.0.1', undefined],
    ['', '::ffff:127.0.0.1', '203.0.113.5', '127.0.0.1', undefined],
    ['', '198.51.100.7', '203.0.113.5', '203.0.113.5', ''],
    ['0.0.0.0', '198.51.100.7', '::ffff:203.0.113.5', '203.0.113.5', '0.0.0.0'],
    // GatewayPorts yes: every interface, whatever was asked for.
    ['localhost', '198.51.100.7', '203.0.113.5', '203.0.113.5', 'localhost'],
    ['192.0.2.1', '198.51.100.7', '203.0.113.5', '192.0.2.1', undefined],
    ['', '198.51.100.7', null, '', ''],
    ['', '198.51.100.7', '127.0.0.1', '', ''],
  ])('a listener on "%s", a client from %s, the server at %s', (destIP, srcIP, server, local, bound) => {
    const peer = remotePeer({ destIP, destPort: 2121, srcIP, srcPort: 4711 }, server);
    expect(peer.local).toEqual({ host: local, port: 2121 });
    expect(peer.remote.port).toBe(4711);
    expect(peer.bound).toBe(bound);
  });
});

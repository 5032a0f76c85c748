import { once } from 'node:events';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { describe, expect, it, type TestContext, vi } from 'vitest';
import { formatEndpoint } from '../../src/core/endpoint.ts';
import { Listener } from '../../src/core/listener.ts';
import { DirectTransport } from '../../src/core/local/tcp-transport.ts';
import type { Peer } from '../../src/core/transport.ts';
import { CountingTransport } from '../support/gateway.ts';
import { listenAt, someLowPort } from '../support/listen-at.ts';

type Test = Pick<TestContext, 'onTestFinished'>;

async function open(test: Test, host: string, port = 0) {
  const transport = new CountingTransport(new DirectTransport());
  const accepted: Peer[] = [];
  const listener = await Listener.open(transport, { host, port }, (stream: Duplex, peer) => {
    accepted.push(peer);
    stream.end(peer.local.host);
  });
  test.onTestFinished(() => listener.close());
  return { listener, transport, accepted };
}

/** Who answers there: the address at which the connection arrived. */
async function answerAt(host: string, port: number): Promise<string> {
  const socket = net.connect({ host, port });
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  await once(socket, 'end');
  return text;
}

/** Another program's listener. */
/** Takes a port at one address. No other test is likely to have it at another. */
async function occupy(test: Test, host: string): Promise<number> {
  for (;;) {
    const port = someLowPort();
    const server = await listenAt(host, port);
    if (server === null) continue;
    test.onTestFinished(() => void server.close());
    return port;
  }
}

async function isFree(host: string, port: number): Promise<boolean> {
  const server = await listenAt(host, port);
  if (server === null) return false;
  server.close();
  await once(server, 'close');
  return true;
}

describe('Listener', () => {
  it('binds both loopback addresses for localhost on one port, and no other address', async (test) => {
    const { listener } = await open(test, 'localhost');
    const { host, port } = listener.endpoint;
    expect(host).toBe('127.0.0.1');
    expect(port).toBeGreaterThan(0);
    expect(await answerAt('127.0.0.1', port)).toBe('127.0.0.1');
    expect(await answerAt('::1', port)).toBe('::1');
    await expect(answerAt('127.0.0.2', port)).rejects.toThrow('ECONNREFUSED');
  });

  it.for(['*', ''])('binds every address for “%s”', async (host, test) => {
    const { listener } = await open(test, host);
    const { port } = listener.endpoint;
    for (const address of ['127.0.0.1', '127.0.0.2', '::1']) {
      expect(await answerAt(address, port)).toBe(address);
    }
  });

  it.for([
    ['127.0.0.1', '::1'],
    ['::1', '127.0.0.1'],
  ] as const)('binds %s and not %s', async ([host, other], test) => {
    const { listener } = await open(test, host);
    const { port } = listener.endpoint;
    expect(listener.endpoint.host).toBe(host);
    expect(await answerAt(host, port)).toBe(host);
    await expect(answerAt(other, port)).rejects.toThrow('ECONNREFUSED');
  });

  it.for([
    ['localhost', '127.0.0.1', '::1'],
    ['localhost', '::1', '127.0.0.1'],
    ['*', '0.0.0.0', '::'],
    ['*', '::', '0.0.0.0'],
  ] as const)('holds nothing if “%s” is taken at %s', async ([host, taken, other], test) => {
    const port = await occupy(test, taken);
    const transport = new CountingTransport(new DirectTransport());
    await expect(Listener.open(transport, { host, port }, () => {})).rejects.toMatchObject({
      code: 'LISTEN_IN_USE',
      message: expect.stringMatching(
        `^cannot listen on ${host === '*' ? '\\*' : host}:.*another program holds this port; end it or choose another port`,
      ),
    });
    expect(transport.listeners.size).toBe(0);
    expect(await isFree(other, port)).toBe(true);
  });

  it.for(['::1', '127.0.0.1'])('names the address %s in use as it was given', async (host, test) => {
    const port = await occupy(test, host);
    const where = formatEndpoint({ host, port });
    await expect(Listener.open(new DirectTransport(), { host, port }, () => {})).rejects.toThrow(
      `cannot listen on ${where}: another program holds this port`,
    );
  });

  it('reports that the machine has no such address', async () => {
    const opening = Listener.open(new DirectTransport(), { host: '192.0.2.1', port: 0 }, () => {});
    await expect(opening).rejects.toMatchObject({
      code: 'LISTEN_FAILED',
      message:
        'cannot listen on 192.0.2.1:0: this machine has no such address; give one of its own, or localhost',
    });
  });

  it('reports that a port needs root, and proposes one that does not', async (test) => {
    // As the kernel answers a user without the privilege; a test that runs as root would be let in.
    const listen = vi.spyOn(net.Server.prototype, 'listen').mockImplementation(function (this: net.Server) {
      queueMicrotask(() => this.emit('error', Object.assign(new Error('listen EACCES'), { code: 'EACCES' })));
      return this;
    });
    test.onTestFinished(() => listen.mockRestore());
    const transport = new CountingTransport(new DirectTransport());
    const opening = Listener.open(transport, { host: 'localhost', port: 110 }, () => {});
    await expect(opening).rejects.toMatchObject({
      code: 'LISTEN_PRIVILEGE',
      message: 'cannot listen on localhost:110: ports below 1024 need root here; try 8110',
    });
    expect(listen).toHaveBeenCalledOnce();
    expect(transport.listeners.size).toBe(0);
  });

  it('frees all its ports when it is closed', async (test) => {
    const { listener } = await open(test, 'localhost');
    const { port } = listener.endpoint;
    await listener.close();
    expect(await isFree('127.0.0.1', port)).toBe(true);
    expect(await isFree('::1', port)).toBe(true);
  });

  it('reports both ends of a connection', async (test) => {
    const { listener, accepted } = await open(test, 'localhost');
    const { port } = listener.endpoint;
    await answerAt('::1', port);
    expect(accepted).toEqual([
      { remote: { host: '::1', port: expect.any(Number) }, local: { host: '::1', port } },
    ]);
  });
});

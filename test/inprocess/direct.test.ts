import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { expect, it } from 'vitest';
import { Descriptors } from '../../src/core/local/descriptors.ts';
import { DirectTransport } from '../../src/core/local/tcp-transport.ts';
import { deferred } from '../support/deferred.ts';

it('frees the port as soon as a listener is closed, and leaves its connections alone', async (test) => {
  const transport = new DirectTransport();
  const accepted = deferred<Duplex>();
  const listening = await transport.listen({ host: '127.0.0.1', port: 0 }, accepted.resolve);
  const { port } = listening.endpoint;
  const client = net.connect(port, '127.0.0.1');
  test.onTestFinished(() => void client.destroy());
  await once(client, 'connect');
  const stream = await accepted.promise;
  await listening.close();
  const again = await transport.listen({ host: '127.0.0.1', port }, () => {});
  await again.close();
  expect(stream.destroyed).toBe(false);
  stream.destroy();
});

it.runIf(process.platform === 'linux')("enables TCP keepalive on clients' connections", async (test) => {
  const accepted = deferred<net.Socket>();
  const listening = await new DirectTransport().listen({ host: '127.0.0.1', port: 0 }, (stream) =>
    accepted.resolve(stream as net.Socket),
  );
  test.onTestFinished(() => listening.close());
  const client = net.connect(listening.endpoint.port, '127.0.0.1');
  const socket = await accepted.promise;
  const { localPort = 0, remotePort = 0 } = socket;
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0');
  const row = new RegExp(`:${hex(localPort)} \\w+:${hex(remotePort)} 01 \\S+ (\\d\\d):([0-9A-F]{8})`);
  const [, timer, left = ''] = row.exec(await readFile('/proc/net/tcp', 'utf8')) ?? [];
  // Of net/ipv4/tcp_ipv4.c, get_tcp4_sock: 2 is keepalive's, in hundredths of a second.
  expect(timer).toBe('02');
  expect(Number.parseInt(left, 16)).toBeLessThanOrEqual(6000);
  client.destroy();
  socket.destroy();
});

it('does not listen if it lacks the descriptors to accept', async () => {
  const transport = new DirectTransport({ descriptors: new Descriptors(1) });
  const listening = transport.listen({ host: '127.0.0.1', port: 0 }, () => {});
  await expect(listening).rejects.toMatchObject({ code: 'LISTEN_FAILED' });
});

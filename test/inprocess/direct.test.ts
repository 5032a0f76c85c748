import { once } from 'node:events';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { expect, it } from 'vitest';
import { DirectTransport } from '../../src/core/direct.ts';
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

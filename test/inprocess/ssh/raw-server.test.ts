import { createDiffieHellmanGroup } from 'node:crypto';
import { expect, it } from 'vitest';
import { newHostKey } from '../../support/raw-ssh/host-key.ts';
import { exchangeKeys, GROUP_EXCHANGE, rekey } from '../../support/raw-ssh/key-exchange.ts';
import { startRawSshServer } from '../../support/raw-ssh/server.ts';
import { forwarding, letIn, serve } from '../../support/raw-ssh/steps.ts';
import { connectTo } from '../../support/ssh-login.ts';
import { listenTcp } from '../../support/tcp.ts';

const hostKey = newHostKey();

/** Tests the tool itself as a correct server. */
it('a correct raw server works: login, forwarding, rekey', async (test) => {
  const server = await startRawSshServer(test, async (connection) => {
    await exchangeKeys(connection, { hostKey });
    await letIn(connection);
    await serve(connection, forwarding(connection));
  });
  const echo = await listenTcp(test, (socket) => socket.pipe(socket));
  const ssh = await connectTo(server.port);
  const sent = Buffer.alloc(3_000_000, 'raw ');
  const stream = await ssh.openStream(echo);
  stream.end(sent);
  expect(Buffer.concat(await stream.toArray()).equals(sent)).toBe(true);
  const [connection] = server.connections;
  if (connection === undefined) throw new Error('no connection');
  await rekey(connection, { hostKey });
  const again = await ssh.openStream(echo);
  again.end('under new keys');
  expect(String((await again.toArray())[0])).toBe('under new keys');
  expect(connection.heard).toContain('under new keys');
  await ssh.close();
  await connection.closed;
});

it('a raw server works with a group exchange of 2048 bits', async (test) => {
  const dh = createDiffieHellmanGroup('modp14');
  const group = { prime: dh.getPrime(), generator: dh.getGenerator() };
  const server = await startRawSshServer(test, async (connection) => {
    await exchangeKeys(connection, { hostKey, offer: { kex: [GROUP_EXCHANGE] }, group });
    await letIn(connection);
    await serve(connection);
  });
  const ssh = await connectTo(server.port);
  expect(ssh.state).toBe('ready');
  await ssh.close();
});

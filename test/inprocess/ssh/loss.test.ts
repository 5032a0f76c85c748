import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, it, type TestContext, vi } from 'vitest';
import { type AnyPlugin, pluginNamed } from '../../../src/app/plugins.ts';
import { Gateway } from '../../../src/core/gateway.ts';
import { DirectTransport } from '../../../src/core/local/tcp-transport.ts';
import type { EngineName } from '../../../src/core/ssh/connection/about.ts';
import { SshPool } from '../../../src/core/ssh/link/pool.ts';
import { SshSupervisor } from '../../../src/core/ssh/link/supervisor.ts';
import { connectBy, ENGINES } from '../../support/engines.ts';
import { silentLog } from '../../support/ssh-login.ts';
import { startSshServer } from '../../support/ssh-server.ts';
import { listenTcp } from '../../support/tcp.ts';

/** A pool over a test server, with what its listeners and streams learn of a loss, in order. */
async function pooled(test: TestContext, engine: EngineName) {
  const ssh = await startSshServer();
  test.onTestFinished(() => ssh.close());
  const options = { host: 'yourserver', connectTimeout: 10, connectionAttempts: 1, session: false };
  const sockets: net.Socket[] = [];
  const dial = async () => {
    const socket = net.connect(ssh.port, '127.0.0.1');
    await once(socket, 'connect');
    sockets.push(socket);
    return socket;
  };
  const supervise = () =>
    new SshSupervisor((signal) => connectBy(engine, ssh.port, {}, { signal, dial }), options, silentLog);
  const main = supervise();
  const pool = new SshPool(main, { another: supervise, size: () => 1, log: silentLog });
  const to = await listenTcp(test, (socket) => socket.write('220 ready\r\n'));
  return { ssh, sockets, pool, to, seen: [] as [string, unknown][] };
}

describe.each(ENGINES)('by %s', (engine) => {
  it.for(['fin', 'reset'] as const)(
    'a loss (%s) reaches the supervisor’s listeners, then the streams in opening order, with one reason',
    async (how, test) => {
      const { ssh, pool, to, seen } = await pooled(test, engine);
      await pool.start();
      test.onTestFinished(() => pool.stop());
      for (const name of ['control', 'data', 'more data'])
        (await pool.openStream(to)).on('error', (error) => seen.push([name, error]));
      pool.onState((state, error) => seen.push([state, error]));
      ssh.killConnections(how);
      await vi.waitFor(() => expect(seen).toHaveLength(4));
      expect(seen.map(([name]) => name)).toEqual(['backoff', 'control', 'data', 'more data']);
      const reason = seen[0]?.[1];
      expect(reason).toMatchObject({ code: 'SSH_LOST' });
      for (const [, error] of seen) expect(error).toBe(reason);
    },
  );

  it('bulk streams on a connection of their own end with the main one’s reason', async (test) => {
    const { ssh, sockets, pool, to, seen } = await pooled(test, engine);
    await pool.start();
    test.onTestFinished(() => pool.stop());
    (await pool.openStream(to, { bulk: true })).on('error', (error) => seen.push(['bulk', error]));
    expect(ssh.connections).toBe(2);
    pool.onState((state, error) => seen.push([state, error]));
    sockets[0]?.destroy();
    await vi.waitFor(() => expect(seen.map(([name]) => name)).toEqual(['backoff', 'bulk']));
    expect(seen[0]?.[1]).toMatchObject({ code: 'SSH_LOST' });
    expect(seen[1]?.[1]).toBe(seen[0]?.[1]);
  });

  it('a gateway reports the loss before any of its sessions ends, and each session ends with that reason', async (test) => {
    const { ssh, pool, to, seen } = await pooled(test, engine);
    const plugin = pluginNamed('tcp') as AnyPlugin;
    const gateway = new Gateway({
      transports: new Map([['yourserver', pool]]),
      local: new DirectTransport(),
      forwards: [
        {
          name: 'tcp',
          direction: 'local',
          plugin,
          pluginConfig: plugin.schema.parse({}),
          server: 'yourserver',
          bind: { host: '127.0.0.1', port: 0 },
          target: to,
        },
      ],
      log: silentLog,
    });
    let port = 0;
    gateway.events.on('forward.listening', ({ endpoint }) => {
      port = endpoint.port;
    });
    await gateway.start();
    test.onTestFinished(() => gateway.stop());
    gateway.events.on('transport.state', ({ state, error }) => seen.push([state, error]));
    gateway.events.on('session.end', ({ error }) => seen.push(['session.end', error]));
    for (let i = 0; i < 2; i++) {
      const client = net.connect(port, '127.0.0.1').on('error', () => {});
      test.onTestFinished(() => void client.destroy());
      await once(client, 'data');
    }
    ssh.killConnections();
    await vi.waitFor(() => expect(seen.length).toBeGreaterThanOrEqual(3));
    expect(seen.slice(0, 3).map(([name]) => name)).toEqual(['backoff', 'session.end', 'session.end']);
    expect(seen[0]?.[1]).toMatchObject({ code: 'SSH_LOST' });
    for (const [, error] of seen.slice(0, 3)) expect(error).toBe(seen[0]?.[1]);
  });
});

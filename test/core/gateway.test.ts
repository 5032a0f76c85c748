import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Gateway } from '../../src/core/gateway.ts';
import type { Logger } from '../../src/core/log.ts';
import type { ProtocolPlugin } from '../../src/core/plugin.ts';
import type { ManagedTransport, Peer } from '../../src/core/transport.ts';
import { connection, FakeTransport, localPeer, quietLog } from '../support/fakes.ts';

/** The reasons that the plugins got for the end of their sessions. */
let ended: string[] = [];
beforeEach(() => {
  ended = [];
});

/** Serves until the client ends. */
const plugin: ProtocolPlugin<unknown> = {
  name: 'echo',
  schema: z.unknown(),
  defaultPorts: [],
  run: async ({ client, signal }) => {
    client.resume();
    signal.addEventListener('abort', () => ended.push(signal.reason.code));
    await once(client, 'end', { signal });
    client.end();
  },
  refusal: (error) => Buffer.from(`no: ${error.message}`),
};

function setUp(
  options: { maxSessions?: number; maxSessionsPerPeer?: number; forwards?: number; log?: Logger } = {},
) {
  const local = new FakeTransport();
  const ssh = Object.assign(new FakeTransport(), {
    state: 'ready' as const,
    start: async () => {},
    stop: async () => {},
    onState: () => {},
  }) satisfies ManagedTransport;
  const { forwards = 1, log: _, ...limits } = options;
  const gateway = new Gateway({
    transports: new Map([['yourserver', ssh]]),
    local,
    log: options.log ?? quietLog,
    forwards: Array.from({ length: forwards }, (_, i) => ({
      name: `echo${i}`,
      direction: 'local',
      plugin,
      pluginConfig: undefined,
      server: 'yourserver',
      bind: { host: '127.0.0.1', port: 8021 + i },
      target: { host: 'localhost', port: 7 },
    })),
    ...limits,
  });
  return { gateway, local };
}

async function started(options: Parameters<typeof setUp>[0]) {
  const { gateway, local } = setUp(options);
  const ready = gateway.start();
  await turn();
  local.listeners[0]?.grant();
  await ready;
  const connect = (peer: Peer = localPeer) => {
    const { ours, theirs } = connection();
    const heard: string[] = [];
    theirs.on('data', (chunk) => heard.push(String(chunk)));
    local.listeners[0]?.onStream(ours, peer);
    return { client: theirs, heard, ours };
  };
  return { gateway, connect };
}

describe('the limit of sessions', () => {
  it('refuses one more in the protocol’s words', async () => {
    const { connect } = await started({ maxSessions: 1 });
    connect();
    const second = connect();
    await once(second.client, 'end');
    expect(second.heard).toEqual(['no: echo0: the limit of 1 connection is reached; try again later']);
  });

  it('does not count those that are being refused', async () => {
    const { gateway, connect } = await started({ maxSessions: 1 });
    const served = connect();
    const refused = connect();
    await once(refused.client, 'end');
    served.client.end();
    await once(served.ours, 'close');
    await turn();
    // The refused one has not hung up, and is still there.
    expect(gateway.sessions).toBe(1);
    const third = connect();
    await turn();
    expect(third.heard).toEqual([]);
    expect(third.ours.writable).toBe(true);
    for (const { client } of [refused, third]) client.end();
    await Promise.all([once(refused.ours, 'close'), once(third.ours, 'close')]);
    await turn();
    expect(gateway.sessions).toBe(0);
  });

  it('holds for each address but loopback', async () => {
    const { connect } = await started({ maxSessionsPerPeer: 1 });
    const from = (host: string) => connect({ ...localPeer, remote: { host, port: 40_000 } });
    from('192.0.2.1');
    const second = from('192.0.2.1');
    await once(second.client, 'end');
    expect(second.heard).toEqual([
      'no: echo0: 192.0.2.1 has reached its limit of 1 connection; try again later',
    ]);
    const others = [from('192.0.2.2'), from('127.0.0.1'), from('127.0.0.1')];
    await turn();
    expect(others.map(({ heard }) => heard)).toEqual([[], [], []]);
  });

  it('counts an IPv6 /64 as one address', async () => {
    const { connect } = await started({ maxSessionsPerPeer: 1 });
    const from = (host: string) => connect({ ...localPeer, remote: { host, port: 40_000 } });
    from('2001:db8:1:2::1');
    const second = from('2001:db8:1:2:ffff:ffff:ffff:ffff');
    await once(second.client, 'end');
    expect(second.heard).toEqual([
      'no: echo0: 2001:db8:1:2::/64 has reached its limit of 1 connection; try again later',
    ]);
    const others = [from('2001:db8:1:3::1'), from('::1'), from('::1')];
    await turn();
    expect(others.map(({ heard }) => heard)).toEqual([[], [], []]);
  });
});

describe('a client that there are no descriptors for', () => {
  it('gets an error and is disconnected, takes no place, and is logged once a minute', async () => {
    const warnings: string[] = [];
    const { gateway, local } = setUp({
      log: { ...quietLog, warn: (...words: unknown[]) => void warnings.push(String(words.at(-1))) },
    });
    const ready = gateway.start();
    await turn();
    local.listeners[0]?.grant();
    await ready;
    for (let i = 0; i < 3; i++) {
      const { ours, theirs } = connection();
      let heard = '';
      theirs.on('data', (chunk) => {
        heard += chunk;
      });
      local.listeners[0]?.options.onExcess?.(ours, localPeer);
      await once(ours, 'close');
      expect(heard).toBe('no: too many connections are open here; try again later');
    }
    expect(gateway.sessions).toBe(0);
    expect(warnings).toEqual([
      expect.stringMatching(/^refused a client: nearly all file descriptors are in use/),
    ]);
    await gateway.stop();
  });
});

describe('stop during start', () => {
  it('leaves no listener behind, and opens no further one', async () => {
    const { gateway, local } = setUp({ forwards: 2 });
    const ready = gateway.start().catch((error) => error);
    await turn();
    const stopped = gateway.stop();
    local.listeners[0]?.grant();
    expect(await ready).toMatchObject({ code: 'STOPPING' });
    await stopped;
    expect(local.listeners.map(({ closed }) => closed)).toEqual([true]);
  });

  it('is over only when the listener that was on its way is closed', async () => {
    const { gateway, local } = setUp();
    gateway.start().catch(() => {});
    await turn();
    let over = false;
    const stopped = gateway.stop().then(() => {
      over = true;
    });
    await turn();
    expect(over).toBe(false);
    local.listeners[0]?.grant();
    await stopped;
    expect(local.listeners[0]?.closed).toBe(true);
  });
});

describe('stop with time for clients', () => {
  it('is cut short by another without, before that returns', async () => {
    const { gateway, connect } = await started({});
    const { ours, client } = connect();
    await turn();
    let over = false;
    const stopped = gateway.stop({ drainMs: 60_000 }).then(() => {
      over = true;
    });
    await turn();
    expect(over).toBe(false);
    void gateway.stop();
    expect(gateway.sessions).toBe(1);
    expect(ended).toEqual(['STOPPING']);
    client.destroy();
    await stopped;
    expect(ours.closed).toBe(true);
  });
});

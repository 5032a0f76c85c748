import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { z } from 'zod';
import type { ForwardSpec } from '../../src/core/forward.ts';
import { Gateway, type GatewayChange } from '../../src/core/gateway.ts';
import type { ProtocolPlugin } from '../../src/core/plugin.ts';
import type { Listening } from '../../src/core/transport.ts';
import { connection, FakeManagedTransport, FakeTransport, localPeer, quietLog } from '../support/fakes.ts';

/** Serves until its client or the session ends. */
const plugin: ProtocolPlugin<unknown> = {
  name: 'echo',
  schema: z.unknown(),
  defaultPorts: [],
  run: async ({ client, signal }) => {
    client.resume();
    await once(client, 'end', { signal }).catch(() => {
      throw signal.reason;
    });
    client.end();
  },
  refusal: (error) => Buffer.from(error.code),
};

/** A network whose listeners open at once, unless the port is taken. */
class Network extends FakeTransport {
  taken: number | null = null;

  override async listen(...args: Parameters<FakeTransport['listen']>): Promise<Listening> {
    if (args[0].port === this.taken) throw new Error('the port is taken');
    const listening = super.listen(...args);
    this.listeners.at(-1)?.grant();
    return listening;
  }
}

function forward(name: string, port: number, server = 'office'): ForwardSpec {
  const [bind, target] = [
    { host: '127.0.0.1', port },
    { host: 'localhost', port: 7 },
  ];
  return { name, direction: 'local', plugin, pluginConfig: undefined, server, bind, target };
}

async function running() {
  const [local, ssh] = [new Network(), new FakeManagedTransport()];
  const now: GatewayChange = {
    transports: new Map([['office', ssh]]),
    local,
    forwards: [forward('files', 8021), forward('mail', 8110)],
  };
  const gateway = new Gateway({ ...now, log: quietLog });
  const events: string[] = [];
  const note = (event: string, name: string) => void events.push(`${event} ${name}`);
  gateway.events.on('forward.listening', (data) => note('forward.listening', data.forward));
  gateway.events.on('forward.removed', (data) => note('forward.removed', data.forward));
  gateway.events.on('server.removed', (data) => note('server.removed', data.server));
  await gateway.start();
  events.length = 0;
  const connect = (listener: number) => {
    const { ours, theirs } = connection();
    let heard = '';
    theirs.on('data', (chunk) => {
      heard += chunk;
    });
    local.listeners[listener]?.onStream(ours, localPeer);
    return { client: theirs, ours, heard: () => heard };
  };
  const open = () => local.listeners.filter(({ closed }) => !closed).map(({ bind }) => bind.port);
  return { gateway, local, ssh, now, events, connect, open };
}

it('keeps the listeners and clients of forwards that are the same', async () => {
  const { gateway, now, events, connect, open, ssh } = await running();
  const { ours } = connect(0);
  await gateway.change({ ...now, forwards: [...now.forwards, forward('more', 9000)] });
  expect(open()).toEqual([8021, 8110, 9000]);
  expect(events).toEqual(['forward.listening more']);
  expect([gateway.sessions, ours.destroyed, ssh.starts]).toEqual([1, false, 1]);
  await gateway.stop();
});

it('lets clients of a removed forward finish for a while, then ends them with the reason', async () => {
  const { gateway, now, events, connect, open } = await running();
  const [kept, removed] = [connect(0), connect(1)];
  await gateway.change({ ...now, forwards: now.forwards.slice(0, 1), drainMs: 20 });
  expect([open(), events]).toEqual([[8021], ['forward.removed mail']]);
  expect(gateway.sessions).toBe(2);
  await once(removed.client, 'end');
  expect(removed.heard()).toBe('SUPERSEDED');
  expect(kept.ours.destroyed).toBe(false);
  removed.client.end();
  await gateway.stop();
});

it('moves a listener that stays to the new route for later clients', async () => {
  const { gateway, now, connect, events, local } = await running();
  const ended: string[] = [];
  gateway.events.on('session.end', ({ forward }) => ended.push(forward));
  await gateway.change({ ...now, forwards: [forward('renamed', 8021), forward('mail', 8110)] });
  expect(events).toEqual(['forward.removed files', 'forward.listening renamed', 'forward.listening mail']);
  expect(local.listeners).toHaveLength(2);
  connect(0).client.end();
  await turn();
  await gateway.stop();
  expect(ended).toEqual(['renamed']);
});

it('stops a removed transport after its last client', async () => {
  const { gateway, now, connect, ssh, events } = await running();
  const { client } = connect(0);
  const home = new FakeManagedTransport();
  await gateway.change({
    ...now,
    transports: new Map([['home', home]]),
    forwards: [forward('files', 8021, 'home')],
    drainMs: 60_000,
  });
  expect(events).toEqual(['server.removed office', 'forward.removed mail', 'forward.listening files']);
  expect([home.starts, ssh.stops]).toEqual([1, 0]);
  client.end();
  await expect.poll(() => ssh.stops).toBe(1);
  await gateway.stop();
});

it('changes nothing if a login fails', async () => {
  const { gateway, now, events, open } = await running();
  const home = new FakeManagedTransport();
  home.failure = new Error('no login');
  const next = { ...now, transports: new Map([...now.transports, ['home', home]]), forwards: [] };
  await expect(gateway.change(next)).rejects.toThrow('no login');
  expect([open(), events, home.stops]).toEqual([[8021, 8110], [], 1]);
  await gateway.stop();
});

it('changes nothing if a port is taken', async () => {
  const { gateway, now, events, open, local } = await running();
  local.taken = 9001;
  const forwards = [forward('more', 9000), forward('taken', 9001)];
  await expect(gateway.change({ ...now, forwards })).rejects.toThrow('the port is taken');
  expect([open(), events]).toEqual([[8021, 8110], []]);
  await gateway.stop();
});

it('makes changes one after the other', async () => {
  const { gateway, now, open } = await running();
  await Promise.all([
    gateway.change({ ...now, forwards: [forward('one', 9001)] }),
    gateway.change({ ...now, forwards: [forward('two', 9002)] }),
  ]);
  expect(open()).toEqual([9002]);
  await gateway.stop();
});

it('is refused once the gateway stops', async () => {
  const { gateway, now } = await running();
  await gateway.stop();
  await expect(gateway.change(now)).rejects.toMatchObject({ code: 'STOPPING' });
});

it.each<{ what: string; serves?: boolean; listens?: string; services?: boolean; without: boolean[] }>([
  { what: 'not if all forwards need it', without: [false, false] },
  { what: 'of any server, if a forward serves clients without it', serves: true, without: [true, true] },
  { what: 'not of a server that has to listen', serves: true, listens: 'home', without: [true, false] },
  { what: 'not for check, without services', serves: true, services: false, without: [false, false] },
])('starts without a connection: $what', async ({ serves = false, listens, services = true, without }) => {
  const [office, home, local] = [new FakeManagedTransport(), new FakeManagedTransport(), new Network()];
  home.listen = async (bind) => ({ endpoint: bind, close: async () => {} });
  const transports = new Map([
    ['office', office],
    ['home', home],
  ]);
  const forwards: ForwardSpec[] = [
    { ...forward('files', 8021), plugin: { ...plugin, servesUnconnected: () => serves } },
    forward('mail', 8110, 'home'),
  ];
  if (listens !== undefined) forwards.push({ ...forward('back', 9000, listens), direction: 'remote' });
  const gateway = new Gateway({ transports, local, forwards, log: quietLog, services });
  await gateway.start();
  expect([office.keepTrying, home.keepTrying]).toEqual(without);
  await gateway.stop();
});

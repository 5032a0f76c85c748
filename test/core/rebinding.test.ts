import { beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { GatewayError } from '../../src/core/errors.ts';
import type { ForwardSpec } from '../../src/core/forward.ts';
import { mayCollide, planRebinding, type RebindDeps, rebind } from '../../src/core/rebinding.ts';
import { differences } from '../../src/core/reconfiguration.ts';
import type { ActiveForward, Route } from '../../src/core/route.ts';
import { FakeManagedTransport, FakeTransport } from '../support/fakes.ts';

const local = new FakeTransport();
const ssh = new FakeManagedTransport();

function route(name: string, port: number, more: Partial<Route> & { host?: string } = {}): Route {
  const { host = '127.0.0.1', ...ends } = more;
  const spec: ForwardSpec = {
    name,
    direction: 'local',
    plugin: { name: 'tcp', schema: z.unknown(), defaultPorts: [], run: async () => {}, refusal: () => null },
    pluginConfig: undefined,
    server: 'yourserver',
    bind: { host, port },
    target: { host: 'localhost', port: 21 },
  };
  return { spec, ssh, near: local, far: ssh, ...ends };
}

/** What happened, in order. */
let events: string[] = [];
beforeEach(() => {
  events = [];
});

function active(its: Route): ActiveForward {
  const { name, bind } = its.spec;
  return {
    route: its,
    listener: { endpoint: bind, close: async () => void events.push(`close ${name}`) },
  };
}

describe('planRebinding', () => {
  it('keeps a listener for a route at the same place, whatever else is new', () => {
    const files = active(route('files', 8021));
    const next = route('renamed', 8021, { ssh: new FakeManagedTransport() });
    const plan = planRebinding([files], [next]);
    expect([...plan.kept]).toEqual([[files, next]]);
    expect([plan.opening, plan.closing]).toEqual([[], []]);
  });

  it.each([
    ['another port', route('files', 8022)],
    ['another address', route('files', 8021, { host: '::1' })],
    ['another network', route('files', 8021, { near: new FakeTransport() })],
  ])('opens anew for %s', (_, next) => {
    const files = active(route('files', 8021));
    const plan = planRebinding([files], [next]);
    expect(plan).toEqual({ kept: new Map(), opening: [next], closing: [files] });
  });

  it('keeps a port that the system chose for its own forward only', () => {
    const [one, two] = [active(route('one', 0)), active(route('two', 0))];
    const [again, other] = [route('two', 0), route('three', 0)];
    const plan = planRebinding([one, two], [other, again]);
    expect([...plan.kept]).toEqual([[two, again]]);
    expect([plan.opening, plan.closing]).toEqual([[other], [one]]);
  });

  it('keeps a Unix socket for any route at its path, if it is created in the same way', () => {
    const one = active(route('one', 0, { host: '/run/a.sock' }));
    const renamed = route('two', 0, { host: '/run/a.sock' });
    expect([...planRebinding([one], [renamed]).kept]).toEqual([[one, renamed]]);
    const socketFile = { mask: 0, unlink: true };
    const open = { ...renamed, spec: { ...renamed.spec, socketFile } };
    expect(planRebinding([one], [open])).toEqual({ kept: new Map(), opening: [open], closing: [one] });
    expect(mayCollide(one.route.spec.bind, open.spec.bind)).toBe(true);
    expect(mayCollide(one.route.spec.bind, { host: '/run/b.sock', port: 0 })).toBe(false);
  });

  it('assigns one listener to one route', () => {
    const files = active(route('files', 8021));
    const [first, second] = [route('first', 8021), route('second', 8021)];
    expect(planRebinding([files], [first, second])).toMatchObject({ opening: [second], closing: [] });
  });
});

it('places collide by their port, unless the system chooses it', () => {
  const at = (host: string, port: number) => ({ host, port });
  expect(mayCollide(at('127.0.0.1', 8021), at('*', 8021))).toBe(true);
  expect(mayCollide(at('127.0.0.1', 8021), at('127.0.0.1', 8022))).toBe(false);
  expect(mayCollide(at('127.0.0.1', 0), at('127.0.0.1', 0))).toBe(false);
});

describe('rebind', () => {
  function deps(taken: readonly string[] = [], stopAt: string | null = null): RebindDeps {
    return {
      open: async (its) => {
        const { name } = its.spec;
        if (taken.includes(name)) throw new GatewayError('LISTEN_IN_USE', `${name} is taken`);
        events.push(`open ${name}`);
        return active(its);
      },
      stopped: () =>
        stopAt !== null && events.includes(stopAt) ? new GatewayError('STOPPING', 'stopping') : null,
      restored: (closed, reopened) => {
        const names = (forwards: readonly ActiveForward[]) => forwards.map((each) => each.route.spec.name);
        events.push(`restored ${names(reopened)} of ${names(closed)}`);
      },
      lost: ({ spec }, error) => events.push(`lost ${spec.name}: ${error}`),
    };
  }

  it('first closes only the listeners in the way of new ones', async () => {
    const [wide, other] = [active(route('wide', 8021, { host: '*' })), active(route('other', 8022))];
    const plan = planRebinding([wide, other], [route('narrow', 8021)]);
    const opened = await rebind(plan, deps());
    expect(events).toEqual(['close wide', 'open narrow']);
    expect(opened.map((forward) => forward.route.spec.name)).toEqual(['narrow']);
  });

  it('closes what it opened and reopens what it closed when one fails', async () => {
    const wide = active(route('wide', 8021, { host: '*' }));
    const plan = planRebinding([wide], [route('narrow', 8021), route('mail', 8110)]);
    await expect(rebind(plan, deps(['mail']))).rejects.toThrow('mail is taken');
    expect(events).toEqual([
      'close wide',
      'open narrow',
      'close narrow',
      'open wide',
      'restored wide of wide',
    ]);
  });

  it('reports what it cannot reopen', async () => {
    const wide = active(route('wide', 8021, { host: '*' }));
    const plan = planRebinding([wide], [route('narrow', 8021)]);
    await expect(rebind(plan, deps(['narrow', 'wide']))).rejects.toThrow('narrow is taken');
    expect(events).toEqual(['close wide', 'lost wide: GatewayError: wide is taken', 'restored  of wide']);
  });

  it('opens nothing more once stopped, and reopens nothing', async () => {
    const wide = active(route('wide', 8021, { host: '*' }));
    const plan = planRebinding([wide], [route('narrow', 8021), route('mail', 8110)]);
    await expect(rebind(plan, deps([], 'open narrow'))).rejects.toMatchObject({ code: 'STOPPING' });
    expect(events).toEqual(['close wide', 'open narrow', 'close narrow']);
  });
});

describe('differences', () => {
  it('are the removed, the new, and the changed forwards and servers', () => {
    const [old, fresh] = [new FakeManagedTransport(), new FakeManagedTransport()];
    const [files, mail, gone] = [route('files', 8021), route('mail', 8110), route('gone', 8143)].map(active);
    if (!files || !mail || !gone) throw new Error('three forwards are needed');
    const renamed = route('renamed', 8110);
    const plan = planRebinding([files, mail, gone], [files.route, renamed, route('added', 9000)]);
    const opened = plan.opening.map(active);
    const before = {
      transports: new Map([
        ['kept', ssh],
        ['replaced', old],
        ['removed', old],
      ]),
      active: [files, mail, gone],
    };
    const next = {
      transports: new Map([
        ['kept', ssh],
        ['replaced', fresh],
      ]),
    };
    expect(differences(before, next, plan, opened)).toEqual({
      retired: [old, old],
      removedServers: ['removed'],
      changedServers: [['replaced', fresh]],
      removedForwards: ['mail', 'gone'],
      announced: [mail, ...opened],
    });
  });
});

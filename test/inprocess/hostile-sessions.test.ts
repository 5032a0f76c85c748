import { expect, it, type TestContext } from 'vitest';
import type { ForwardSpec } from '../../src/core/forward.ts';
import { Gateway } from '../../src/core/gateway.ts';
import { DirectTransport } from '../../src/core/local/tcp-transport.ts';
import { silentLogger } from '../../src/core/log.ts';
import { ftp } from '../../src/ftp/plugin.ts';
import { activeResources, CountingTransport, openSockets } from '../support/gateway.ts';
import { type End, Lane } from '../support/hostile/lane.ts';
import { memoryInUse } from '../support/memory.ts';
import { runSeed } from '../support/random.ts';

/**
 * SSHFERRY_HOSTILE=20000 for the long run. SSHFERRY_HOSTILE=1 SSHFERRY_SEED=n plays the session of
 * seed n.
 */
const SESSIONS = Number(process.env.SSHFERRY_HOSTILE ?? 800);
const SEED = runSeed();
/** Sessions at the same time. Session n is played in lane n % LANES. */
const LANES = 32;
/** After so many in each lane, nothing may be left. */
const ROUND = 8;
/** After these, what a process makes once exists: compiled code, caches, connections. */
const WARM_UP = Math.min(SESSIONS / 4, 1000);

/** Seconds that a client has to connect to a data port: after that, its session is over at last. */
const DATA_TIMEOUT = 0.5;

const MiB = 1024 * 1024;

it(`${SESSIONS} random hostile sessions leave nothing behind, and others are served`, {
  timeout: 120_000 + SESSIONS * 100,
}, async (test) => {
  const { before, gateway, network, lanes, endpoint } = await startLanes(test);
  for (const lane of lanes) expect(await lane.downloads(endpoint(lane))).toBe(true);
  const atRest = left();
  const ready = lanes.map(() => 'ready');
  const ends: Record<End, number> = { 'by itself': 0, 'channels closed': 0, 'SSH cut': 0, never: 0 };
  const failed: string[] = [];
  const memory: { sessions: number; heap: number; resident: number }[] = [];

  function left() {
    return {
      sessions: gateway.sessions,
      streams: network.streams.size,
      listeners: network.listeners.size,
      channels: lanes.reduce((sum, lane) => sum + lane.channels, 0),
      timers: resources().Timeout,
    };
  }

  /** Plays this lane's part of the seeds from `first` to `last`. */
  const round = async (lane: Lane, number: number, first: number, last: number) => {
    for (let seed = first; seed <= last; seed++) {
      if (seed % LANES !== number || failed.length > 0) continue;
      const { scene, end } = await lane.play(seed, endpoint(lane));
      ends[end] += 1;
      if (scene.faults.length === 0) continue;
      const replay = `SSHFERRY_HOSTILE=1 SSHFERRY_SEED=${seed}`;
      failed.push(`${replay}: ${scene.faults.join(', ')}\n  ${scene.trace.join('\n  ')}`);
    }
  };

  for (let first = SEED; first < SEED + SESSIONS; first += LANES * ROUND) {
    const last = Math.min(first + LANES * ROUND, SEED + SESSIONS) - 1;
    await Promise.all(lanes.map((lane, number) => round(lane, number, first, last)));
    expect(failed, 'seeds of sessions that went wrong').toEqual([]);
    const seeds = `seeds ${first} to ${last}`;
    await eventually(() =>
      expect(
        lanes.map(({ transport }) => transport.state),
        seeds,
      ).toEqual(ready),
    );
    await eventually(() => expect(left(), seeds).toEqual(atRest));
    const [lane] = lanes;
    if (lane) expect(await lane.downloads(endpoint(lane)), `an ordinary client, ${seeds}`).toBe(true);
    if (last - SEED >= WARM_UP) memory.push({ sessions: last + 1 - SEED, ...memoryInUse() });
  }
  console.log(`seed ${SEED}, ends: ${JSON.stringify(ends)}`);
  const every = Math.ceil(memory.length / 10);
  for (const row of memory.filter((_, i) => i % every === 0)) console.log(JSON.stringify(row));
  for (const lane of lanes) expect(await lane.downloads(endpoint(lane))).toBe(true);
  const half = Math.ceil(memory.length / 2);
  const [earlier, later] = [lowest(memory.slice(0, half)), lowest(memory.slice(half))];
  if (memory.length >= 4) {
    expect(later.heap - earlier.heap).toBeLessThan(5 * MiB);
    expect(later.resident - earlier.resident).toBeLessThan(40 * MiB);
  }
  const listening = lanes.map((lane) => `${lane.sshPort} of ${lane.name}'s SSH server`).join(', ');
  await gateway.stop();
  await eventually(() => expect(openSockets(), listening).toEqual([]));
  await eventually(() => expect(resources()).toEqual(before));
});

/** A gateway with LANES forwards; each second one has an SSH connection for data. */
async function startLanes(test: TestContext) {
  const lanes = await Promise.all(
    Array.from({ length: LANES }, (_, i) =>
      Lane.start(test, `lane${i}`, { log: silentLogger, dataConnections: i % 2 }),
    ),
  );
  const before = resources();
  const network = new CountingTransport(new DirectTransport());
  const gateway = new Gateway({
    transports: new Map(lanes.map((lane) => [lane.name, lane.transport])),
    local: network,
    forwards: lanes.map(
      ({ name, target }, i): ForwardSpec => ({
        name,
        direction: 'local',
        plugin: ftp,
        pluginConfig: {
          ...ftp.schema.parse({ active: i % 4 === 0 ? 'refuse' : 'to-passive', prefetch: i % 3 === 0 }),
          dataTimeout: DATA_TIMEOUT,
        },
        server: name,
        bind: { host: '127.0.0.1', port: 0 },
        target,
      }),
    ),
    log: silentLogger,
  });
  const laneOf = new Map(lanes.map((lane) => [lane.name, lane]));
  const count = (forward: string, by: number) => {
    const lane = laneOf.get(forward);
    if (lane) lane.sessions += by;
  };
  gateway.events
    .on('session.start', ({ forward }) => count(forward, 1))
    .on('session.end', ({ forward }) => count(forward, -1));
  test.onTestFinished(() => gateway.stop());
  await gateway.start();
  const endpoint = (lane: Lane) => {
    const at = gateway.endpoint(lane.name);
    if (at === undefined) throw new Error(`${lane.name} does not listen`);
    return at;
  };
  return { before, gateway, network, lanes, endpoint };
}

/**
 * Sockets, listeners and timers of this process, but for the test runner's own timer, which may
 * come or go.
 */
function resources(): Record<string, number> {
  const { TCPServerWrap = 0, TCPSocketWrap = 0, Timeout = 0 } = activeResources();
  return { TCPServerWrap, TCPSocketWrap, Timeout: Math.max(1, Timeout) };
}

/** Repeats `check` until it passes; it fails after 15 s. Has no timer while it checks. */
async function eventually(check: () => void): Promise<void> {
  const since = performance.now();
  for (;;) {
    try {
      return check();
    } catch (error) {
      if (performance.now() - since > 15_000) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** The least that there was: what only happened to be held at one moment is left out. */
function lowest(memory: readonly { heap: number; resident: number }[]) {
  return {
    heap: Math.min(...memory.map(({ heap }) => heap)),
    resident: Math.min(...memory.map(({ resident }) => resident)),
  };
}

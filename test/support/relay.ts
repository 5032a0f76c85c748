import net from 'node:net';
import type { TestContext } from 'vitest';
import { DelayedChannel } from './delayed-channel.ts';
import { listenTcp } from './tcp.ts';

/** A way to an sshd that a test can take away. */
export interface Relay {
  readonly port: number;
  /** The connections that it carries now, oldest first, each as what ends it at both sides. */
  readonly connections: readonly (() => void)[];
  /** Whether new connections are carried, or reset at once. */
  open: boolean;
}

/** Carries TCP to `port` of this machine, `oneWay` milliseconds late in each direction; gone with the test. */
export async function startRelay(
  test: Pick<TestContext, 'onTestFinished'>,
  port: number,
  oneWay = 0,
): Promise<Relay> {
  const cuts = new Set<() => void>();
  const state = { open: true };
  const { port: own } = await listenTcp(test, (near) => {
    if (!state.open) return void near.resetAndDestroy();
    const far = net.connect(port, '127.0.0.1');
    const cut = () => {
      near.destroy();
      far.destroy();
    };
    cuts.add(cut);
    far.on('error', () => {});
    for (const socket of [near, far]) socket.once('close', cut).once('close', () => cuts.delete(cut));
    const way = oneWay === 0 ? far : new DelayedChannel(far, { oneWay, window: 256 * 1024 * 1024 });
    way.on('error', cut);
    near.pipe(way).pipe(near);
  });
  return {
    port: own,
    get connections() {
      return [...cuts];
    },
    get open() {
      return state.open;
    },
    set open(open) {
      state.open = open;
    },
  };
}

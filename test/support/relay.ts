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
  /** Stops carrying bytes, both ways, without ending a connection; or goes on. */
  freeze(frozen: boolean): void;
}

/**
 * Carries TCP to `port` of this machine, each way `delay` milliseconds late; gone with the test.
 */
export async function startRelay(
  test: Pick<TestContext, 'onTestFinished'>,
  port: number,
  delay = 0,
): Promise<Relay> {
  const cuts = new Set<() => void>();
  const sockets = new Set<net.Socket>();
  const state = { open: true, frozen: false };
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
    // Its window is that of TCP: SSH's own windows limit what is on the way.
    const line = delay === 0 ? far : new DelayedChannel(far, { oneWay: delay, window: 256 * 1024 * 1024 });
    line.on('error', cut);
    near.pipe(line).pipe(near);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      if (state.frozen) socket.pause();
    }
  });
  return {
    port: own,
    get connections() {
      return [...cuts];
    },
    freeze(frozen) {
      state.frozen = frozen;
      for (const socket of sockets) socket[frozen ? 'pause' : 'resume']();
    },
    get open() {
      return state.open;
    },
    set open(open) {
      state.open = open;
    },
  };
}

import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  OPENING_WINDOW,
  ReceiveWindow,
  WindowBudget,
} from '../../../../src/core/ssh/connection/receive-window.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
/** What every channel may have, whatever the budget. */
const SMALLEST = 128 * KiB;

/** One channel as its two ends see it: a sender that heeds the window, and a reader. */
class Channel {
  outstanding: number;
  unread = 0;
  readonly window: ReceiveWindow;

  constructor(budget: WindowBudget, opening = OPENING_WINDOW, window = new ReceiveWindow(budget, opening)) {
    this.window = window;
    this.outstanding = opening;
  }

  get held(): number {
    return this.outstanding + this.unread;
  }

  /** Receives up to `bytes`, as far as the window goes; returns what was granted. */
  receive(bytes: number): number {
    const taken = Math.min(bytes, this.outstanding);
    this.outstanding -= taken;
    this.unread += taken;
    return this.#update();
  }

  consume(bytes: number): number {
    this.unread -= Math.min(bytes, this.unread);
    return this.#update();
  }

  /** Carries `bytes` in packets to a reader that leaves `backlog` unread. */
  carry(bytes: number, backlog = 0): void {
    for (let sent = 0; sent < bytes; sent += 32 * KiB) {
      this.receive(32 * KiB);
      this.consume(this.unread - backlog);
    }
  }

  #update(): number {
    const grant = this.window.update(this.outstanding, this.unread);
    this.outstanding += grant;
    return grant;
  }
}

const steps = fc.array(
  fc.record({
    act: fc.constantFrom('receive', 'receive', 'consume', 'consume', 'carry', 'open', 'close'),
    channel: fc.nat(),
    bytes: fc.nat(24 * MiB),
  }),
  { minLength: 20, maxLength: 120 },
);

it('for any data and any reader: no grant above the target or the budget, and no channel hangs', () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 128 }), (run, budgetMiB) => {
      const budget = new WindowBudget(budgetMiB * MiB);
      const channels = [new Channel(budget)];
      const check = (channel: Channel, grant: number) => {
        expect(Number.isInteger(grant) && grant >= 0).toBe(true);
        if (grant > 0) {
          expect(channel.held).toBeLessThanOrEqual(Math.max(channel.window.target, SMALLEST));
          expect(channel.held <= SMALLEST || budget.free >= 0).toBe(true);
        }
        if (channel.unread === 0) expect(channel.outstanding).toBeGreaterThan(0);
        expect(budget.held).toBe(channels.reduce((sum, { held }) => sum + held, 0));
      };
      for (const { act, channel: n, bytes } of run) {
        const channel = channels[n % channels.length];
        if (channel === undefined || act === 'open')
          channels.push(new Channel(budget, budget.opening(bytes % 2 === 0)));
        else if (act === 'receive') check(channel, channel.receive(bytes));
        else if (act === 'consume') check(channel, channel.consume(bytes));
        else if (act === 'carry') channel.carry(bytes);
        else {
          channel.window.close();
          channel.window.close();
          channels.splice(channels.indexOf(channel), 1);
        }
      }
      for (const { window } of channels) window.close();
      expect(budget.held).toBe(0);
    }),
    { numRuns: 60 },
  );
});

it('starts at 2 MiB and grows to 15 MiB, no further, while the reader keeps up', () => {
  const channel = new Channel(new WindowBudget(128 * MiB));
  const targets = new Set<number>();
  for (let i = 0; i < 100; i++) {
    channel.carry(MiB);
    targets.add(channel.window.target / MiB);
  }
  expect([...targets]).toEqual([2, 4, 8, 15]);
  expect(channel.outstanding).toBeGreaterThan(14 * MiB);
});

it('grants again in pieces of 256 KiB', () => {
  const channel = new Channel(new WindowBudget(128 * MiB));
  const grants = [];
  for (let i = 0; i < 32; i++) {
    channel.receive(32 * KiB);
    grants.push(channel.consume(32 * KiB));
  }
  expect(grants.filter((grant) => grant > 0)).toEqual([256 * KiB, 256 * KiB, 256 * KiB, 256 * KiB]);
});

it('does not grow for a reader that never catches up', () => {
  const channel = new Channel(new WindowBudget(128 * MiB));
  channel.receive(512 * KiB);
  channel.carry(100 * MiB, 512 * KiB);
  expect(channel.window.target).toBe(2 * MiB);
});

it('a window that has grown shrinks again for a reader that always has more than half of it left', () => {
  const channel = new Channel(new WindowBudget(128 * MiB));
  channel.carry(100 * MiB);
  channel.carry(100 * MiB, 12 * MiB);
  expect(channel.window.target).toBe(7.5 * MiB);
  channel.carry(100 * MiB, 6 * MiB);
  expect(channel.window.target).toBe(3.75 * MiB);
});

it('a reader that stalls holds what its window was, and no more', () => {
  const channel = new Channel(new WindowBudget(128 * MiB));
  channel.carry(100 * MiB);
  const { held } = channel;
  while (channel.outstanding > 0) channel.receive(32 * KiB);
  expect(channel.unread).toBe(held);
  expect(held).toBeLessThanOrEqual(15 * MiB);
});

it('busy channels share what the others leave; a closed one’s room goes back to them', () => {
  const budget = new WindowBudget(32 * MiB);
  const [first, second, idle] = [new Channel(budget), new Channel(budget), new Channel(budget)];
  first.carry(100 * MiB);
  expect(first.window.target).toBe(15 * MiB);
  second.carry(100 * MiB);
  first.carry(100 * MiB);
  expect([first.window.target, second.window.target]).toEqual([15 * MiB, 15 * MiB]);
  const third = new Channel(budget);
  for (const channel of [third, second, first, third]) channel.carry(100 * MiB);
  expect(third.window.target).toBe(10 * MiB);
  expect(first.held).toBeLessThanOrEqual(10 * MiB);
  expect(budget.held).toBeLessThanOrEqual(32 * MiB);
  third.window.close();
  idle.window.close();
  first.carry(100 * MiB);
  expect(first.window.target).toBe(15 * MiB);
});

it('with more channels than the budget has room for, each still moves', () => {
  const budget = new WindowBudget(4 * MiB);
  const channels = Array.from({ length: 50 }, () => new Channel(budget));
  for (const channel of channels) {
    channel.carry(20 * MiB);
    expect(channel.outstanding).toBeGreaterThan(0);
    expect(channel.held).toBeLessThanOrEqual(SMALLEST);
  }
});

it('350 channels open within the budget, and 200 leave room for a download', () => {
  const budget = new WindowBudget(128 * MiB);
  for (let i = 0; i < 350; i++) new Channel(budget, budget.opening(false));
  expect(budget.held).toBeLessThan(128 * MiB);
  const few = new WindowBudget(128 * MiB);
  for (let i = 0; i < 200; i++) new Channel(few, few.opening(false));
  expect(few.opening(true)).toBeGreaterThan(MiB);
  const download = new Channel(few, few.opening(true));
  download.carry(100 * MiB);
  expect(download.window.target).toBe(15 * MiB);
});

it('a channel that begins with little grows like the others', () => {
  const channel = new Channel(new WindowBudget(128 * MiB), 128 * KiB);
  channel.carry(100 * MiB);
  expect(channel.window.target).toBe(15 * MiB);
});

it('forgiven bytes beyond the window count as received, and the budget loses nothing', () => {
  const budget = new WindowBudget(128 * MiB);
  const channel = new Channel(budget);
  channel.receive(channel.outstanding);
  channel.window.forgive(64 * KiB);
  channel.unread += 64 * KiB;
  channel.consume(channel.unread);
  expect(channel.held).toBe(channel.window.target);
  expect(budget.held).toBe(channel.held);
  channel.window.close();
  expect(budget.held).toBe(0);
});

it('stays at 128 KiB for a channel of commands', () => {
  const budget = new WindowBudget(128 * MiB);
  const channel = new Channel(budget, 128 * KiB, ReceiveWindow.for(budget, { bulk: false, control: true }));
  channel.carry(100 * MiB);
  expect(channel.window.target).toBe(128 * KiB);
  channel.window.close();
  expect(budget.held).toBe(0);
});

/** Carries 256 MiB over a line, and returns how far the window grew. `rate`: bytes per millisecond. */
function grownOn(roundTrip: number, rate: number, channel: Channel, known = () => roundTrip): number {
  let now = 0;
  let largest = 0;
  channel.window.limitTo(known, () => now);
  for (let carried = 0; carried < 256 * MiB; ) {
    const bytes = Math.min(channel.window.target, Math.max(32 * KiB, roundTrip * rate));
    now += Math.max(roundTrip, bytes / rate);
    channel.carry(bytes);
    carried += bytes;
    largest = Math.max(largest, channel.window.target);
  }
  return largest;
}

it.each([
  [0.3, 200_000, OPENING_WINDOW, OPENING_WINDOW],
  [2, 200_000, OPENING_WINDOW, OPENING_WINDOW],
  [10, 200_000, 4_000_000, 12_000_000],
  [50, 200_000, 15 * MiB, 15 * MiB],
  [200, 1000, OPENING_WINDOW, OPENING_WINDOW],
])(
  'on a line with a round trip of %f ms and %i bytes/ms it grows to %i to %i bytes',
  (roundTrip, rate, least, most) => {
    const grown = grownOn(roundTrip, rate, new Channel(new WindowBudget(128 * MiB)));
    expect(grown).toBeGreaterThanOrEqual(least);
    expect(grown).toBeLessThanOrEqual(most);
  },
);

it('shrinks when a shorter round trip becomes known', () => {
  const channel = new Channel(new WindowBudget(128 * MiB));
  let asked = 0;
  const grown = grownOn(0.3, 200_000, channel, () => {
    asked += 1;
    return asked < 5 ? 50 : 0.3;
  });
  expect(grown).toBeGreaterThan(10 * MiB);
  expect(channel.window.target).toBe(OPENING_WINDOW);
});

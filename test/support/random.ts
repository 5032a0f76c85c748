/**
 * Returns a source of numbers in [0, 1) that depend on `seed` only (mulberry32), to repeat a run.
 */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Returns one of `items`. */
export function pick<T>(random: () => number, items: readonly T[]): T {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new RangeError('nothing to pick from');
  return item;
}

/** Returns the seed of this run: SSHFERRY_SEED if it is set. */
export function runSeed(): number {
  return Number(process.env.SSHFERRY_SEED ?? Date.now() % 1_000_000);
}

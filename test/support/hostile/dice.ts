import { pick, seeded } from '../random.ts';

/** What one actor of a random session draws: the same seed and name give the same choices. */
export class Dice {
  readonly #random: () => number;

  constructor(seed: number, name: string) {
    let hash = seed >>> 0;
    for (const letter of name) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193) >>> 0;
    this.#random = seeded(hash);
  }

  /** Returns true with this probability. */
  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  /** Returns a whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1));
  }

  pick<T>(items: readonly T[]): T {
    return pick(this.#random, items);
  }

  /** Returns a key of `weights`, each as often as its weight says. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let left = this.#random() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) {
      left -= weight;
      if (left < 0) return key;
    }
    return pick(this.#random, entries)[0];
  }

  /** Returns random bytes, at most `most`. */
  bytes(most: number): Buffer {
    return Buffer.from(Array.from({ length: this.between(1, most) }, () => this.between(0, 255)));
  }
}

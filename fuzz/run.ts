import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

/** The list of numbers that a dialogue is made from. */
export type Choices = readonly number[];

/**
 * Plays random dialogues, those of the corpus first: `--dialogues 1000000 --seed 7 --length 120`.
 * The first that fails is shortened, written to the corpus and ends the process with status 1.
 */
export function fuzz(play: (choices: Choices) => void, corpus: URL): void {
  const { values } = parseArgs({
    options: {
      dialogues: { type: 'string', default: '100000' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      length: { type: 'string', default: '120' },
    },
  });
  const [dialogues, seed, length] = [Number(values.dialogues), Number(values.seed), Number(values.length)];
  const since = Date.now();
  const seconds = () => ((Date.now() - since) / 1000).toFixed(1);
  console.log(`corpus: ${replayCorpus(play, corpus)} dialogues; seed ${seed}`);
  const next = generator(seed);
  for (let done = 1; done <= dialogues; done++) {
    const choices = Array.from({ length: 1 + (next() % length) }, () => next() % 660);
    if (fault(play, choices) !== null) {
      const reproduction = minimal(play, choices);
      const name = `seed-${seed}-${done}.json`;
      writeFileSync(new URL(name, corpus), `${JSON.stringify(reproduction)}\n`);
      fail(`dialogue ${done}, written to ${new URL(name, corpus).pathname}`, fault(play, reproduction) ?? '');
    }
    if (done % 20_000 === 0 || done === dialogues) console.log(`${done} dialogues in ${seconds()} s`);
  }
}

/** Returns what is wrong with a dialogue; null if nothing is. */
function fault(play: (choices: Choices) => void, choices: Choices): string | null {
  try {
    play(choices);
    return null;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

/** mulberry32. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** Returns the shortest list that still fails, as far as omitting and lowering numbers leads. */
function minimal(play: (choices: Choices) => void, choices: Choices): Choices {
  let best = [...choices];
  const keep = (candidate: number[]) => {
    const fails = fault(play, candidate) !== null;
    if (fails) best = candidate;
    return fails;
  };
  for (let size = best.length >> 1; size > 0; size >>= 1) {
    for (let i = 0; i + size <= best.length; ) {
      if (!keep([...best.slice(0, i), ...best.slice(i + size)])) i += size;
    }
  }
  for (let i = 0; i < best.length; i++) {
    for (let n = 0; n < (best[i] ?? 0) && n < 30; n++) if (keep(best.with(i, n))) break;
  }
  return best;
}

function replayCorpus(play: (choices: Choices) => void, corpus: URL): number {
  const names = readdirSync(corpus).filter((name) => name.endsWith('.json'));
  for (const name of names) {
    const wrong = fault(play, JSON.parse(readFileSync(new URL(name, corpus), 'utf8')));
    if (wrong !== null) fail(name, wrong);
  }
  return names.length;
}

function fail(name: string, wrong: string): never {
  console.error(`${name}: ${wrong}`);
  process.exit(1);
}

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { play } from './play.ts';
import type { Choices } from './scene.ts';

// npm run fuzz -- --dialogues 1000000 --seed 7: random dialogues with FtpControl, those of the corpus first.

const { values } = parseArgs({
  options: {
    dialogues: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    length: { type: 'string', default: '120' },
  },
});
const corpus = new URL('./corpus/', import.meta.url);

/** What is wrong with a dialogue; null if nothing is. */
function fault(choices: Choices): string | null {
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

/** The shortest list that still fails which leaving numbers out and lowering them leads to. */
function minimal(choices: Choices): Choices {
  let best = [...choices];
  const keep = (candidate: number[]) => {
    const fails = fault(candidate) !== null;
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

function replayCorpus(): number {
  const names = readdirSync(corpus).filter((name) => name.endsWith('.json'));
  for (const name of names) {
    const wrong = fault(JSON.parse(readFileSync(new URL(name, corpus), 'utf8')));
    if (wrong !== null) fail(name, wrong);
  }
  return names.length;
}

function fail(name: string, wrong: string): never {
  console.error(`${name}: ${wrong}`);
  process.exit(1);
}

const [dialogues, seed, length] = [Number(values.dialogues), Number(values.seed), Number(values.length)];
const since = Date.now();
const seconds = () => ((Date.now() - since) / 1000).toFixed(1);
console.log(`corpus: ${replayCorpus()} dialogues; seed ${seed}`);
const next = generator(seed);
for (let done = 1; done <= dialogues; done++) {
  const choices = Array.from({ length: 1 + (next() % length) }, () => next() % 660);
  if (fault(choices) !== null) {
    const reproduction = minimal(choices);
    const name = `seed-${seed}-${done}.json`;
    writeFileSync(new URL(name, corpus), `${JSON.stringify(reproduction)}\n`);
    fail(`dialogue ${done}, as fuzz/corpus/${name}`, fault(reproduction) ?? '');
  }
  if (done % 20_000 === 0 || done === dialogues) console.log(`${done} dialogues in ${seconds()} s`);
}

import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { play } from '../../../fuzz/play.ts';
import { LineSplitter } from '../../../src/core/lines.ts';
import { latin1 } from '../../../src/ftp/wire/command.ts';

describe('FtpControl', () => {
  it('keeps its promises in any dialogue (see fuzz/play.ts)', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(659), { maxLength: 100 }), (choices) => play(choices)),
      { numRuns: 1000 },
    );
  });

  const corpus = new URL('../../../fuzz/corpus/', import.meta.url);
  it.each(readdirSync(corpus))('keeps them where it did not once: %s', (name) => {
    play(JSON.parse(readFileSync(new URL(name, corpus), 'utf8')));
  });
});

describe('LineSplitter', () => {
  it('returns the same lines for any split', () => {
    const chunk = fc
      .uint8Array({ maxLength: 20 })
      .map((bytes) => bytes.map((byte) => (byte < 40 ? 0x0a : byte)));
    fc.assert(
      fc.property(fc.array(chunk), (chunks) => {
        const feed = (splitter: LineSplitter, parts: Uint8Array[]) => [
          ...parts
            .flatMap((part) => splitter.push(part))
            .map((line) => (line === 'too-long' ? line : latin1(line))),
          latin1(splitter.rest()),
        ];
        const whole = feed(new LineSplitter(16), [Buffer.concat(chunks)]);
        expect(feed(new LineSplitter(16), chunks)).toEqual(whole);
      }),
    );
  });
});

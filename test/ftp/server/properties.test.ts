import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { play } from '../../../fuzz/ftp-server/dialogue.ts';

describe('FtpServer', () => {
  it('keeps its promises in any dialogue (see fuzz/ftp-server/dialogue.ts)', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(659), { maxLength: 100 }), (choices) => play(choices)),
      { numRuns: 1000 },
    );
  });

  const corpus = new URL('../../../fuzz/ftp-server-corpus/', import.meta.url);
  it.each(readdirSync(corpus))('keeps them where it did not once: %s', (name) => {
    play(JSON.parse(readFileSync(new URL(name, corpus), 'utf8')));
  });
});

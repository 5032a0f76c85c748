import { expect, test } from 'vitest';
import { LossyLines } from '../../src/log/lossy-lines.ts';

/** A reader that accepts nothing until `drain`. */
class Reader {
  text = '';
  pending = 0;
  #drained: (() => void)[] = [];

  write(text: string): void {
    this.text += text;
    this.pending += text.length;
  }

  onceDrained(drained: () => void): void {
    this.#drained.push(drained);
  }

  drain(): void {
    this.pending = 0;
    for (const drained of this.#drained.splice(0)) drained();
  }
}

test('a slow reader loses lines, gets their count, and then all lines again', () => {
  const reader = new Reader();
  const lines = new LossyLines(reader, (count) => reader.write(`${count} lost\n`));
  const line = `${'x'.repeat(1023)}\n`;
  for (let i = 0; i < 100; i++) lines.write(line);
  expect(reader.pending).toBeLessThanOrEqual(66 * 1024);
  const kept = reader.text.length / line.length;
  reader.drain();
  expect(reader.text.slice(kept * line.length)).toBe(`${100 - kept} lost\n`);
  lines.write('again\n');
  expect(reader.text).toMatch(/ lost\nagain\n$/);
});

test('lines after the first lost one are dropped too, so that the count is in the gap', () => {
  const reader = new Reader();
  const counts: number[] = [];
  const lines = new LossyLines(reader, (count) => counts.push(count));
  lines.write('x'.repeat(70_000));
  lines.write('lost\n');
  reader.pending = 1000;
  lines.write('lost too\n');
  expect(counts).toEqual([]);
  reader.drain();
  expect(counts).toEqual([2]);
  expect(reader.text).not.toContain('lost');
});

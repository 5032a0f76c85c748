import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LiveLines, promptAside } from '../../../src/cli/display/live-lines.ts';
import type { UnblockedOutput } from '../../../src/cli/display/unblocked.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Emulates what LiveLines uses of a terminal of 40 columns, and counts the writes. */
class Terminal implements UnblockedOutput {
  readonly isTTY = true;
  /** Bytes that the terminal has not accepted. */
  pending = 0;
  readonly columns = 40;
  writes = 0;
  lines: string[] = [''];
  #row = 0;

  onceDrained(): void {}

  write(text: string): void {
    this.writes += 1;
    for (const part of text.match(/\x1b\[\??\d*[A-Za-z]|[^\x1b]/g) ?? []) this.#take(part);
  }

  get screen(): string[] {
    return this.lines.map((row) => row.trimEnd());
  }

  #column = 0;

  #take(part: string): void {
    const up = /^\x1b\[(\d+)A$/.exec(part);
    if (up) this.#row -= Number(up[1]);
    else if (part === '\x1b[K') this.lines[this.#row] = this.#line.slice(0, this.#column);
    else if (part === '\x1b[J') {
      this.lines[this.#row] = this.#line.slice(0, this.#column);
      this.lines.length = this.#row + 1;
    } else if (part === '\r') this.#column = 0;
    else if (part === '\n') {
      this.#row += 1;
      this.#column = 0;
      this.lines[this.#row] ??= '';
    } else if (part.length === 1) {
      this.lines[this.#row] = this.#line.slice(0, this.#column) + part + this.#line.slice(this.#column + 1);
      this.#column += 1;
    }
  }

  get #line(): string {
    return this.lines[this.#row] ?? '';
  }
}

function setup() {
  const terminal = new Terminal();
  const shown: { lines: string[] | null } = { lines: ['one', 'two'] };
  const live = new LiveLines(terminal, () => shown.lines);
  live.wake();
  vi.advanceTimersByTime(250);
  return { terminal, shown, live };
}

test('text is written above the lines, in one write', () => {
  const { terminal, live } = setup();
  expect(terminal.screen).toEqual(['one', 'two']);
  const { writes } = terminal;
  live.write('log 1\n');
  live.write('log 2\nand more\n');
  expect(terminal.writes).toBe(writes + 2);
  expect(terminal.screen).toEqual(['log 1', 'log 2', 'and more', 'one', 'two']);
});

test('lines change in place, at most four times a second', () => {
  const { terminal, shown, live } = setup();
  live.write('log\n');
  shown.lines = ['a longer one', '2', 'three'];
  vi.advanceTimersByTime(250);
  expect(terminal.screen).toEqual(['log', 'a longer one', '2', 'three']);
  shown.lines = ['1'];
  const { writes } = terminal;
  vi.advanceTimersByTime(1000);
  expect(terminal.screen).toEqual(['log', '1']);
  expect(terminal.writes - writes).toBeLessThanOrEqual(4);
});

test('lines disappear when there is nothing to show, and come back later', () => {
  const { terminal, shown, live } = setup();
  live.write('log\n');
  shown.lines = null;
  vi.advanceTimersByTime(250);
  expect(terminal.screen).toEqual(['log', '']);
  expect(vi.getTimerCount()).toBe(0);
  shown.lines = ['again'];
  live.wake();
  vi.advanceTimersByTime(250);
  expect(terminal.screen).toEqual(['log', 'again']);
});

test('lines disappear for good on close', () => {
  const { terminal, live } = setup();
  live.close();
  live.wake();
  live.write('last words\n');
  vi.advanceTimersByTime(1000);
  expect(terminal.screen).toEqual(['last words', '']);
  expect(vi.getTimerCount()).toBe(0);
});

test('while the terminal does not accept output, changes are skipped; the last one is drawn afterwards', () => {
  const { terminal, shown, live } = setup();
  const { writes } = terminal;
  terminal.pending = 1;
  for (const text of ['a', 'b', 'c']) {
    shown.lines = [text];
    vi.advanceTimersByTime(250);
  }
  expect(terminal.writes).toBe(writes);
  terminal.pending = 0;
  vi.advanceTimersByTime(250);
  expect(terminal.screen).toEqual(['c']);
  // So is their end.
  terminal.pending = 1;
  shown.lines = null;
  vi.advanceTimersByTime(1000);
  terminal.pending = 0;
  vi.advanceTimersByTime(250);
  expect(terminal.screen).toEqual(['']);
  expect(vi.getTimerCount()).toBe(0);
  live.close();
});

describe('a question', () => {
  test('has the terminal to itself', async () => {
    const { terminal, live } = setup();
    let answer = (_text: string) => {};
    const prompter = promptAside(
      {
        interactive: true,
        ask: (question) => {
          terminal.write(question);
          return new Promise((resolve) => {
            answer = resolve;
          });
        },
        tell: (text) => terminal.write(text),
      },
      live,
    );
    prompter.tell('a banner\n');
    expect(terminal.screen).toEqual(['a banner', 'one', 'two']);
    const asked = prompter.ask('Password: ', { echo: false });
    vi.advanceTimersByTime(2000);
    expect(terminal.screen).toEqual(['a banner', 'Password:']);
    terminal.write('\n');
    answer('secret');
    expect(await asked).toBe('secret');
    expect(terminal.screen).toEqual(['a banner', 'Password:', 'one', 'two']);
  });
});

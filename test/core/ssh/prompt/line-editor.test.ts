import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineEditor } from '../../../../src/core/ssh/prompt/line-editor.ts';

const type = (text: string) => new LineEditor().feed(Buffer.from(text));

describe('LineEditor', () => {
  it.each([
    ['secret\r', 'secret'],
    ['secret\nignored', 'secret'],
    ['sex\x7fcret\r', 'secret'],
    ['\x7f\x7fa\r', 'a'],
    ['wrong\x15right\r', 'right'],
    ['pässwörd\r', 'pässwörd'],
    ['a\x1b\x00b\r', 'ab'],
    ['\r', ''],
    ['a\x04b\r', 'ab'],
  ])('reads %j as %j', (typed, line) => {
    expect(type(typed).end).toEqual({ type: 'line', line });
  });

  it('ends by Ctrl-C anywhere and by Ctrl-D on an empty line', () => {
    expect(type('half\x03').end).toEqual({ type: 'interrupt' });
    expect(type('\x04').end).toEqual({ type: 'eof' });
  });

  it('returns the same line for any split of the bytes', () => {
    const bytes = Buffer.from('pä€s\x7fsw😀rd\r');
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 4 })), (sizes) => {
        const editor = new LineEditor();
        let at = 0;
        let end = null;
        for (const size of [...sizes, bytes.length]) {
          if (end === null) end = editor.feed(bytes.subarray(at, at + size)).end;
          at += size;
        }
        expect(end).toEqual({ type: 'line', line: 'pä€sw😀rd' });
      }),
    );
  });
});

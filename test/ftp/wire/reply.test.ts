import { describe, expect, it } from 'vitest';
import { ReplyFramer } from '../../../src/ftp/wire/reply.ts';

/** Each line as `code`, with `<` if a reply begins and `>` if it ends. */
function frame(lines: string[]): string[] {
  const framer = new ReplyFramer();
  return lines.map((line) => {
    const { code, first, final } = framer.next(Buffer.from(line, 'latin1'));
    return `${first ? '<' : ''}${code}${final ? '>' : ''}`;
  });
}

describe('ReplyFramer', () => {
  it.each([
    ['one line', ['200 OK\r\n'], ['<200>']],
    ['no text', ['200\r\n'], ['<200>']],
    ['LF alone', ['200\n'], ['<200>']],
    ['a code and a space', ['200 \r\n'], ['<200>']],
    ['cut off at the end of the connection', ['200'], ['<200>']],
    ['several lines', ['211-A\r\n', ' B\r\n', '211 C\r\n'], ['<211', '211', '211>']],
    ['several lines, each with the code', ['150-A\r\n', '150-B\r\n', '150 C\r\n'], ['<150', '150', '150>']],
    ['an end without text', ['211-A\r\n', '211\r\n'], ['<211', '211>']],
    ['an indented look-alike of the end', ['150-A\r\n', ' 150 B\r\n', '150 C\r\n'], ['<150', '150', '150>']],
    [
      'another code inside',
      ['220-A\r\n', '227 (1,2,3,4,5,6)\r\n', '500-X\r\n', '220 B\r\n'],
      ['<220', '220', '220', '220>'],
    ],
    ['a longer number inside', ['220-A\r\n', '2200 B\r\n', '220 C\r\n'], ['<220', '220', '220>']],
    [
      'what is no reply',
      ['hello\r\n', '\r\n', ' 220 x\r\n', '099 x\r\n', '700 x\r\n', '22\r\n'],
      Array(6).fill('null'),
    ],
    ['bytes that are no text', ['\xff\xfe\x80\r\n', '200 \xff\xfe\r\n'], ['null', '<200>']],
    ['two replies', ['150 A\r\n', '226 B\r\n'], ['<150>', '<226>']],
  ])('%s', (_, lines, framed) => {
    expect(frame(lines)).toEqual(framed);
  });
});

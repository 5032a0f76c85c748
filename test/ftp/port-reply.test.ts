import { describe, expect, it } from 'vitest';
import { latin1 } from '../../src/ftp/command.ts';
import type { PortVerb } from '../../src/ftp/pending.ts';
import { parsePortReply, rewrittenReply } from '../../src/ftp/port-reply.ts';

const LOCAL = { host: '127.0.0.1', port: 50_000 };

function rewrite(verb: PortVerb, lines: string, endpoint = LOCAL): string {
  const bytes = Buffer.from(lines, 'latin1');
  const final = lines.slice(lines.lastIndexOf('\n', lines.length - 2) + 1);
  const code = Number(final.slice(0, 3));
  const span = parsePortReply(code, final);
  if (span === null) throw new Error(`no port in ${final}`);
  return latin1(rewrittenReply(verb, { code, bytes, final, span }, endpoint));
}

describe('rewrittenReply', () => {
  it.each<[PortVerb, string, string]>([
    ['PASV', '227 Mode (10,0,0,1,4,1).\r\n', '227 Mode (127,0,0,1,195,80).\r\n'],
    ['PASV', '227 =10, 0, 0, 1, 4, 1 \xff\n', '227 =127,0,0,1,195,80 \xff\n'],
    [
      'PASV',
      '227-at (1,2,3,4,5,6)\r\n227 (0,0,0,0,137,217)\r\n',
      '227-at (1,2,3,4,5,6)\r\n227 (127,0,0,1,195,80)\r\n',
    ],
    ['EPSV', '229 Mode (|||1025|).\r\n', '229 Mode (|||50000|).\r\n'],
    ['EPSV', '229 Mode (!!!1025!)\r\n', '229 Mode (!!!50000!)\r\n'],
    ['EPSV', '229 Mode (|||1025)\r\n', '229 Mode (|||50000)\r\n'],
    ['EPSV', '229 Mode (|1|10.0.0.1|1025|)\r\n', '229 Mode (|||50000|)\r\n'],
    ['LPSV', '228 Mode (4,4,10,0,0,1,2,4,1)\r\n', '228 Mode (4,4,127,0,0,1,2,195,80)\r\n'],
    ['EPSV', '227 Mode (10,0,0,1,4,1).\r\n', '229 Entering Extended Passive Mode (|||50000|)\r\n'],
    ['PASV', '229 Mode (|||1025|).\r\n', '227 Entering Passive Mode (127,0,0,1,195,80).\r\n'],
    ['LPSV', '227 Mode (10,0,0,1,4,1).\r\n', '228 Entering Long Passive Mode (4,4,127,0,0,1,2,195,80)\r\n'],
  ])('%s: %j', (verb, lines, expected) => {
    expect(rewrite(verb, lines)).toBe(expected);
  });

  it('names an IPv6 address in the long form', () => {
    expect(rewrite('LPSV', '228 (4,4,10,0,0,1,2,4,1)\r\n', { host: '::1', port: 50_000 })).toBe(
      '228 (6,16,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1,2,195,80)\r\n',
    );
  });
});

describe('parsePortReply', () => {
  it.each([
    [200, '200 (1,2,3,4,5,6)'],
    [314, '314 nonsense'],
    [227, '227 (|||1025|)'],
    [229, '229 (1,2,3,4,5,6)'],
  ])('%i: sees no port in %s', (code, line) => {
    expect(parsePortReply(code, line)).toBeNull();
  });
});

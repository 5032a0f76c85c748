import { describe, expect, it } from 'vitest';
import type { PortVerb } from '../../../src/ftp/rewrite/pending.ts';
import { latin1 } from '../../../src/ftp/wire/command.ts';
import { parsePortReply, portReply, refusalInOneLine } from '../../../src/ftp/wire/port-reply.ts';

const LOCAL = { host: '127.0.0.1', port: 50_000 };

describe('portReply', () => {
  it.each<[PortVerb, string]>([
    ['PASV', '227 Entering Passive Mode (127,0,0,1,195,80).\r\n'],
    ['EPSV', '229 Entering Extended Passive Mode (|||50000|)\r\n'],
    ['LPSV', '228 Entering Long Passive Mode (4,4,127,0,0,1,2,195,80)\r\n'],
    ['PORT', '200 PORT command successful\r\n'],
  ])('%s', (verb, expected) => {
    expect(latin1(portReply(verb, LOCAL))).toBe(expected);
  });

  it('names an IPv6 address in the long form', () => {
    expect(latin1(portReply('LPSV', { host: '::1', port: 50_000 }))).toBe(
      '228 Entering Long Passive Mode (6,16,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1,2,195,80)\r\n',
    );
  });
});

describe('parsePortReply', () => {
  it.each<[number, string[], number]>([
    [227, ['227 Mode (10,0,0,1,4,1).\r\n'], 1025],
    [227, ['227-at (1,2,3,4,5,6)\r\n', '227 (0,0,0,0,137,217)\r\n'], 35_289],
    [227, ['227-Entering Passive Mode (0,0,0,0,9,28)\r\n', '227 ok\r\n'], 2332],
    [227, ['227-Entering\r\n', '0,0,0,0,9,28\r\n', ' now\r\n', '227 ok\r\n'], 2332],
    [229, ['229-Mode (|||1025|)\r\n', '229 ok\r\n'], 1025],
    [228, ['228-Mode (4,4,10,0,0,1,2,4,1)\r\n', '228 ok\r\n'], 1025],
  ])('%i %j', (code, lines, port) => {
    expect(parsePortReply(code, lines)?.port).toBe(port);
  });

  it.each([
    [200, '200 (1,2,3,4,5,6)'],
    [314, '314 nonsense'],
    [227, '227 (|||1025|)'],
    [229, '229 (1,2,3,4,5,6)'],
  ])('%i: sees no port in %s', (code, line) => {
    expect(parsePortReply(code, [line])).toBeNull();
  });
});

describe('refusalInOneLine', () => {
  it.each([
    [['530 Log in\r\n'], '530 Log in\r\n'],
    [['530 pas connect\xe9 \n'], '530 pas connect\xe9 \n'],
    [["500-'EPSV': not understood\r\n", '500 \r\n'], "500 'EPSV': not understood\r\n"],
    [['530-Please\r\n', '530 log in\r\n'], '530 log in\r\n'],
    [['530-Please\r\n', '227 (1,2,3,4,5,6)\r\n', '530 log in\r\n'], '530 log in\r\n'],
    [['500-\r\n', '500\r\n'], '500 \r\n'],
  ])('%j', (lines, expected) => {
    expect(latin1(refusalInOneLine(Number(lines[0]?.slice(0, 3)), lines))).toBe(expected);
  });
});

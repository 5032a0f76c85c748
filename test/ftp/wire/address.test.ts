import { describe, expect, it } from 'vitest';
import {
  formatEprt,
  formatLong,
  formatSix,
  parse227,
  parse228,
  parse229,
  parseEprt,
  parseLprt,
  parsePort,
} from '../../../src/ftp/wire/address.ts';

/** `host:port`. */
function seen(parse: typeof parse227, line: string): string | null {
  const named = parse(line);
  return named && `${named.host}:${named.port}`;
}

describe('parse227', () => {
  const six = '10,0,0,1,4,1';
  const address = '10.0.0.1:1025';
  it.each([
    [`227 Entering Passive Mode (${six}).`, address],
    [`227 Entering Passive Mode ${six}`, address],
    [`227 Entering Passive Mode =${six}`, address],
    [`227 ${six}`, address],
    [`227(${six})`, address],
    [`227-at ${six}`, address],
    [` ${six}`, address],
    [six, address],
    [`227 (10, 0, 0, 1, 4, 1)`, address],
    [`227 (10 ,0 ,0 ,1 ,4 ,1)`, address],
    ['227 (010,000,000,001,004,001)', address],
    ['227 (0,0,0,0,137,217)', '0.0.0.0:35289'],
    [`227 For 2 minutes, at (${six})`, address],
    [`227 ${six} 2026`, address],
    ['227 (1216,256,2,127,127,127)', null],
    ['227 (1,2,3,4,256,1)', null],
    ['227 (1,2,3,4,0,0)', null],
    ['227 (1,2,3,4,5)', null],
    ['227 (1,2,3,4,5,6,7)', null],
    ['227 (1,2,3,4,5,6, 7)', null],
    ['227 (-1,2,3,4,5,6', '1.2.3.4:1286'],
    ['227 (99999999999999999999,2,3,4,5,6)', null],
    ['227', null],
    ['227 nonsense', null],
  ])('%s', (line, expected) => {
    expect(seen(parse227, line)).toEqual(expected);
  });
});

describe('parse229', () => {
  it.each([
    ['229 Entering Extended Passive Mode (|||50006|)', 'null:50006'],
    ['229 Entering Extended Passive Mode (|||50006|).', 'null:50006'],
    ['229 (!!!6446!)', 'null:6446'],
    ['229 (|||6446)', 'null:6446'],
    ['229 (||6446|)', 'null:6446'],
    ['229 (|6446|)', 'null:6446'],
    ['229 (|1|10.0.0.9|6446|)', 'null:6446'],
    ['229 (|2|fd00::1|6446|)', 'null:6446'],
    ['229 (|6446||6446|)', 'null:6446'],
    ['229 (hi) there (|||6446|)', 'null:6446'],
    ['229 (|||1|)', 'null:1'],
    ['229 (|||65535|)', 'null:65535'],
    ['229 (|||65536|)', null],
    ['229 (|||1000000|)', null],
    ['229 (|||0|)', null],
    ['229 (||||)', null],
    ['229 (6446)', null],
    ['229 (|||-5|)', null],
    ['229 nonsense', null],
  ])('%s', (line, expected) => {
    expect(seen(parse229, line)).toEqual(expected);
  });
});

describe('parse228', () => {
  const v6 = '6,16,253,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1,2,4,1';
  it.each([
    ['228 Entering Long Passive Mode (4,4,10,0,0,1,2,4,1)', '10.0.0.1:1025'],
    [`228 (${v6})`, 'fd00::1:1025'],
    ['228 (4,4,10,0,0,1,3,0,4,1)', null],
    ['228 (4,4,10,0,0,256,2,4,1)', null],
    ['228 (4,4,10,0,0,1,2,0,0)', null],
    ['228 (5,4,10,0,0,1,2,4,1)', null],
    ['228 (4,4,10,0,0,1,2,4)', null],
  ])('%s', (line, expected) => {
    expect(seen(parse228, line)).toEqual(expected);
  });
});

describe.each([
  ['parse227', parse227],
  ['parse228', parse228],
  ['parse229', parse229],
])('%s', (_, parse) => {
  // Quadratic at worst in what precedes: this would take minutes with an unbounded pattern, and the
  // test would time out.
  it.each(['(', '|', '(|', '1,', '1 ,', '1', ' ', '(||'])('is not held up by a line of %j', (unit) => {
    expect(parse(`229 (${unit.repeat(100_000)}`)).toBeNull();
  });
});

describe('parsePort', () => {
  it.each([
    ['10,0,1,2,4,1', { host: '10.0.1.2', port: 1025 }],
    ['10,0,1,2,255,255', { host: '10.0.1.2', port: 65535 }],
    ['10,0,1,2,256,22', 'syntax'],
    ['10,0,1,256,4,1', 'syntax'],
    ['10,0,1,2,0,0', 'syntax'],
    ['10,0,1,2,4', 'syntax'],
    ['10,0,1,2,4,1,1', 'syntax'],
    ['10,0,1,2,4,1 x', 'syntax'],
    ['10,0,1,-2,4,1', 'syntax'],
    ['localhost,4,1', 'syntax'],
    ['', 'syntax'],
  ])('%s', (argument, expected) => {
    expect(parsePort(argument)).toEqual(expected);
  });
});

describe('parseEprt', () => {
  it.each([
    ['|1|132.235.1.2|6275|', { host: '132.235.1.2', port: 6275 }],
    ['|2|1080::8:800:200C:417A|5282|', { host: '1080::8:800:200C:417A', port: 5282 }],
    ['!1!132.235.1.2!6275!', { host: '132.235.1.2', port: 6275 }],
    ['|1|1.2.3.256|2048|', 'syntax'],
    ['|1|h|65536|', 'syntax'],
    ['|1|1.2.3.4|65536|', 'syntax'],
    ['|1|1.2.3.4|0|', 'syntax'],
    ['|1|fd00::1|2048|', 'syntax'],
    ['|2|1.2.3.4|2048|', 'syntax'],
    ['|1|1.2.3.4|2048', 'syntax'],
    ['|1|1.2.3.4|2048|x', 'syntax'],
    ['||||', 'syntax'],
    ['|||||', 'syntax'],
    ['|3|x|2048|', 'protocol'],
    ['|x|1.2.3.4|2048|', 'syntax'],
    ['1.2.3.4', 'syntax'],
    ['', 'syntax'],
  ])('%s', (argument, expected) => {
    expect(parseEprt(argument)).toEqual(expected);
  });
});

describe('parseLprt', () => {
  it.each([
    ['4,4,10,0,0,1,2,4,1', { host: '10.0.0.1', port: 1025 }],
    ['6,16,253,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1,2,4,1', { host: 'fd00::1', port: 1025 }],
    ['6,4,10,0,0,1,2,4,1', 'syntax'],
    ['4,4,10,0,0,1,2,4,1,9', 'syntax'],
    ['4,4,10,0,0,1,2,4', 'syntax'],
  ])('%s', (argument, expected) => {
    expect(parseLprt(argument)).toEqual(expected);
  });
});

describe('formatting', () => {
  it.each([
    [formatSix({ host: '127.0.0.1', port: 50_000 }), '127,0,0,1,195,80'],
    [formatLong({ host: '127.0.0.1', port: 50_000 }), '4,4,127,0,0,1,2,195,80'],
    [formatLong({ host: '::1', port: 50_000 }), '6,16,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1,2,195,80'],
    [formatEprt({ host: '127.0.0.1', port: 50_000 }), '|1|127.0.0.1|50000|'],
    [formatEprt({ host: '::1', port: 50_000 }), '|2|::1|50000|'],
  ])('%s', (text, expected) => {
    expect(text).toBe(expected);
  });
});

import { expect, it } from 'vitest';
import { draw } from '../bench/draw.ts';
import { quantile } from '../bench/quantile.ts';
import { type Conditions, figure, format, merge, summarize } from '../bench/results.ts';
import { ROWS, type Row } from '../bench/rows.ts';

const CONDITIONS: Conditions = {
  date: '2026-01-02T03:04:05.000Z',
  commit: 'abc',
  link: 'relay',
  ceiling: 100,
  congestionControl: 'cubic',
  ftpServer: 'vsftpd',
  ssh: 'OpenSSH_9.2',
  node: 'v20',
  nativeCrypto: true,
  cpus: 2,
  load: 0,
  runs: 3,
  options: [],
};
const ROW: Row = {
  kind: 'transfer',
  id: 'retr',
  name: 'RETR of 1 kB',
  rtt: 50,
  mbit: null,
  subject: 'sshferry',
  work: { direction: 'RETR', size: 1000, files: 1, at: 'in turn' },
  targets: { plain: 2, 'ssh-N': 3 },
  beside: ['ftps'],
};
const RESULT = summarize(
  ROW,
  {
    times: new Map([
      ['sshferry', [9, 1, 2]],
      ['ssh-N', [5, 5, 5]],
      ['plain', [5, 4, 3]],
    ]),
    absent: new Map([['ftps', 'no <TLS>']]),
    figures: [figure('grew by', 'MB', [1, 2, 100], 80), figure('lost', '', [1], 0)],
  },
  CONDITIONS,
);

it('takes the median of the runs, and how many times as fast sshferry was', () => {
  expect(RESULT.peers.map(({ median, ratio }) => [median, ratio])).toEqual([
    [2, 1],
    [5, 2.5],
    [4, 2],
  ]);
  const text = format(RESULT);
  expect(text).toMatch(/ssh -L -N +5\.00 s +5\.00 to 5\.00 +2\.50 x {2}TARGET MISSED: 3 x/);
  expect(text).toMatch(/plain FTP.* 4\.00 s +3\.00 to 5\.00 +2\.00 x {2}target met: 2 x/);
  expect(text).toMatch(/grew by +2 MB +target met: at most 80 MB/);
  expect(text).toMatch(/lost +1 +TARGET MISSED: at most 0/);
  expect(text).toMatch(/FTPS +not measured: no <TLS>/);
  expect(quantile([], 0.5)).toBeNaN();
});

it('keeps the results of rows that were not measured again, in the order of the table', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((id) => ({ ...RESULT, id }));
  if (a === undefined || b === undefined || c === undefined) throw new Error('three results');
  const again = { ...a, name: 'again' };
  expect(merge([c, a], [b, again], ['a', 'b', 'c'])).toEqual([again, b, c]);
});

it('draws each ratio as long as it is, with its target', () => {
  const picture = draw([RESULT]);
  const bars = [...picture.matchAll(/<rect class="(met|missed)" x="([\d.]+)".* width="([\d.]+)"/g)];
  // From 1 x, logarithmic: 2.5 x is 1.32 times as long as 2 x.
  expect(bars.map(([, kind]) => kind)).toEqual(['missed', 'met', 'met', 'missed']);
  expect(Number(bars[0]?.[3]) / Number(bars[1]?.[3])).toBeCloseTo(Math.log(2.5) / Math.log(2), 2);
  expect(bars[0]?.[2]).toBe(bars[1]?.[2]);
  expect(picture.match(/class="target"/g)).toHaveLength(4);
});

it('names every row differently', () => {
  expect(new Set(ROWS.map(({ id }) => id)).size).toBe(ROWS.length);
});

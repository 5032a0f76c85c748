import { expect, it } from 'vitest';
import { format, quantile, summarize } from '../bench/results.ts';
import type { Row } from '../bench/rows.ts';

const ROW: Row = {
  name: 'RETR of 1 kB',
  rtt: 50,
  peers: ['sshferry', 'ssh-N', 'plain'],
  work: { direction: 'RETR', size: 1000, files: 1, at: 'in turn' },
  targets: { plain: 2, 'ssh-N': 3 },
};

it('takes the median of the runs, and how many times as fast sshferry was', () => {
  const result = summarize(
    ROW,
    new Map([
      ['sshferry', [9, 1, 2]],
      ['ssh-N', [5, 5, 5]],
      ['plain', [5, 4, 3]],
    ]),
    [1, 2, 100],
  );
  expect(result.peers.map(({ median, ratio }) => [median, ratio])).toEqual([
    [2, 1],
    [5, 2.5],
    [4, 2],
  ]);
  expect(result.noop).toEqual({ median: 2, p99: 100, replies: 3 });
  const [, , other, plain] = format(result).split('\n');
  expect(other).toMatch(/ssh -L -N +5\.00 s +2\.50 x {2}TARGET MISSED: 3 x/);
  expect(plain).toMatch(/plain FTP.* 4\.00 s +2\.00 x {2}target met: 2 x/);
  expect(quantile([], 0.5)).toBeNaN();
});

import { describe, expect, test } from 'vitest';
import { statusLines } from '../../../src/cli/display/status-lines.ts';
import type { TerminalStyle } from '../../../src/cli/display/terminal-style.ts';
import { transferLines } from '../../../src/cli/display/transfer-lines.ts';
import { widthOf } from '../../../src/core/text/terminal-text.ts';
import type { Status, TransferStatus } from '../../../src/status/schema.ts';

const style: TerminalStyle = { width: 79, unicode: true, color: false };

const transfer: TransferStatus = {
  session: 4,
  id: 1,
  forward: 'files',
  client: { host: '127.0.0.1', port: 50_123 },
  user: 'kagami',
  verb: 'RETR',
  path: 'report.pdf',
  direction: 'download',
  started: '2026-01-02T03:04:05.000Z',
  bytes: 12_300_000,
  size: 27_000_000,
  bytesPerSecond: 1_200_000,
  secondsLeft: 12,
};
const list: TransferStatus = {
  ...transfer,
  id: 2,
  verb: 'LIST',
  path: '',
  size: null,
  bytes: 900,
  secondsLeft: null,
};
const hostile: TransferStatus = {
  ...transfer,
  path: `\x1b[2J\u202e${'長い名前'.repeat(40)}\n12:00:00 forged.pdf`,
};

const status: Status = {
  version: '1.2.3',
  pid: 42,
  started: '2026-01-02T03:04:05.000Z',
  now: '2026-01-02T05:09:05.000Z',
  servers: [
    {
      name: 'office',
      label: 'kagami@yourserver.example.com',
      state: 'backoff',
      since: '2026-01-02T05:09:00.000Z',
      reconnects: 2,
      dataConnections: 0,
      lastError: {
        at: '2026-01-02T05:09:00.000Z',
        times: 3,
        where: 'office',
        code: 'SSH_LOST',
        message: 'no answer',
      },
    },
  ],
  forwards: [
    {
      name: 'files',
      type: 'ftp',
      direction: 'local',
      server: 'office',
      listen: { host: 'localhost', port: 8021 },
      target: { host: 'localhost', port: 21 },
      clients: 2,
      clientsTotal: 14,
      bytesUp: 12_000,
      bytesDown: 1_200_000_000,
    },
  ],
  transfers: [transfer, list],
  totals: {
    clients: 14,
    transfersComplete: 32,
    transfersFailed: 1,
    bytesUp: 12_000,
    bytesDown: 1_200_000_000,
  },
  errors: [],
};

test('a status in 80 columns', () => {
  const lines = statusLines(status, style, [0, 500_000, 1_000_000]);
  expect(lines.map((line) => line.replace(/\d\d:\d\d:\d\d/, 'hh:mm:ss'))).toEqual([
    'sshferry 1.2.3, process 42, for 2 h',
    '',
    'kagami@yourserver.example.com backoff for 5.0 s, came back 2 times',
    '  hh:mm:ss office: no answer (3 times)',
    'ftp  localhost:8021 → localhost:21  2 clients of 14  12.0 kB up, 1.2 GB down',
    '',
    'RETR report.pdf  █████░░░░░░░   45%  12.3 MB of 27.0 MB  1.2 MB/s  12 s left',
    'LIST                                              900 B  1.2 MB/s',
    '',
    '14 clients, 33 transfers (1 failed), 12.0 kB up, 1.2 GB down since the start',
    '▁▅█  1.0 MB/s, at most 1.0 MB/s',
  ]);
});

test('is ASCII without UTF-8, and has the same text with colour', () => {
  const shown = { ...status, transfers: [hostile, list] };
  const text = statusLines(shown, { ...style, unicode: false }, [1, 2]).join('\n');
  expect(text).toMatch(/^[\x20-\x7e\n]*$/);
  const colored = statusLines(shown, { ...style, color: true }, [1, 2]);
  expect(colored.join('\n')).toContain('\x1b[33mbackoff');
  expect(colored.map((line) => line.replace(/\x1b\[\d+m/g, ''))).toEqual(statusLines(shown, style, [1, 2]));
});

describe.each([3, 5, 12, 20, 33, 46, 60, 79, 132])('in %i columns', (width) => {
  test.each([true, false])('no line is wider, UTF-8 %s', (unicode) => {
    const shown = { ...status, transfers: [transfer, hostile, list] };
    for (const line of statusLines(shown, { width, unicode, color: false }, Array(200).fill(1)))
      expect(widthOf(line)).toBeLessThanOrEqual(width);
  });
});

describe('a transfer', () => {
  const line = (each: TransferStatus, over: Partial<TerminalStyle> = {}) =>
    transferLines([each], { ...style, ...over })[0];

  test.each([
    [66, 'RETR report.pdf  █████░░░░░░░   45%  12.3 MB  1.2 MB/s  12 s left'],
    [52, 'RETR report.pdf   45%  12.3 MB  1.2 MB/s  12 s left'],
    [41, 'RETR report.pdf   45%  12.3 MB  1.2 MB/s'],
    [32, 'RETR report.pdf   45%  1.2 MB/s'],
    [22, 'RETR report.pdf   45%'],
    [15, 'RETR report.pdf'],
    [9, 'RETR….pdf'],
  ])('in %i columns', (width, text) => expect(line(transfer, { width })).toBe(text));

  test('escapes a hostile name, and cuts it in its middle', () => {
    expect(line(hostile)).toMatch(/^RETR \\x1b.*….*\.pdf {2}█+░+ /);
  });

  test('that exceeds its announced size shows 100 %', () => {
    expect(line({ ...transfer, bytes: 30_000_000, secondsLeft: 0 })).toContain('████████████  100%');
    expect(line({ ...transfer, bytes: 0, size: 0 })).toContain('100%');
  });
});

test('uploads that wait in the spool, and why', () => {
  const spool = {
    files: 3,
    bytes: 1_200_000,
    since: '2026-01-02T03:09:05.000Z',
    refused: 1,
    reason: 'No\x1b space',
  };
  const forwards = status.forwards.map((forward) => ({ ...forward, spool }));
  const lines = statusLines({ ...status, forwards }, { ...style, width: 200 });
  expect(lines.join('\n')).toMatch(
    /localhost:8021: 3 uploads \(1\.2 MB\) in the spool, the oldest 2 h old; the server refused 1: No[^\x1b]* space/,
  );
  const empty = status.forwards.map((forward) => ({
    ...forward,
    spool: { files: 0, bytes: 0, since: null, refused: 0, reason: null },
  }));
  expect(statusLines({ ...status, forwards: empty }, style).join()).not.toMatch(/spool/);
});

import { beforeEach, expect, it } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { Transfers } from '../../src/core/transfers.ts';

const about = { session: 4, forward: 'files', client: { host: '127.0.0.1', port: 40_000 } };
const request = {
  id: 1,
  user: 'you',
  verb: 'RETR',
  path: 'report.pdf',
  direction: 'download',
  size: 10,
} as const;

let events: unknown[][] = [];
let transfers: Transfers;
beforeEach(() => {
  events = [];
  transfers = new Transfers({ about, emit: (...event) => void events.push(event) });
});

it('a transfer is reported with its session, and with its live count', () => {
  const { progress, end } = transfers.begin(request);
  expect(events).toEqual([['transfer.start', { ...request, ...about, progress }]]);
  progress.bytes += 7;
  end({ outcome: 'complete', reply: 226 });
  expect(events[1]).toEqual([
    'transfer.end',
    { ...request, ...about, outcome: 'complete', reply: 226, bytes: 7, ms: expect.any(Number) },
  ]);
});

it('a count of the plugin’s own is read at the end', () => {
  const count = { bytes: 1 };
  const transfer = transfers.begin(request, count);
  count.bytes = 9;
  transfer.end({ outcome: 'complete' });
  expect(events[1]?.[1]).toMatchObject({ bytes: 9 });
});

it('a transfer ends once', () => {
  const transfer = transfers.begin(request);
  transfer.end({ outcome: 'complete' });
  transfer.end({ outcome: 'failed' });
  transfers.endAll(new GatewayError('FINISHED', 'x'));
  expect(events).toHaveLength(2);
});

it('what still runs fails with the reason of the session', () => {
  const [first] = [transfers.begin(request), transfers.begin({ ...request, id: 2 })];
  first?.end({ outcome: 'complete' });
  const error = new GatewayError('SSH_LOST', 'it is gone');
  transfers.endAll(error);
  expect(events.slice(3)).toEqual([
    ['transfer.end', expect.objectContaining({ id: 2, outcome: 'failed', error })],
  ]);
});

it('a refused transfer has an end alone', () => {
  transfers.refuse(request, { reply: 550 });
  expect(events).toEqual([
    ['transfer.end', { ...request, ...about, outcome: 'failed', reply: 550, bytes: 0, ms: 0 }],
  ]);
});

import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type ErrorCode, GatewayError } from '../../src/core/errors.ts';
import { GatewayEmitter } from '../../src/core/events.ts';
import { keepLedger, Ledger } from '../../src/status/ledger.ts';
import { answerSchema, MAX_ANSWER, MessageReader, writeMessage } from '../../src/status/protocol.ts';
import { statusReportSchema, statusSchema } from '../../src/status/schema.ts';

const ABOUT = { engine: 'ssh2', keyExchange: 'curve25519-sha256', postQuantum: false };

const START = Date.parse('2026-01-02T03:04:05.000Z');
const client = { host: '127.0.0.1', port: 50_123 };
const peer = { remote: client, local: { host: '127.0.0.1', port: 8021 } };
const listening = {
  forward: 'files',
  type: 'ftp',
  direction: 'local' as const,
  server: 'office',
  endpoint: { host: '127.0.0.1', port: 8021 },
  listen: { host: 'localhost', port: 8021 },
  target: { host: 'localhost', port: 21 },
  tls: null,
  listenTls: null,
};
const info = {
  id: 1,
  session: 4,
  forward: 'files',
  client,
  user: 'kagami',
  verb: 'RETR',
  path: 'report.pdf',
  direction: 'download' as const,
  size: 10_000_000 as number | null,
};

/** A ledger behind an emitter, at a time that the test sets, in seconds since the start. */
function world() {
  const clock = { seconds: 0 };
  const now = () => START + clock.seconds * 1000;
  const ledger = new Ledger(
    {
      version: '1.2.3',
      pid: 42,
      label: (server) => `you@${server}`,
      dataConnections: () => 1,
      connection: () => ABOUT,
    },
    now(),
  );
  const events = new GatewayEmitter();
  keepLedger(ledger, events, now);
  return { clock, events, status: () => statusSchema.parse(ledger.status(now())) };
}

test('a new ledger is empty', () => {
  expect(world().status()).toEqual({
    version: '1.2.3',
    pid: 42,
    started: '2026-01-02T03:04:05.000Z',
    now: '2026-01-02T03:04:05.000Z',
    servers: [],
    forwards: [],
    transfers: [],
    totals: { clients: 0, transfersComplete: 0, transfersFailed: 0, bytesUp: 0, bytesDown: 0 },
    errors: [],
  });
});

test('the first connection is no reconnection, however late it comes', () => {
  const { events, status } = world();
  const error = new GatewayError('SSH_CONNECT', 'no route');
  events.emit('transport.state', { server: 'office', state: 'connecting' });
  events.emit('transport.state', { server: 'office', state: 'backoff', error });
  events.emit('transport.state', { server: 'office', state: 'connecting' });
  events.emit('transport.state', { server: 'office', state: 'ready' });
  expect(status().servers).toMatchObject([{ state: 'ready', reconnects: 0 }]);
});

test('a server has its state, the time of the last change, its losses, and the cause of the last one', () => {
  const { clock, events, status } = world();
  const error = new GatewayError('SSH_LOST', 'no answer');
  const become = (seconds: number, state: 'connecting' | 'ready' | 'backoff', because?: GatewayError) => {
    clock.seconds = seconds;
    events.emit('transport.state', { server: 'office', state, ...(because && { error: because }) });
  };
  become(0, 'connecting');
  become(1, 'ready');
  expect(status().servers).toMatchObject([{ state: 'ready', reconnects: 0, lastError: null }]);
  become(5, 'backoff', error);
  become(7, 'connecting');
  become(8, 'backoff', error);
  expect(status().servers).toMatchObject([{ state: 'backoff', reconnects: 0 }]);
  become(9, 'connecting');
  become(10, 'ready');
  clock.seconds = 20;
  const at = '2026-01-02T03:04:13.000Z';
  const lost = { at, times: 2, where: 'office', code: 'SSH_LOST', message: 'no answer' };
  expect(status().errors).toEqual([lost]);
  expect(status().servers).toEqual([
    {
      name: 'office',
      label: 'you@office',
      state: 'ready',
      since: '2026-01-02T03:04:15.000Z',
      reconnects: 1,
      dataConnections: 1,
      connection: ABOUT,
      lastError: lost,
    },
  ]);
});

test('a forward counts clients and bytes, including those of running sessions', () => {
  const { events, status } = world();
  events.emit('forward.listening', listening);
  const traffic = { up: 10, down: 20 };
  events.emit('session.start', { session: 4, forward: 'files', peer, traffic });
  events.emit('session.start', { session: 5, forward: 'files', peer, traffic: { up: 1, down: 2 } });
  traffic.down = 2000;
  const { listen, target } = listening;
  const about = { name: 'files', type: 'ftp', direction: 'local', server: 'office', listen, target };
  expect(status().forwards).toEqual([
    {
      ...about,
      clients: 2,
      clientsTotal: 2,
      bytesUp: 11,
      bytesDown: 2002,
      tls: null,
      listenTls: null,
      spool: null,
    },
  ]);
  events.emit('session.end', { session: 4, forward: 'files', bytesUp: 10, bytesDown: 2000, ms: 5 });
  expect(status()).toMatchObject({
    forwards: [{ clients: 1, clientsTotal: 2, bytesUp: 11, bytesDown: 2002 }],
    totals: { clients: 2, bytesUp: 11, bytesDown: 2002 },
  });
});

test('a forward shows the uploads that wait, until it has no spool', () => {
  const { events, status } = world();
  const waiting = { files: 2, bytes: 30, since: 1000, refused: 1, reason: 'x'.repeat(1000) };
  events.emit('forward.waiting', { forward: 'files', waiting });
  events.emit('forward.listening', listening);
  const spool = { files: 2, bytes: 30, since: '1970-01-01T00:00:01.000Z', refused: 1 };
  expect(status().forwards).toMatchObject([{ spool }]);
  expect(status().forwards[0]?.spool?.reason?.length).toBeLessThan(600);
  events.emit('forward.waiting', { forward: 'files', waiting: null });
  expect(status().forwards).toMatchObject([{ spool: null }]);
});

test('a removed forward disappears; its clients still count', () => {
  const { events, status } = world();
  events.emit('transport.state', { server: 'office', state: 'ready' });
  events.emit('forward.listening', listening);
  events.emit('session.start', { session: 4, forward: 'files', peer, traffic: { up: 1, down: 2 } });
  events.emit('forward.removed', { forward: 'files' });
  events.emit('server.removed', { server: 'office' });
  expect(status()).toMatchObject({ servers: [], forwards: [], totals: { clients: 1, bytesDown: 2 } });
  events.emit('forward.listening', listening);
  events.emit('session.end', { session: 4, forward: 'files', bytesUp: 1, bytesDown: 2, ms: 5 });
  expect(status().forwards).toMatchObject([{ clients: 0, clientsTotal: 0 }]);
});

describe('a transfer', () => {
  test('has its rate over the last seconds, and the time left', () => {
    const { clock, events, status } = world();
    const progress = { bytes: 0 };
    events.emit('transfer.start', { ...info, progress });
    clock.seconds = 2;
    progress.bytes = 2_000_000;
    const started = '2026-01-02T03:04:05.000Z';
    const counts = { bytes: 2_000_000, bytesPerSecond: 1_000_000, secondsLeft: 8 };
    expect(status().transfers).toEqual([{ ...info, started, ...counts }]);
    clock.seconds = 60;
    status();
    clock.seconds = 64;
    progress.bytes = 4_000_000;
    status();
    clock.seconds = 66;
    progress.bytes = 6_000_000;
    // From the reading at 60 s: what was before counts no more.
    expect(status().transfers).toMatchObject([{ bytesPerSecond: 666_667, secondsLeft: 6 }]);
    for (clock.seconds = 67; clock.seconds < 75; clock.seconds += 1) status();
    expect(status().transfers).toMatchObject([{ bytesPerSecond: 0, secondsLeft: null }]);
  });

  test('of unknown size has no time left', () => {
    const { clock, events, status } = world();
    events.emit('transfer.start', { ...info, size: null, progress: { bytes: 500 } });
    clock.seconds = 1;
    expect(status().transfers).toMatchObject([{ size: null, bytesPerSecond: 500, secondsLeft: null }]);
  });

  test('is counted when it ends, and is an error if it failed', () => {
    const { events, status } = world();
    for (const id of [1, 2, 3]) events.emit('transfer.start', { ...info, id, progress: { bytes: 0 } });
    const end = { ...info, bytes: 5, ms: 1 };
    events.emit('transfer.end', { ...end, id: 1, outcome: 'complete' });
    const error = new GatewayError('SSH_LOST', 'the connection was lost');
    events.emit('transfer.end', { ...end, id: 2, outcome: 'failed', error });
    const stopped = new GatewayError('STOPPING', 'sshferry is stopping');
    events.emit('transfer.end', { ...end, id: 3, outcome: 'failed', error: stopped });
    expect(status()).toMatchObject({
      transfers: [],
      totals: { transfersComplete: 1, transfersFailed: 2 },
      errors: [{ where: 'files', code: 'SSH_LOST', message: 'RETR report.pdf: the connection was lost' }],
    });
    expect(status().errors).toHaveLength(1);
  });
});

test('there are only a few latest errors, the newest first; a client that hangs up is not one', () => {
  const { events, status } = world();
  const ends: [ErrorCode, string][] = [
    ...Array.from({ length: 30 }, (_, i): [ErrorCode, string] => ['CHANNEL_REFUSED', `refused ${i}`]),
    ['PEER_RESET', 'the client hung up'],
    ['STOPPING', 'sshferry is stopping'],
    ['CHANNEL_REFUSED', 'x'.repeat(5000)],
  ];
  for (const [session, [code, message]] of ends.entries()) {
    const error = new GatewayError(code, message);
    events.emit('session.start', { session, forward: 'files', peer, traffic: { up: 0, down: 0 } });
    events.emit('session.end', { session, forward: 'files', bytesUp: 0, bytesDown: 0, ms: 1, error });
  }
  const { errors } = status();
  expect(errors).toHaveLength(20);
  expect(errors[0]?.message).toHaveLength(501);
  expect(errors[1]?.message).toBe('refused 29');
});

test('its JSON Schema is the one in docs (vitest writes it anew with -u)', async () => {
  const schema = z.toJSONSchema(statusReportSchema, { io: 'output' });
  await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot('../../docs/status.schema.json');
});

test('a thousand transfers of the longest names fit into one answer', () => {
  const { events, status } = world();
  const path = '\\x01'.repeat(16 * 1024);
  const user = '\ud83d\ude00'.repeat(8 * 1024);
  for (let id = 1; id <= 1000; id++)
    events.emit('transfer.start', { ...info, id, path, user, progress: { bytes: 0 } });
  const told = status();
  expect(told.transfers).toHaveLength(1000);
  expect(told.transfers[0]).toMatchObject({
    path: `${'\\x01'.repeat(125)}…`,
    user: `${'\ud83d\ude00'.repeat(50)}…`,
  });
  const [answer] = new MessageReader(answerSchema, MAX_ANSWER).push(
    Buffer.from(writeMessage({ status: told })),
  );
  expect(answer).toEqual({ status: told });
});

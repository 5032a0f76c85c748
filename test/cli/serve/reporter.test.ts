import { describe, expect, test, vi } from 'vitest';
import { reportEvents } from '../../../src/cli/serve/reporter.ts';
import { GatewayError } from '../../../src/core/errors.ts';
import { GatewayEmitter } from '../../../src/core/events.ts';
import { createLogger } from '../../../src/log/logger.ts';
import { undocumented } from '../../support/documented-events.ts';
import { Written } from '../fakes.ts';

/** The log lines that `emit` causes. */
function logged(emit: (events: GatewayEmitter) => void): Record<string, unknown>[] {
  const out = new Written();
  const events = new GatewayEmitter();
  reportEvents(events, createLogger(out, { level: 'trace', format: 'json' }), (server) => `you@${server}`);
  emit(events);
  const lines = out.lines.map((line): Record<string, unknown> => JSON.parse(line));
  expect(lines.flatMap(undocumented)).toEqual([]);
  return lines;
}

const transfer = {
  id: 1,
  session: 4,
  forward: 'ftp-8021',
  client: { host: '127.0.0.1', port: 50123 },
  user: 'kagami',
  verb: 'RETR',
  path: 'report.pdf',
  direction: 'download' as const,
  size: null,
};
const peer = { remote: { host: '127.0.0.1', port: 50123 }, local: { host: '127.0.0.1', port: 8021 } };

describe('a transfer', () => {
  test('is one line that says who, what, how much, how long and how it ended', () => {
    const [line] = logged((events) =>
      events.emit('transfer.end', { ...transfer, outcome: 'complete', bytes: 12_300_000, ms: 1200 }),
    );
    expect(line).toMatchObject({
      event: 'transfer.end',
      level: 'info',
      msg: 'kagami@127.0.0.1 RETR report.pdf 12.3 MB in 1.2 s (10.3 MB/s) complete',
      ...transfer,
      outcome: 'complete',
      bytes: 12_300_000,
      ms: 1200,
    });
  });

  test('that failed is a warning with the reason', () => {
    const error = new GatewayError('SSH_LOST', 'the connection to yourserver was lost');
    const [line] = logged((events) =>
      events.emit('transfer.end', {
        ...transfer,
        user: null,
        path: '',
        outcome: 'failed',
        bytes: 0,
        ms: 0,
        error,
      }),
    );
    expect(line).toMatchObject({
      level: 'warn',
      code: 'SSH_LOST',
      msg: '127.0.0.1 RETR 0 B in 0.0 s failed: the connection to yourserver was lost',
    });
  });
});

describe('a session', () => {
  const end = { session: 4, forward: 'pop3-8110', bytesUp: 120, bytesDown: 4500, ms: 3000 };

  test.each([
    [undefined, 'debug', 'pop3-8110 #4: ended, 120 B up, 4.5 kB down in 3.0 s'],
    [new GatewayError('STOPPING', 'x'), 'debug', 'pop3-8110 #4: ended, 120 B up, 4.5 kB down in 3.0 s'],
    [new GatewayError('PEER_RESET', 'the client hung up'), 'debug', /the client hung up$/],
    [
      new GatewayError('CHANNEL_REFUSED', 'localhost:110 refused'),
      'warn',
      'pop3-8110 #4: localhost:110 refused',
    ],
  ])('that ended with %s is logged at %s', (error, level, message) => {
    const [line] = logged((events) => events.emit('session.end', { ...end, ...(error && { error }) }));
    expect(line).toMatchObject({ event: 'session.end', level, ...end });
    expect(line?.msg).toEqual(message instanceof RegExp ? expect.stringMatching(message) : message);
  });

  test('is logged at debug when it starts', () => {
    expect(
      logged((events) =>
        events.emit('session.start', { session: 4, forward: 'f', peer, traffic: { up: 0, down: 0 } }),
      ),
    ).toMatchObject([
      { event: 'session.start', level: 'debug', client: peer.remote, msg: 'f #4: 127.0.0.1:50123 connected' },
    ]);
  });
});

test('a server is logged when its connection is lost and when it is back', () => {
  const error = new GatewayError('SSH_LOST', 'no answer');
  const lines = logged((events) => {
    events.emit('transport.state', { server: 'b', state: 'connecting' });
    events.emit('transport.state', { server: 'b', state: 'ready' });
    events.emit('transport.state', { server: 'b', state: 'backoff', error });
    events.emit('transport.state', { server: 'b', state: 'backoff', error });
    events.emit('transport.state', { server: 'b', state: 'ready' });
    events.emit('transport.state', { server: 'b', state: 'closed' });
  });
  expect(lines.map(({ level, msg }) => [level, msg])).toEqual([
    ['debug', 'you@b: connecting'],
    ['debug', 'you@b: ready'],
    ['warn', 'you@b is not reachable; retrying: no answer'],
    ['debug', 'you@b: backoff: no answer'],
    ['info', 'you@b is connected again'],
    ['debug', 'you@b: closed'],
  ]);
});

test('a server that could not be reached at the start is not called connected again', () => {
  const error = new GatewayError('SSH_CONNECT', 'no route');
  const lines = logged((events) => {
    events.emit('transport.state', { server: 'b', state: 'connecting' });
    events.emit('transport.state', { server: 'b', state: 'backoff', error });
    events.emit('transport.state', { server: 'b', state: 'ready' });
  });
  expect(lines.map(({ level, msg }) => [level, msg]).slice(1)).toEqual([
    ['warn', 'you@b is not reachable; retrying: no route'],
    ['info', 'you@b is connected'],
  ]);
});

describe('refusals that a web page or another host can cause', () => {
  test('cause one warning per forward and reason, then one a minute with a count', () => {
    vi.useFakeTimers();
    const end = { bytesUp: 0, bytesDown: 0, ms: 1 };
    const lines = logged((events) => {
      for (let session = 1; session <= 1000; session++) {
        const error = new GatewayError('CLIENT_HTTP', `refused an HTTP request from client ${session}`);
        events.emit('session.end', { ...end, session, forward: 'ftp-8021', error });
      }
      const early = new GatewayError('CLIENT_EARLY', 'refused client 1001');
      events.emit('session.end', { ...end, session: 1001, forward: 'ftp-8021', error: early });
      vi.advanceTimersByTime(60_000);
    });
    vi.useRealTimers();
    expect(lines.filter(({ level }) => level !== 'debug')).toEqual([
      expect.objectContaining({
        event: 'client.refused',
        code: 'CLIENT_HTTP',
        count: 1,
        forward: 'ftp-8021',
      }),
      expect.objectContaining({ event: 'client.refused', code: 'CLIENT_EARLY', count: 1 }),
      expect.objectContaining({
        ...{ code: 'CLIENT_HTTP', count: 999, level: 'warn' },
        msg: 'ftp-8021: refused an HTTP request from client 1000 (the last of 999 such clients)',
      }),
    ]);
    expect(lines.filter(({ event }) => event === 'session.end')).toHaveLength(1001);
  });

  test.each(['SESSION_LIMIT', 'LOGIN_TIMEOUT'] as const)('a flood that ends with %s is two lines', (code) => {
    vi.useFakeTimers();
    const lines = logged((events) => {
      for (let session = 1; session <= 1000; session++) {
        const error = new GatewayError(code, 'try again later');
        events.emit('session.end', { bytesUp: 0, bytesDown: 0, ms: 1, session, forward: 'f', error });
      }
      vi.advanceTimersByTime(60_000);
    });
    vi.useRealTimers();
    expect(lines.filter(({ level }) => level !== 'debug').map(({ msg }) => msg)).toEqual([
      'f: try again later',
      'f: try again later (the last of 999 such clients)',
    ]);
  });
});

import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GatewayError } from '../../../../src/core/errors.ts';
import { type DataTransport, SshPool } from '../../../../src/core/ssh/link/pool.ts';
import type { StreamOptions, TransportState } from '../../../../src/core/transport.ts';
import { deferred } from '../../../support/deferred.ts';
import { silentLog } from '../../../support/ssh-login.ts';

const TO = { host: 'localhost', port: 50_000 };

/** A transport whose start and streams the test decides. */
class FakeTransport implements DataTransport {
  state: TransportState = 'idle';
  opened = 0;
  stops = 0;
  stopReason: GatewayError | undefined;
  readonly streams: PassThrough[] = [];
  refusal: GatewayError | null = null;
  readonly started = deferred<GatewayError | null>();
  readonly #listeners: ((state: TransportState, error?: GatewayError) => void)[] = [];

  async start(): Promise<void> {
    this.become('connecting');
    const error = await this.started.promise;
    this.become(error === null ? 'ready' : 'failed', error ?? undefined);
    if (error !== null) throw error;
  }

  async stop(reason?: GatewayError): Promise<void> {
    this.stops += 1;
    this.stopReason = reason;
    this.become('closed');
  }

  onState(listener: (state: TransportState, error?: GatewayError) => void): void {
    this.#listeners.push(listener);
  }

  become(state: TransportState, error?: GatewayError): void {
    if (this.state === 'closed') return;
    this.state = state;
    for (const listener of this.#listeners) listener(state, error);
  }

  openStream = async () => {
    if (this.refusal !== null) throw this.refusal;
    this.opened += 1;
    const stream = new PassThrough();
    this.streams.push(stream);
    return stream;
  };

  listen = async () => ({ endpoint: TO, close: async () => {} });
}

beforeEach(() => void vi.useFakeTimers({ now: 0 }));
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function pooled(size: number, outcome: GatewayError | null | 'slow' = null, log = silentLog) {
  const main = new FakeTransport();
  main.state = 'ready';
  const others: FakeTransport[] = [];
  const pool = new SshPool(main, {
    size: () => size,
    another: () => {
      const other = new FakeTransport();
      if (outcome !== 'slow') other.started.resolve(outcome);
      others.push(other);
      return other;
    },
    log,
  });
  const open = async (options: StreamOptions = { bulk: true }) =>
    (await pool.openStream(TO, options)) as PassThrough;
  return { main, others, pool, open, opened: () => [main.opened, ...others.map(({ opened }) => opened)] };
}

const BULK = { bulk: true };

describe('a pool', () => {
  it('keeps everything but bulk on the main connection, and opens no other for it', async () => {
    const { open, opened } = pooled(2);
    await open({});
    await open({});
    expect(opened()).toEqual([2]);
  });

  it('opens none if none is allowed', async () => {
    const { open, opened } = pooled(0);
    await open(BULK);
    expect(opened()).toEqual([1]);
  });

  it('spreads bulk streams, the least busy connection first, and opens another only if all are busy', async () => {
    const { open, opened } = pooled(2);
    const first = await open();
    const ended = new Promise((resolve) => first.once('close', resolve));
    first.destroy();
    await ended;
    await open();
    expect(opened()).toEqual([0, 2]);
    await open();
    expect(opened()).toEqual([0, 2, 1]);
    await open();
    await open();
    expect(opened()).toEqual([0, 3, 2]);
  });

  it('shares one login among simultaneous streams if only one is allowed', async () => {
    const { open, opened } = pooled(1);
    await Promise.all([open(), open(), open()]);
    expect(opened()).toEqual([0, 3]);
  });

  it('uses the main connection while a login is slow, and the data connection afterwards', async () => {
    const { open, opened, others } = pooled(1, 'slow');
    const waiting = open();
    await vi.advanceTimersByTimeAsync(5000);
    await waiting;
    expect(opened()).toEqual([1, 0]);
    others[0]?.started.resolve(null);
    await open();
    expect(opened()).toEqual([1, 1]);
  });

  it.each([
    ['SSH_CONNECT', 59_999, 1],
    ['SSH_CONNECT', 60_000, 2],
    ['SSH_AUTH', 3_600_000, 1],
    ['SSH_HOST_KEY', 3_600_000, 1],
  ] as const)(
    'takes the main connection after %s; %i ms later it has tried %i times',
    async (code, ms, tried) => {
      const { open, others, main } = pooled(2, new GatewayError(code, 'no further connection'));
      await open();
      expect(main.opened).toBe(1);
      await open();
      expect(others).toHaveLength(1);
      expect(others[0]?.stops).toBe(1);
      await vi.advanceTimersByTimeAsync(ms);
      await open();
      expect(others).toHaveLength(tried);
      expect(main.opened).toBe(3);
    },
  );

  it.each([
    ['the target refuses', new GatewayError('CHANNEL_REFUSED', 'no', { reason: 'connect-failed' }), true],
    ['the server forbids it', new GatewayError('CHANNEL_REFUSED', 'no', { reason: 'prohibited' }), false],
    ['the target is silent', new GatewayError('CHANNEL_TIMEOUT', 'no'), true],
    [
      'the server is out of channels',
      new GatewayError('CHANNEL_REFUSED', 'no', { reason: 'shortage' }),
      false,
    ],
    ['the connection is lost, and the target may be reached', new GatewayError('SSH_LOST', 'no'), true],
  ])(
    'passes on errors that every connection would have, or that forbid a second try: %s',
    async (_what, error, passed) => {
      const { open, others, main } = pooled(1);
      await open();
      const [other] = others;
      if (other) other.refusal = error;
      if (passed) await expect(open()).rejects.toBe(error);
      else await open();
      expect(main.opened).toBe(passed ? 0 : 1);
    },
  );

  it('opens a subsystem on the main connection if the data connection is lost just then', async () => {
    const { open, others, main, pool } = pooled(1);
    await open();
    const [other] = others;
    if (other) other.refusal = new GatewayError('SSH_LOST', 'no');
    await pool.openStream({ subsystem: 'sftp' }, BULK);
    expect(main.opened).toBe(1);
  });

  it('loses only the streams of a lost data connection, and does not wait for one that reconnects', async () => {
    const { open, opened, main, others } = pooled(1);
    await open();
    others[0]?.become('backoff', new GatewayError('SSH_LOST', 'gone'));
    expect(main.stops).toBe(0);
    await open();
    expect(opened()).toEqual([1, 1]);
    others[0]?.become('ready');
    await open();
    expect(opened()).toEqual([1, 2]);
  });

  it('ends the others with the main connection, for the same reason, and opens new ones with the next', async () => {
    const { open, main, others, pool } = pooled(1);
    await open();
    const lost = new GatewayError('SSH_LOST', 'the cable is cut');
    main.become('backoff', lost);
    expect(others[0]).toMatchObject({ stops: 1, stopReason: lost });
    await open();
    expect(others).toHaveLength(1);
    main.become('ready');
    await open();
    expect(others).toHaveLength(2);
    await pool.stop();
    expect(others.map(({ stops }) => stops)).toEqual([1, 1]);
  });

  it('gives up with the caller', async () => {
    const { pool, main, others } = pooled(1, 'slow');
    const owner = new AbortController();
    const reason = new Error('no longer wanted');
    const opening = expect(pool.openStream(TO, { bulk: true, signal: owner.signal })).rejects.toBe(reason);
    owner.abort(reason);
    others[0]?.started.resolve(null);
    await opening;
    expect(main.opened).toBe(0);
  });
});

it.each([
  ['SSH_HOST_KEY', 1],
  ['SSH_CONNECT', 0],
] as const)('a data connection that fails with %s is worth %i warnings', async (code, count) => {
  const warn = vi.fn();
  const { pool, open } = pooled(1, new GatewayError(code, 'the server has another key'), {
    ...silentLog,
    warn,
  });
  await open();
  expect(warn).toHaveBeenCalledTimes(count);
  await pool.stop();
});

import { getEventListeners } from 'node:events';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Endpoint } from '../../../../src/core/endpoint.ts';
import { type ErrorCode, GatewayError } from '../../../../src/core/errors.ts';
import { ConnectionEnd, type Dependent } from '../../../../src/core/ssh/connection/connection-end.ts';
import {
  SshSupervisor,
  type SupervisedConnection,
  type SupervisorOptions,
} from '../../../../src/core/ssh/link/supervisor.ts';
import type { Listening, TransportState } from '../../../../src/core/transport.ts';
import { deferred } from '../../../support/deferred.ts';
import { silentLog } from '../../../support/ssh-login.ts';

const TARGET: Endpoint = { host: 'localhost', port: 21 };
const RANDOM = 0.5;

/** A connection that the test ends, and whose listeners it grants. */
class FakeConnection implements SupervisedConnection {
  readonly state = 'ready';
  readonly bound: Endpoint[] = [];
  sessions = 0;
  closes = 0;
  unbound = 0;
  refuseListen = 0;
  readonly #end = new ConnectionEnd();
  readonly closed = this.#end.closed;

  openStream = async () => new PassThrough();

  async listen(bind: Endpoint): Promise<Listening> {
    if (this.refuseListen > 0) {
      this.refuseListen -= 1;
      throw new GatewayError('LISTEN_FAILED', 'taken there');
    }
    const endpoint = { ...bind, port: bind.port || 40_000 };
    this.bound.push(endpoint);
    return {
      endpoint,
      close: async () => {
        this.unbound += 1;
      },
    };
  }

  async session(): Promise<string | null> {
    this.sessions += 1;
    return null;
  }

  async close(): Promise<void> {
    this.closes += 1;
    this.#end.end(new GatewayError('STOPPING', 'closed here'), { planned: true });
  }

  onEnd(listener: (reason: GatewayError | null) => void): void {
    this.#end.onEnd(listener);
  }

  /** Adds a stream, to see when it ends. */
  add(stream: Dependent): void {
    this.#end.add(stream);
  }

  lose(message = 'the link is down', code: ErrorCode = 'SSH_LOST'): void {
    this.#end.end(new GatewayError(code, message));
  }
}

/**
 * Gives what the test has lined up: a connection, an error, or (left empty) an attempt that hangs
 * until it is called off.
 */
class Server {
  readonly attempts: { at: number; signal: AbortSignal }[] = [];
  readonly connections: FakeConnection[] = [];
  readonly #script: (FakeConnection | Error | 'hang')[] = [];

  next(...steps: (FakeConnection | Error | ErrorCode | 'hang')[]): this {
    this.#script.push(
      ...steps.map((step) =>
        step === 'hang' || typeof step !== 'string' ? step : new GatewayError(step, `said ${step}`),
      ),
    );
    return this;
  }

  connect = (signal: AbortSignal): Promise<FakeConnection> => {
    this.attempts.push({ at: Date.now(), signal });
    const step = this.#script.shift() ?? new FakeConnection();
    if (step instanceof Error) return Promise.reject(step);
    if (step instanceof FakeConnection) {
      this.connections.push(step);
      return Promise.resolve(step);
    }
    return new Promise((_resolve, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  };

  get last(): FakeConnection {
    const last = this.connections.at(-1);
    if (last === undefined) throw new Error('there was no connection');
    return last;
  }
}

let unhandled: unknown[] = [];
const onUnhandled = (error: unknown) => unhandled.push(error);

beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
  unhandled = [];
  process.on('unhandledRejection', onUnhandled);
});

afterEach(async () => {
  vi.useRealTimers();
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});

function supervise(server: Server, options: Partial<SupervisorOptions> = {}) {
  const supervisor = new SshSupervisor(
    server.connect,
    { host: 'yourserver', connectTimeout: 30, connectionAttempts: 1, session: false, ...options },
    silentLog,
    () => RANDOM,
  );
  const states: TransportState[] = [];
  const errors: (string | undefined)[] = [];
  supervisor.onState((state, error) => {
    states.push(state);
    errors.push(error?.code);
  });
  return { supervisor, states, errors };
}

async function running(server: Server, options: Partial<SupervisorOptions> = {}) {
  const it = supervise(server, options);
  await it.supervisor.start();
  it.states.length = 0;
  it.errors.length = 0;
  return it;
}

const settle = () => vi.advanceTimersByTimeAsync(0);
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

/** Stops it and checks that nothing of it is left. */
async function stopsClean(supervisor: SshSupervisor, server: Server) {
  await supervisor.stop();
  expect(supervisor.state).toBe('closed');
  expect(vi.getTimerCount()).toBe(0);
  for (const { signal } of server.attempts) {
    // A hanging attempt of this test's own server listens until it is called off, which it was.
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  }
}

describe('start', () => {
  it('that keeps trying: resolves without a connection, and goes on as after a loss', async () => {
    const server = new Server().next('SSH_CONNECT', 'SSH_TIMEOUT', new FakeConnection());
    const { supervisor, states, errors } = supervise(server, { connectionAttempts: 3 });
    await supervisor.start({ keepTrying: true });
    expect(states).toEqual(['connecting', 'backoff']);
    expect(errors).toEqual([undefined, 'SSH_CONNECT']);
    const stream = supervisor.openStream(TARGET);
    await pass(30_000);
    expect(await stream).toBeInstanceOf(PassThrough);
    expect(states).toEqual(['connecting', 'backoff', 'connecting', 'backoff', 'connecting', 'ready']);
    await stopsClean(supervisor, server);
  });

  it.each(['SSH_HOST_KEY', 'SSH_AUTH', 'SSH_UNSUPPORTED', 'CONFIG_INVALID'] as const)(
    'that keeps trying: rejects with %s',
    async (code) => {
      const server = new Server().next(code);
      const { supervisor, states } = supervise(server);
      await expect(supervisor.start({ keepTrying: true })).rejects.toMatchObject({ code });
      expect(states).toEqual(['connecting', 'failed']);
      await stopsClean(supervisor, server);
    },
  );

  it('that keeps trying: rejects if it is stopped', async () => {
    const server = new Server().next('hang');
    const { supervisor } = supervise(server);
    const started = supervisor.start({ keepTrying: true });
    const rejected = expect(started).rejects.toMatchObject({ code: 'STOPPING' });
    await stopsClean(supervisor, server);
    await rejected;
  });

  it('connects, and passes streams on', async () => {
    const server = new Server();
    const { supervisor, states } = supervise(server);
    await supervisor.start();
    expect(states).toEqual(['connecting', 'ready']);
    expect(await supervisor.openStream(TARGET)).toBeInstanceOf(PassThrough);
    await stopsClean(supervisor, server);
    expect(server.last.closes).toBe(1);
    expect(states.slice(2)).toEqual(['draining', 'closed']);
  });

  it.each([true, false])('opens a session for each connection if wanted: %s', async (session) => {
    const server = new Server();
    const { supervisor } = await running(server, { session });
    server.last.lose();
    await pass(2000);
    expect(server.connections.map((connection) => connection.sessions)).toEqual(session ? [1, 1] : [0, 0]);
    await stopsClean(supervisor, server);
  });

  it.each([
    [1, ['SSH_CONNECT'], 1],
    [3, ['SSH_CONNECT', 'SSH_TIMEOUT', 'SSH_LOST'], 3],
    [3, ['SSH_CONNECT', 'SSH_AUTH'], 2],
    [3, ['SSH_HOST_KEY'], 1],
    [3, ['CONFIG_UNSUPPORTED'], 1],
  ] as const)('with ConnectionAttempts %i gives up after %j', async (connectionAttempts, codes, tried) => {
    const server = new Server().next(...codes);
    const { supervisor, states } = supervise(server, { connectionAttempts });
    const failed = expect(supervisor.start()).rejects.toMatchObject({ code: codes.at(-1) });
    await pass(10_000);
    await failed;
    expect(server.attempts.map(({ at }) => at)).toEqual([0, 1000, 2000].slice(0, tried));
    expect(states).toEqual(['connecting', 'failed']);
    await expect(supervisor.openStream(TARGET)).rejects.toMatchObject({ code: codes.at(-1) });
    await stopsClean(supervisor, server);
  });

  it('succeeds at a later attempt', async () => {
    const server = new Server().next('SSH_CONNECT', new FakeConnection());
    const { supervisor, states } = supervise(server, { connectionAttempts: 2 });
    const started = supervisor.start();
    await pass(1000);
    await started;
    expect(states).toEqual(['connecting', 'ready']);
    await stopsClean(supervisor, server);
  });

  it('refuses callers before it, and starts once', async () => {
    const server = new Server();
    const { supervisor } = supervise(server);
    await expect(supervisor.openStream(TARGET)).rejects.toMatchObject({ code: 'SSH_LOST' });
    await supervisor.start();
    await expect(supervisor.start()).rejects.toMatchObject({ code: 'SSH_LOST' });
    expect(server.attempts).toHaveLength(1);
    await stopsClean(supervisor, server);
  });
});

describe('reconnecting', () => {
  it('waits longer each time, up to a minute, then reconnects', async () => {
    const server = new Server();
    const { supervisor, states, errors } = await running(server);
    server.next(...Array<ErrorCode>(8).fill('SSH_CONNECT'));
    server.last.lose();
    await pass(400_000);
    const at = server.attempts.map((attempt) => attempt.at);
    expect(at.slice(1).map((time, index) => time - (at[index] ?? 0))).toEqual([
      1500, 2500, 4500, 8500, 16_500, 30_500, 30_500, 30_500, 30_500,
    ]);
    expect(states.slice(0, 4)).toEqual(['backoff', 'connecting', 'backoff', 'connecting']);
    expect(states.at(-1)).toBe('ready');
    expect(errors.slice(0, 3)).toEqual(['SSH_LOST', undefined, 'SSH_CONNECT']);
    expect(supervisor.state).toBe('ready');
    expect(vi.getTimerCount()).toBe(0);
    await stopsClean(supervisor, server);
  });

  it.each(['SSH_HOST_KEY', 'SSH_AUTH', 'CONFIG_UNSUPPORTED'] as const)(
    'never retries after %s',
    async (code) => {
      const server = new Server();
      const { supervisor, states, errors } = await running(server);
      server.next('SSH_CONNECT', code);
      server.last.lose();
      await settle();
      const waiting = expect(supervisor.openStream(TARGET)).rejects.toMatchObject({ code });
      await pass(3_600_000);
      await waiting;
      expect(server.attempts).toHaveLength(3);
      expect(states).toEqual(['backoff', 'connecting', 'backoff', 'connecting', 'failed']);
      expect(errors.at(-1)).toBe(code);
      await expect(supervisor.openStream(TARGET)).rejects.toMatchObject({ code });
      await expect(supervisor.listen(TARGET, () => {})).rejects.toMatchObject({ code });
      await stopsClean(supervisor, server);
    },
  );

  it.each(['SSH_HOST_KEY', 'SSH_UNSUPPORTED'] as const)(
    'never comes back after %s in mid connection',
    async (code) => {
      const server = new Server();
      const { supervisor, states, errors } = await running(server);
      server.last.lose('another host key', code);
      await pass(3_600_000);
      expect(server.attempts).toHaveLength(1);
      expect(states).toEqual(['failed']);
      expect(errors).toEqual([code]);
      await expect(supervisor.openStream(TARGET)).rejects.toMatchObject({ code });
      await stopsClean(supervisor, server);
    },
  );

  it.each([
    ['kept up for a while: the shortest delay again', 30_000, 1500],
    ['lost again at once: the delay grows', 29_999, 2500],
  ])('a connection %s', async (_what, lasting, delay) => {
    const server = new Server();
    const { supervisor } = await running(server);
    server.last.lose();
    await pass(1500);
    expect(server.connections).toHaveLength(2);
    await pass(lasting);
    server.last.lose();
    await pass(delay - 1);
    expect(server.connections).toHaveLength(2);
    await pass(1);
    expect(server.connections).toHaveLength(3);
    await stopsClean(supervisor, server);
  });

  it('treats a connection that ends without a reason as lost', async () => {
    const server = new Server();
    const { supervisor, errors } = await running(server);
    await server.last.close();
    await pass(1500);
    expect(errors[0]).toBe('SSH_LOST');
    expect(supervisor.state).toBe('ready');
    await stopsClean(supervisor, server);
  });
});

describe('a client during a loss', () => {
  const lost = () => Promise.reject(new GatewayError('SSH_LOST', 'not connected'));

  it('is served by the next connection, if the loss was not noticed yet', async () => {
    const server = new Server();
    const { supervisor } = await running(server);
    const { last } = server;
    last.openStream = lost;
    const stream = supervisor.openStream(TARGET);
    await settle();
    expect(server.attempts).toHaveLength(1);
    last.lose();
    await pass(5000);
    expect(await stream).toBeInstanceOf(PassThrough);
    expect(server.connections).toHaveLength(2);
    await stopsClean(supervisor, server);
  });

  it.each(['bulk', 'a refusal', 'stop', 'its own end'])('is not, when it is about %s', async (what) => {
    const server = new Server();
    const { supervisor } = await running(server);
    const { last } = server;
    const abort = new AbortController();
    last.openStream = async () => {
      if (what === 'a refusal') throw new GatewayError('CHANNEL_REFUSED', 'no');
      return lost();
    };
    const stream = supervisor.openStream(TARGET, { bulk: what === 'bulk', signal: abort.signal });
    const code = stream.catch((error) => error.code);
    await settle();
    if (what === 'its own end') abort.abort(new GatewayError('SESSION_IDLE', 'gone'));
    if (what === 'stop') await supervisor.stop();
    const codes: Record<string, string> = {
      'a refusal': 'CHANNEL_REFUSED',
      stop: 'STOPPING',
      bulk: 'SSH_LOST',
    };
    expect(await code).toBe(codes[what] ?? 'SESSION_IDLE');
    await stopsClean(supervisor, server);
  });
});

describe('a client without a connection', () => {
  /**
   * Loses the connection and lets `failures` attempts fail; returns at the beginning of the delay
   * after the last.
   */
  async function down(failures: number, options: Partial<SupervisorOptions> = {}) {
    const server = new Server();
    const it = await running(server, options);
    server.next(...Array<ErrorCode>(failures).fill('SSH_CONNECT'));
    server.last.lose();
    await settle();
    while (server.attempts.length <= failures) await vi.advanceTimersToNextTimerAsync();
    return { server, ...it };
  }

  it('is served as soon as the connection is back', async () => {
    const { server, supervisor } = await down(0);
    const streams = Promise.all([supervisor.openStream(TARGET), supervisor.openStream(TARGET)]);
    await pass(1500);
    expect(await streams).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(0);
    await stopsClean(supervisor, server);
  });

  it('is refused with the reason after the connect timeout', async () => {
    const { server, supervisor } = await down(0, { connectTimeout: 10 });
    server.next(...Array<ErrorCode>(9).fill('SSH_TIMEOUT'));
    let refused: unknown = null;
    supervisor.openStream(TARGET).catch((error) => {
      refused = error;
    });
    await pass(9999);
    expect(refused).toBeNull();
    await pass(1);
    expect(refused).toMatchObject({ code: 'SSH_TIMEOUT' });
    await stopsClean(supervisor, server);
  });

  it('pulls a far attempt forward, once', async () => {
    const { server, supervisor } = await down(5);
    const before = server.attempts.length;
    const since = Date.now();
    await pass(1000);
    const streams = Promise.all([supervisor.openStream(TARGET), supervisor.openStream(TARGET)]);
    await pass(6250 - 1001);
    expect(server.attempts).toHaveLength(before);
    await pass(1);
    expect(server.attempts).toHaveLength(before + 1);
    expect(server.attempts.at(-1)?.at).toBe(since + 6250);
    expect(await streams).toHaveLength(2);
    await stopsClean(supervisor, server);
  });

  it('makes one at once when the last is long enough ago', async () => {
    const { server, supervisor } = await down(5);
    const before = server.attempts.length;
    await pass(20_000);
    expect(server.attempts).toHaveLength(before);
    const stream = supervisor.openStream(TARGET);
    await settle();
    await stream;
    expect(server.attempts).toHaveLength(before + 1);
    await stopsClean(supervisor, server);
  });

  it('does not wait longer after the clock was set back', async () => {
    const { server, supervisor } = await down(5);
    const before = server.attempts.length;
    vi.setSystemTime(Date.now() - 3_600_000);
    const stream = supervisor.openStream(TARGET);
    await pass(6250);
    await stream;
    expect(server.attempts).toHaveLength(before + 1);
    await stopsClean(supervisor, server);
  });

  it('keeps the attempts close while it waits, and no longer', async () => {
    const { server, supervisor } = await down(5);
    server.next(...Array<ErrorCode>(20).fill('SSH_CONNECT'));
    const before = server.attempts.length;
    const refused = expect(supervisor.openStream(TARGET)).rejects.toMatchObject({ code: 'SSH_CONNECT' });
    await pass(30_000);
    await refused;
    expect(server.attempts).toHaveLength(before + 4);
    await pass(6250);
    const then = server.attempts.length;
    await pass(20_000);
    expect(server.attempts).toHaveLength(then);
    await stopsClean(supervisor, server);
  });

  it('has these transitions', async () => {
    const { server, supervisor } = await down(0);
    const owner = new AbortController();
    const waiting = supervisor.openStream(TARGET, { signal: owner.signal });
    const reason = new Error('the client has gone');
    owner.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(supervisor.openStream(TARGET, { signal: owner.signal })).rejects.toBe(reason);
    expect(getEventListeners(owner.signal, 'abort')).toEqual([]);
    await stopsClean(supervisor, server);
  });
});

describe('stop', () => {
  it('is final before the start', async () => {
    const server = new Server();
    const { supervisor } = supervise(server);
    await stopsClean(supervisor, server);
    await expect(supervisor.start()).rejects.toMatchObject({ code: 'STOPPING' });
    expect(server.attempts).toHaveLength(0);
  });

  it('cancels the first attempt', async () => {
    const server = new Server().next('hang');
    const { supervisor, states } = supervise(server);
    const started = expect(supervisor.start()).rejects.toMatchObject({ code: 'STOPPING' });
    const waiting = expect(supervisor.openStream(TARGET)).rejects.toMatchObject({ code: 'STOPPING' });
    await settle();
    await stopsClean(supervisor, server);
    await started;
    await waiting;
    expect(states).toEqual(['connecting', 'draining', 'closed']);
  });

  it('cancels the pause between first attempts', async () => {
    const server = new Server().next('SSH_CONNECT', 'hang');
    const { supervisor } = supervise(server, { connectionAttempts: 5 });
    const started = expect(supervisor.start()).rejects.toMatchObject({ code: 'STOPPING' });
    await pass(500);
    await stopsClean(supervisor, server);
    await started;
  });

  it('closes a connection that opens too late, and waits for its end', async () => {
    const server = new Server();
    const arriving = deferred<FakeConnection>();
    server.connect = () => arriving.promise;
    const { supervisor } = supervise(server);
    const late = new FakeConnection();
    const started = expect(supervisor.start()).rejects.toMatchObject({ code: 'STOPPING' });
    const stopped = supervisor.stop();
    arriving.resolve(late);
    await stopped;
    await started;
    expect(late.closes).toBe(1);
  });

  it.each(['backoff', 'connecting', 'failed'] as const)('ends it in state %s', async (state) => {
    const server = new Server();
    const { supervisor } = await running(server);
    server.next(state === 'failed' ? 'SSH_AUTH' : 'hang');
    server.last.lose();
    await pass(state === 'backoff' ? 100 : 1500);
    expect(supervisor.state).toBe(state);
    const waiting =
      state === 'failed'
        ? Promise.resolve()
        : expect(supervisor.openStream(TARGET)).rejects.toMatchObject({ code: 'STOPPING' });
    await settle();
    await stopsClean(supervisor, server);
    await waiting;
    const tried = server.attempts.length;
    await pass(3_600_000);
    expect(server.attempts).toHaveLength(tried);
    await expect(supervisor.openStream(TARGET)).rejects.toMatchObject({ code: 'STOPPING' });
  });

  it('happens once', async () => {
    const server = new Server();
    const { supervisor } = await running(server);
    expect(supervisor.stop()).toBe(supervisor.stop());
    await stopsClean(supervisor, server);
    expect(server.last.closes).toBe(1);
  });
});

describe('remote listeners', () => {
  const BIND: Endpoint = { host: 'localhost', port: 0 };

  it('are opened again, on the same port', async () => {
    const server = new Server();
    const { supervisor } = await running(server);
    const listening = await supervisor.listen(BIND, () => {});
    server.last.lose();
    await pass(1500);
    expect(server.connections.map(({ bound }) => bound)).toEqual([
      [{ host: 'localhost', port: 40_000 }],
      [{ host: 'localhost', port: 40_000 }],
    ]);
    await listening.close();
    expect(server.last.unbound).toBe(1);
    server.last.lose();
    await pass(2500);
    expect(server.last.bound).toEqual([]);
    await stopsClean(supervisor, server);
  });

  it('are requested until the server opens them', async () => {
    const server = new Server();
    const { supervisor } = await running(server);
    await supervisor.listen(BIND, () => {});
    const stubborn = new FakeConnection();
    stubborn.refuseListen = 3;
    server.next(stubborn);
    server.last.lose();
    await pass(1500 + 14_999);
    expect(stubborn.bound).toEqual([]);
    await pass(1);
    expect(stubborn.bound).toHaveLength(1);
    expect(supervisor.state).toBe('ready');
    await stopsClean(supervisor, server);
  });

  it('cause one warning, however long the server refuses', async () => {
    const server = new Server();
    const warn = vi.fn();
    const info = vi.fn();
    const log = Object.assign(Object.create(silentLog), { warn, info });
    const options = { host: 'yourserver', connectTimeout: 30, connectionAttempts: 1, session: false };
    const supervisor = new SshSupervisor(server.connect, options, log, () => RANDOM);
    await supervisor.start();
    await supervisor.listen(BIND, () => {});
    const stubborn = new FakeConnection();
    stubborn.refuseListen = 100;
    server.next(stubborn);
    server.last.lose();
    await pass(1500 + 499_999);
    expect(stubborn.bound).toEqual([]);
    expect(warn).toHaveBeenCalledOnce();
    await pass(1);
    expect(info.mock.calls.map(([, text]) => text)).toEqual([
      expect.stringMatching(/yourserver listens on .* again/),
    ]);
    await stopsClean(supervisor, server);
  });

  it.each(['closed', 'lost', 'stopped'])('are no longer requested once %s', async (what) => {
    const server = new Server();
    const { supervisor } = await running(server);
    const listening = await supervisor.listen(BIND, () => {});
    const stubborn = new FakeConnection();
    stubborn.refuseListen = 1;
    server.next(stubborn, 'hang');
    server.last.lose();
    await pass(1500);
    if (what === 'closed') await listening.close();
    if (what === 'lost') stubborn.lose();
    if (what === 'stopped') await supervisor.stop();
    await pass(5000);
    expect(stubborn.bound).toEqual([]);
    await stopsClean(supervisor, server);
  });

  it('are refused for good with ExitOnForwardFailure', async () => {
    const server = new Server();
    const { supervisor, states, errors } = await running(server, { exitOnForwardFailure: true });
    await supervisor.listen(BIND, () => {});
    const stubborn = new FakeConnection();
    stubborn.refuseListen = 1;
    server.next(stubborn);
    server.last.lose();
    await pass(1500);
    expect(states).toEqual(['backoff', 'connecting', 'ready', 'failed']);
    expect(errors.at(-1)).toBe('LISTEN_FAILED');
    expect(stubborn.closes).toBe(1);
    await pass(3_600_000);
    expect(server.attempts).toHaveLength(2);
    await stopsClean(supervisor, server);
  });

  it('are refused at first with the server’s words', async () => {
    const server = new Server();
    const { supervisor } = await running(server);
    server.last.refuseListen = 1;
    await expect(supervisor.listen(BIND, () => {})).rejects.toMatchObject({ code: 'LISTEN_FAILED' });
    await stopsClean(supervisor, server);
  });
});

describe('an exception that is no GatewayError', () => {
  it('is a bug: connecting ends at once, and the error names its cause', async () => {
    const server = new Server();
    const { supervisor, states } = await running(server);
    const bug = new TypeError('undefined is not a function');
    server.next(bug);
    server.last.lose();
    await vi.advanceTimersByTimeAsync(600_000);
    expect([server.attempts.length, states.at(-1)]).toEqual([2, 'failed']);
    await expect(supervisor.openStream(TARGET)).rejects.toMatchObject({
      code: 'INTERNAL',
      message: expect.stringMatching(
        /internal error while connecting to yourserver .*undefined is not a function/,
      ),
      cause: bug,
    });
    await stopsClean(supervisor, server);
  });

  it('may be retried if it comes from the system', async () => {
    const server = new Server();
    const { supervisor } = await running(server);
    server.next(Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE', syscall: 'open' }));
    server.last.lose();
    await vi.advanceTimersByTimeAsync(600_000);
    expect([server.attempts.length, supervisor.state]).toEqual([3, 'ready']);
    await stopsClean(supervisor, server);
  });
});

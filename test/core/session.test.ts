import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { GatewayError } from '../../src/core/errors.ts';
import { GatewayEmitter } from '../../src/core/events.ts';
import type { ProtocolPlugin, SessionContext } from '../../src/core/plugin.ts';
import { Session } from '../../src/core/session.ts';
import { destinationOf } from '../../src/core/target.ts';
import { connection, FakeTransport, localPeer, quietLog } from '../support/fakes.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }));
afterEach(() => void vi.useRealTimers());

function plugin(
  run: (session: SessionContext) => Promise<void>,
  words: string | null = 'goodbye',
): ProtocolPlugin<null> {
  return {
    name: 'test',
    schema: z.null(),
    defaultPorts: [],
    run,
    refusal: () => (words === null ? null : Buffer.from(words)),
  };
}

function setUp() {
  const { ours, theirs } = connection();
  const far = new FakeTransport();
  const events = new GatewayEmitter();
  const session = new Session({
    id: 1,
    forward: 'test',
    target: { host: 'localhost', port: 7 },
    client: ours,
    peer: localPeer,
    near: new FakeTransport(),
    far,
    log: quietLog,
    events,
  });
  return { session, context: session.context, ours, client: theirs, far, events };
}

const failure = () => new GatewayError('SSH_LOST', 'it is gone');

async function openedStream(context: SessionContext, far: FakeTransport): Promise<Duplex> {
  const { ours } = connection();
  const opening = context.far.openStream(destinationOf(context.target));
  far.dials[0]?.answer(ours);
  return opening;
}

it('ends all that it opened before the goodbye, which the client may take its time over', async () => {
  const { session, context, ours, client, far } = setUp();
  let stream: Duplex | undefined;
  const over = session.run(
    plugin(async () => {
      stream = await openedStream(context, far);
      throw failure();
    }),
    null,
  );
  client.resume();
  await once(client, 'end');
  expect(stream?.destroyed).toBe(true);
  expect(ours.destroyed).toBe(false);
  client.end();
  await over;
  expect(ours.closed).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

it('flushes its last words to a client that has ended its own side', async () => {
  const { session, context, client } = setUp();
  client.end();
  const backlog = 'x'.repeat(100_000);
  const over = session.run(
    plugin(async () => {
      context.client.write(backlog);
      throw failure();
    }),
    null,
  );
  // The end has been seen, and nothing of the words read.
  for (let i = 0; i < 5; i++) await turn();
  let heard = '';
  client.on('data', (chunk) => {
    heard += chunk;
  });
  await once(client, 'end');
  expect(heard).toBe(`${backlog}goodbye`);
  await over;
});

it('hangs up on a client that does not', async () => {
  const { session, ours, client } = setUp();
  const over = session.run(
    plugin(() => Promise.reject(failure())),
    null,
  );
  client.resume();
  await once(client, 'end');
  await vi.advanceTimersByTimeAsync(2000);
  await over;
  expect(ours.destroyed).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

it('reads and drops what a client says that has been told all', async () => {
  const { session, ours, client } = setUp();
  const over = session.run(
    plugin(async ({ client }) => void client.end('all')),
    null,
  );
  client.resume();
  await once(client, 'end');
  client.write('QUIT\r\n');
  await turn();
  expect(ours.destroyed).toBe(false);
  expect(ours.readableLength).toBe(0);
  client.end();
  await over;
});

it('resets the client if the protocol has no words for the failure', async () => {
  const { session, ours } = setUp();
  await session.run(
    plugin(() => Promise.reject(failure()), null),
    null,
  );
  expect([ours.destroyed, ours.writableEnded]).toEqual([true, false]);
});

it('takes what ended it for the reason, not what broke in consequence', async () => {
  const { session, client } = setUp();
  const words = vi.fn(() => null);
  const over = session.run(
    {
      ...plugin(async ({ signal }) => {
        await once(signal, 'abort');
        throw new Error('a consequence');
      }),
      refusal: words,
    },
    null,
  );
  session.end(new GatewayError('SESSION_IDLE', 'the reason'));
  session.end(new GatewayError('STOPPING', 'too late'));
  await over;
  expect(words).toHaveBeenCalledWith(expect.objectContaining({ message: 'the reason' }));
  client.destroy();
});

it('ends when it is idle, and each byte begins the time anew', async () => {
  const { session, context, client } = setUp();
  const over = session.run(
    plugin(async (context) => {
      context.endWhenIdle(1000);
      await once(context.signal, 'abort');
      throw context.signal.reason;
    }),
    null,
  );
  await vi.advanceTimersByTimeAsync(999);
  context.count('up', 1);
  await vi.advanceTimersByTimeAsync(999);
  expect(context.signal.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(context.signal.reason).toMatchObject({ code: 'SESSION_IDLE' });
  client.resume().end();
  await over;
  expect(vi.getTimerCount()).toBe(0);
});

it('ends a stream and a listener that come too late', async () => {
  const { session, context, far, client } = setUp();
  const { ours } = connection();
  const opening = context.far.listen({ host: 'localhost', port: 0 }, () => {});
  const over = session.run(
    plugin(() => Promise.reject(failure())),
    null,
  );
  await turn();
  far.listeners[0]?.grant();
  await opening;
  expect(far.listeners[0]?.closed).toBe(true);
  far.listeners[0]?.onStream(ours, localPeer);
  expect(ours.destroyed).toBe(true);
  client.resume().end();
  await over;
});

it('goes on for a minute at most once its client has gone, whatever its plugin waits for', async () => {
  const { session, context, ours } = setUp();
  const over = session.run(
    plugin(async ({ signal }) => {
      await once(signal, 'abort');
    }),
    null,
  );
  ours.destroy();
  await turn();
  await vi.advanceTimersByTimeAsync(59_999);
  expect(context.signal.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(context.signal.reason).toMatchObject({ code: 'CLIENT_GONE' });
  await over;
  expect(vi.getTimerCount()).toBe(0);
});

it('ends a transfer that its plugin left running, before the session itself', async () => {
  const { session, events, client } = setUp();
  const heard: unknown[] = [];
  events.on('transfer.end', ({ session, outcome, bytes, error }) =>
    heard.push([session, outcome, bytes, error?.code]),
  );
  events.on('session.end', () => heard.push('over'));
  const over = session.run(
    plugin(async (context) => {
      const info = { id: 1, user: null, verb: 'RETR', path: 'f', direction: 'download', size: null } as const;
      context.transfer(info).progress.bytes += 5;
      throw failure();
    }),
    null,
  );
  client.resume().end();
  await over;
  expect(heard).toEqual([[1, 'failed', 5, 'SSH_LOST'], 'over']);
});

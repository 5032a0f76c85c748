import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Logger } from '../../../src/core/log.ts';
import type { Standing } from '../../../src/core/transport.ts';
import { ClientDoor, DOOR_TIMES } from '../../../src/ftp/data/client-door.ts';
import { deferred } from '../../support/deferred.ts';
import { connection, localPeer } from '../../support/fakes.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const { hold, poll, grace } = DOOR_TIMES;
/** More than the turns of the event loop that the door waits for. */
const SLACK = 10;

function setUp() {
  const warnings: unknown[] = [];
  const log = { warn: (fields: unknown) => warnings.push(fields) } as unknown as Logger;
  const take = vi.fn<(stream: Duplex) => void>();
  const fail = vi.fn<(by: string, error: Error) => void>();
  const read = { all: true, asked: 0 };
  const door = new ClientDoor({
    take,
    fail,
    hasRead: async () => {
      read.asked += 1;
      return read.all;
    },
    log,
  });
  /** A connection that has come and is not judged; `judge` does that. */
  const arrive = () => {
    const { ours } = connection();
    const standing = deferred<Standing>();
    door.arrived({ stream: ours, peer: localPeer, standing: standing.promise });
    return {
      stream: ours,
      judge: async (known: Standing) => {
        standing.resolve(known);
        await vi.advanceTimersByTimeAsync(0);
      },
    };
  };
  /** A connection that has come and is judged. */
  const come = async (standing: Standing) => {
    const { stream, judge } = arrive();
    await judge(standing);
    return stream;
  };
  return { door, take, fail, read, arrive, come, warnings };
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe('a connection of a user who may connect', () => {
  test('is the client’s at once, whatever came before and comes after', async () => {
    const { door, take, fail, come, warnings } = setUp();
    const [strange, own] = [await come('closed'), await come('allowed')];
    expect(take).toHaveBeenCalledExactlyOnceWith(own);
    expect(strange.destroyed).toBe(true);
    const late = [await come('allowed'), await come('closed')];
    door.goAhead();
    await pass(2 * grace);
    expect(late.map(({ destroyed }) => destroyed)).toEqual([true, true]);
    expect([take.mock.calls.length, fail.mock.calls.length, own.destroyed]).toEqual([1, 0, false]);
    expect(warnings).toEqual([{ event: 'ftp.data.refused', port: 8021, count: 1 }]);
  });

  test('is the client’s also if others make it ambiguous who it is', async () => {
    const { door, take, come } = setUp();
    await come('closed');
    await come('closed');
    await come('reset');
    door.goAhead();
    await pass(hold / 2);
    const own = await come('allowed');
    expect(take).toHaveBeenCalledExactlyOnceWith(own);
  });
});

describe('a closed connection', () => {
  test('is held until the client got the go-ahead and had the time to connect', async () => {
    const { door, take, come, warnings } = setUp();
    const stream = await come('closed');
    await pass(2 * grace);
    door.goAhead();
    await pass(hold - SLACK);
    expect(take).not.toHaveBeenCalled();
    await pass(2 * SLACK);
    expect(take).toHaveBeenCalledExactlyOnceWith(stream);
    expect([stream.destroyed, warnings]).toEqual([false, []]);
  });

  test('that comes after the go-ahead is held as long', async () => {
    const { door, take, come } = setUp();
    door.goAhead();
    await pass(2 * grace);
    const stream = await come('closed');
    await pass(hold - SLACK);
    expect(take).not.toHaveBeenCalled();
    await pass(2 * SLACK);
    expect(take).toHaveBeenCalledExactlyOnceWith(stream);
  });

  test('is held while the client has not read the go-ahead, and then for the whole time', async () => {
    const { door, take, come, read } = setUp();
    read.all = false;
    await come('closed');
    door.goAhead();
    await pass(20 * hold);
    expect(take).not.toHaveBeenCalled();
    expect(read.asked).toBeGreaterThan(10);
    read.all = true;
    await pass(hold - SLACK);
    expect(take).not.toHaveBeenCalled();
    await pass(poll + 2 * SLACK);
    expect(take).toHaveBeenCalledTimes(1);
  });

  test('is not taken while another one is not judged', async () => {
    const { door, take, fail, come, arrive } = setUp();
    await come('closed');
    door.goAhead();
    const { judge } = arrive();
    await pass(hold + SLACK);
    expect(take).not.toHaveBeenCalled();
    await judge('closed');
    await pass(SLACK);
    expect([take.mock.calls.length, fail.mock.calls.length]).toEqual([0, 1]);
  });

  test('is held as long if it comes after others', async () => {
    const { door, take, come } = setUp();
    await come('refused');
    door.goAhead();
    await pass(hold - SLACK);
    await come('closed');
    await pass(hold - SLACK);
    expect(take).not.toHaveBeenCalled();
    await pass(2 * SLACK);
    expect(take).toHaveBeenCalledTimes(1);
  });

  test('beside one of another user is taken', async () => {
    const { door, take, come } = setUp();
    const stream = await come('closed');
    await come('refused');
    door.goAhead();
    await pass(hold + SLACK);
    expect(take).toHaveBeenCalledExactlyOnceWith(stream);
  });

  test('is reset if the port is given up, and nothing follows', async () => {
    const { door, take, fail, come } = setUp();
    const stream = await come('closed');
    door.goAhead();
    door.close();
    door.close();
    await pass(2 * grace);
    expect([stream.destroyed, take.mock.calls.length, fail.mock.calls.length]).toEqual([true, 0, 0]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('none is taken', () => {
  test('of two closed ones', async () => {
    const { door, take, fail, come, warnings } = setUp();
    const streams = [await come('closed'), await come('closed')];
    door.goAhead();
    await pass(hold + SLACK);
    expect(fail).toHaveBeenCalledExactlyOnceWith(
      'gateway',
      expect.objectContaining({
        code: 'DATA_REFUSED',
        message:
          'data port 8021: several connections were closed before their owner could be looked up; none is taken',
      }),
    );
    expect([streams.map(({ destroyed }) => destroyed), take.mock.calls.length]).toEqual([[true, true], 0]);
    expect(warnings).toEqual([{ event: 'ftp.data.refused', port: 8021, count: 2 }]);
  });

  test.each([
    ['reset', 'client', /^data port 8021: the connection was reset before its owner could be looked up$/],
    [
      'refused',
      'gateway',
      /^data port 8021: only connections came that are not the client's: of other users \(LocalUsers\) or addresses$/,
    ],
  ] as [Standing, string, RegExp][])(
    'of those that were %s: the client has a while to connect',
    async (standing, by, words) => {
      const { door, take, fail, come } = setUp();
      await come(standing);
      door.goAhead();
      await pass(grace - SLACK);
      expect(fail).not.toHaveBeenCalled();
      await pass(hold + 3 * SLACK);
      expect(fail).toHaveBeenCalledExactlyOnceWith(
        by,
        expect.objectContaining({ message: expect.stringMatching(words) }),
      );
      const own = await come('allowed');
      expect([own.destroyed, take.mock.calls.length]).toEqual([true, 0]);
    },
  );
});

describe('the error of a client whose time is over', () => {
  test.each([
    ['nothing', [], 'no client connected to the data port 50001 within 60 s'],
    [
      'a closed one before the transfer began',
      ['closed'],
      'data port 50001: the connection was closed before the transfer began, and its owner cannot be told',
    ],
    [
      'one of another user',
      ['refused'],
      "data port 50001: only connections came that are not the client's: of other users (LocalUsers) or addresses",
    ],
  ] as [string, Standing[], string][])('after %s', async (_, came, words) => {
    const { door, come } = setUp();
    for (const standing of came) await come(standing);
    expect(door.timedOut(50_001, 60_000).message).toBe(words);
  });
});

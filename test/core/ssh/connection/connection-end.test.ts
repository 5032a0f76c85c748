import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { GatewayError } from '../../../../src/core/errors.ts';
import { ConnectionEnd } from '../../../../src/core/ssh/connection/connection-end.ts';

const LOST = new GatewayError('SSH_LOST', 'the cable is cut');
const OTHER = new GatewayError('STOPPING', 'something else');

function setup() {
  const end = new ConnectionEnd();
  const seen: unknown[] = [];
  class Stream extends EventEmitter {
    readonly #name: string;

    constructor(name: string) {
      super();
      this.#name = name;
    }

    lose(reason: GatewayError): void {
      seen.push([this.#name, reason]);
      this.emit('close');
    }
  }
  const stream = (name: string) => new Stream(name);
  return { end, seen, stream };
}

it('is announced to listeners, then to streams in the order in which they were opened, then settles', async () => {
  const { end, seen, stream } = setup();
  end.add(stream('control'));
  end.onEnd((reason) => seen.push(['supervisor', reason]));
  end.add(stream('data'));
  end.onEnd((reason) => seen.push(['another', reason]));
  void end.closed.then((reason) => seen.push(['closed', reason]));
  end.end(LOST);
  expect(end.reason).toBe(LOST);
  await end.closed;
  expect(seen.map((entry) => (entry as [string])[0])).toEqual([
    'supervisor',
    'another',
    'control',
    'data',
    'closed',
  ]);
  for (const entry of seen) expect((entry as [string, unknown])[1]).toBe(LOST);
});

it('is announced once: the first reason counts', () => {
  const { end, seen, stream } = setup();
  end.add(stream('control'));
  end.end(LOST);
  end.end(OTHER);
  expect(seen).toEqual([['control', LOST]]);
  expect(end.reason).toBe(LOST);
});

it('has no reason for listeners if it was planned, and one for streams', async () => {
  const { end, seen, stream } = setup();
  end.add(stream('control'));
  end.onEnd((reason) => seen.push(reason));
  end.end(OTHER, { planned: true });
  expect(seen).toEqual([null, ['control', OTHER]]);
  expect(await end.closed).toBeNull();
  end.onEnd((reason) => seen.push(reason));
  expect(seen.at(-1)).toBeNull();
});

it('is announced at once to late listeners and streams, and not to a stream that has closed', () => {
  const { end, seen, stream } = setup();
  const gone = stream('gone');
  end.add(gone);
  gone.emit('close');
  end.end(LOST);
  end.add(stream('late'));
  end.onEnd((reason) => seen.push(reason));
  expect(seen).toEqual([['late', LOST], LOST]);
});

it('reaches the others and the streams if a listener throws, which surfaces as uncaught', async () => {
  const { end, seen, stream } = setup();
  const before = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  const surfaced = new Promise((resolve) => process.once('uncaughtException', resolve));
  end.add(stream('control'));
  end.onEnd(() => {
    throw new Error('a bug of the listener');
  });
  end.onEnd(() => seen.push('the other'));
  end.end(LOST);
  expect(seen).toEqual(['the other', ['control', LOST]]);
  expect(await surfaced).toMatchObject({ message: 'a bug of the listener' });
  for (const listener of before) process.on('uncaughtException', listener);
});

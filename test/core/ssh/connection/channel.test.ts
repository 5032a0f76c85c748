import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../../src/core/errors.ts';
import { ChannelStream } from '../../../../src/core/ssh/connection/channel.ts';
import { sendsEof } from '../../../../src/core/ssh/connection/channel-port.ts';
import { ReceiveWindow, WindowBudget } from '../../../../src/core/ssh/connection/receive-window.ts';
import { FakePort } from '../../../support/fake-port.ts';

const MiB = 1024 * 1024;
const LOST = new GatewayError('SSH_LOST', 'the cable is cut');

function open(port = new FakePort()) {
  const budget = new WindowBudget(128 * MiB);
  const window = new ReceiveWindow(budget, port.opening);
  const stream = new ChannelStream(port, window, { peer: 'localhost:21', server: 'yourserver' });
  const seen = { events: [] as string[], error: null as unknown, text: '' };
  for (const name of ['end', 'finish', 'close']) stream.on(name, () => seen.events.push(name));
  stream.on('error', (error) => {
    seen.events.push('error');
    seen.error = error;
  });
  const read = () =>
    stream.on('data', (chunk) => {
      seen.text += chunk;
    });
  return { port, stream, budget, seen, read };
}

describe('the other side', () => {
  type Step = { readonly data: string } | 'eof' | 'close' | 'lost';

  function play({ port, stream }: ReturnType<typeof open>, step: Step): void {
    if (step === 'eof') port.receiver.onEof();
    else if (step === 'close') port.receiver.onClose();
    else if (step === 'lost') stream.lose(LOST);
    else port.receiver.onData(Buffer.from(step.data));
  }

  const cases: readonly (readonly [string, readonly Step[], boolean, string, string | null])[] = [
    ['EOF, then CLOSE', ['eof', 'close'], true, 'end finish close', null],
    ['EOF, then a loss', ['eof', 'lost'], true, 'end error close', 'SSH_LOST'],
    ['CLOSE without EOF', ['close'], true, 'error close', 'PEER_RESET'],
    ['CLOSE without EOF, from a server that never sends EOF', ['close'], false, 'end finish close', null],
    ['a loss', ['lost'], true, 'error close', 'SSH_LOST'],
    ['a loss, from a server that never sends EOF', ['lost'], false, 'error close', 'SSH_LOST'],
    ['a loss after EOF and CLOSE', ['eof', 'close', 'lost'], true, 'end error close', 'SSH_LOST'],
  ];

  it.each(cases)('%s: the same ending in any split', async (_title, ending, eof, events, code) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ minLength: 1, maxLength: 5 }), { maxLength: 6 }),
        fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }),
        async (chunks, turns) => {
          const channel = open(new FakePort({ sendsEof: eof }));
          channel.read();
          const steps: Step[] = [...chunks.map((data) => ({ data })), ...ending];
          for (const [i, step] of steps.entries()) {
            play(channel, step);
            if (turns[i] && i < chunks.length) await turn();
          }
          // Our side ends after the other side's end: the loss meets an open writing half.
          await turn();
          if (!channel.stream.destroyed) channel.stream.end();
          await turn();
          expect(channel.seen.events.join(' ')).toBe(events);
          expect(channel.seen.error === null ? null : (channel.seen.error as GatewayError).code).toBe(code);
          if (code === null) expect(channel.seen.text).toBe(chunks.join(''));
          expect(channel.budget.held).toBe(0);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('data after EOF is counted and dropped', async () => {
    const { port, seen, read, stream } = open();
    read();
    port.receiver.onEof();
    port.receiver.onData(Buffer.from('late'));
    await turn();
    expect(seen).toMatchObject({ events: ['end'], text: '' });
    stream.destroy();
  });

  it('a loss fails every waiting write with its reason', async () => {
    const { port, stream } = open();
    port.flowing = false;
    const first = new Promise((resolve) => stream.write('a', resolve));
    const second = new Promise((resolve) => stream.write('b', resolve));
    stream.lose(LOST);
    expect(await Promise.all([first, second])).toEqual([LOST, LOST]);
    expect(port.asked).toEqual(['a']);
  });

  it('the first reason counts', async () => {
    const { stream, seen } = open();
    stream.lose(LOST);
    stream.lose(new GatewayError('FINISHED', 'something else'));
    await turn();
    expect(seen.error).toBe(LOST);
  });

  it('an exception of a reader surfaces outside the engine', async () => {
    const { port, stream } = open();
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const surfaced = new Promise((resolve) => process.once('uncaughtException', resolve));
    stream.on('data', () => {
      throw new Error('a bug of the reader');
    });
    await turn();
    port.receiver.onData(Buffer.from('x'));
    expect(await surfaced).toMatchObject({ message: 'a bug of the reader' });
    for (const listener of before) process.on('uncaughtException', listener);
    stream.destroy();
  });
});

describe('this side', () => {
  it('end() sends EOF only', async () => {
    const { port, stream, seen } = open();
    stream.end('all');
    await turn();
    expect(port.asked).toEqual(['all', 'eof']);
    expect(seen.events).toEqual(['finish']);
    stream.destroy();
  });

  it('destroy() sends CLOSE without EOF, and drops the write that waits', async () => {
    const { port, stream, seen } = open();
    port.flowing = false;
    const written = new Promise((resolve) => stream.write('half', resolve));
    stream.destroy();
    expect(await written).toMatchObject({ code: 'FINISHED' });
    port.drain();
    await turn();
    expect(port.asked).toEqual(['half', 'close']);
    expect(seen.events).toEqual(['close']);
  });

  it('a write waits until the port is done', async () => {
    const { port, stream } = open();
    port.flowing = false;
    stream.write('a');
    stream.write('b');
    expect(port.asked).toEqual(['a']);
    port.drain();
    expect(port.asked).toEqual(['a', 'b']);
    stream.destroy();
  });

  it('a write that the port cannot send is an error', async () => {
    const { port, stream, seen } = open();
    port.flowing = false;
    stream.write('a');
    port.drain(new Error('the protocol object is gone'));
    await turn();
    expect(seen.error).toMatchObject({ code: 'SSH_LOST', cause: { message: 'the protocol object is gone' } });
  });

  it('a port that throws before it reports the loss harms neither end(), reading nor destroy()', async () => {
    const { port, stream, seen, read } = open();
    read();
    port.broken = true;
    port.receiver.onData(Buffer.alloc(MiB));
    await turn();
    expect(seen.text).toHaveLength(MiB);
    stream.end();
    await turn();
    expect(seen).toMatchObject({ events: ['error', 'close'], error: { code: 'SSH_LOST' } });
  });
});

describe('the receive window', () => {
  it('is granted again as data is consumed, not as it arrives', async () => {
    const { port, stream } = open();
    for (let sent = 0; sent < 2 * MiB; sent += 32_768) port.receiver.onData(Buffer.alloc(32_768));
    await turn();
    expect([stream.readableLength, port.granted]).toEqual([2 * MiB, 0]);
    stream.resume();
    await turn();
    expect(port.granted).toBeGreaterThanOrEqual(MiB);
    stream.destroy();
  });

  it('counts extended data, which is dropped', async () => {
    const { port, stream } = open();
    port.receiver.onExtendedData(2 * MiB);
    expect(port.granted).toBeGreaterThan(0);
    expect(stream.readableLength).toBe(0);
    stream.destroy();
  });

  it.each(['onData', 'onExtendedData'] as const)(
    'ends the connection if the server exceeds it: %s',
    (name) => {
      const { port, stream } = open(new FakePort({ opening: 100_000 }));
      const bytes = 100_000 + 64 * 1024 + 1;
      const arrive = () =>
        name === 'onData' ? port.receiver.onData(Buffer.alloc(bytes)) : port.receiver[name](bytes);
      expect(arrive).toThrow('yourserver: the server sent more than its receive window allows');
      stream.destroy();
    },
  );
});

it('knows servers that send EOF by their software', () => {
  const softwares = ['OpenSSH_9.2p1', 'dropbear_2022.83', 'ssh2js1.17.0', 'Go', 'SFTPGo', ''];
  expect(softwares.map(sendsEof)).toEqual([true, true, true, false, false, false]);
});

import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../../src/core/errors.ts';
import { ReceiveWindow, WindowBudget } from '../../../../src/core/ssh/connection/receive-window.ts';
import { SendGate } from '../../../../src/core/ssh/connection/send-gate.ts';
import { ChannelTable, type Refusal } from '../../../../src/core/ssh/openssh/channel-table.ts';
import { connectionMessages } from '../../../../src/core/ssh/openssh/connection-messages.ts';
import type { OpenSshPort } from '../../../../src/core/ssh/openssh/port.ts';

const LOST = new GatewayError('SSH_LOST', 'the cable is cut');

function setUp() {
  const budget = new WindowBudget(64 * 1024 * 1024);
  const written: Buffer[] = [];
  const table = new ChannelTable({
    server: 'yourserver',
    sendsEof: true,
    write: (bytes) => void written.push(bytes),
    unread: () => 1,
    gate: new SendGate(new PassThrough()),
    budget,
  });
  const open = () => {
    const outcomes: (OpenSshPort | Refusal | GatewayError)[] = [];
    table.open(connectionMessages.openSession, new ReceiveWindow(budget, 1000), (outcome) => {
      outcomes.push(outcome);
    });
    return outcomes;
  };
  const opened = (channel = 0, window = 100, packet = 32_768) => {
    const outcomes = open();
    table.onMessage({ type: 'confirmed', channel, sender: channel + 50, window, packet });
    const port = outcomes[0] as OpenSshPort;
    const heard: string[] = [];
    port.attach?.({
      onData: (part) => void heard.push(part.toString()),
      onExtendedData: (bytes) => void heard.push(`stderr ${bytes}`),
      onEof: () => void heard.push('EOF'),
      onClose: () => void heard.push('CLOSE'),
    });
    return { port, heard, outcomes };
  };
  return { table, budget, written, open, opened };
}

/** The types of the messages that were written. */
function types(written: readonly Buffer[]): number[] {
  return written.filter((bytes) => bytes.length > 5 && bytes[4] === 0).map((bytes) => bytes[5] ?? 0);
}

describe('a channel', () => {
  it('passes on what arrives, in order, and answers CLOSE with CLOSE', () => {
    const { table, written, opened } = setUp();
    const { heard } = opened();
    table.onData(0, Buffer.from('hello'));
    table.onExtendedData(0, 3);
    table.onMessage({ type: 'eof', channel: 0 });
    table.onMessage({ type: 'close', channel: 0 });
    expect(heard).toEqual(['hello', 'stderr 3', 'EOF', 'CLOSE']);
    expect(types(written)).toEqual([90, 97]);
    expect(table.size).toBe(0);
  });

  it('sends what the window takes, in pieces of at most 32758 bytes, and the rest after a grant', () => {
    const { table, written, opened } = setUp();
    const { port } = opened(0, 40_000);
    let done = 0;
    port.send(Buffer.alloc(100_000), () => {
      done += 1;
    });
    const sizes = () => written.filter((_, i) => i > 1 && i % 2 === 0).map(({ length }) => length);
    expect(sizes()).toEqual([32_758, 7242]);
    expect(done).toBe(0);
    table.onMessage({ type: 'adjust', channel: 0, bytes: 60_000 });
    expect(sizes()).toEqual([32_758, 7242, 32_758, 27_242]);
    expect(done).toBe(1);
  });

  it('never sends more than the server has granted, for any windows and chunks', () => {
    fc.assert(
      fc.property(
        fc.nat(100_000),
        fc.array(fc.oneof(fc.record({ grant: fc.nat(50_000) }), fc.record({ send: fc.nat(50_000) })), {
          maxLength: 30,
        }),
        (window, steps) => {
          const { table, written, opened } = setUp();
          const { port } = opened(0, window);
          let granted = window;
          let queued = 0;
          let busy = false;
          for (const step of steps) {
            if ('grant' in step) {
              granted += step.grant;
              table.onMessage({ type: 'adjust', channel: 0, bytes: step.grant });
            } else if (!busy) {
              busy = true;
              queued += step.send;
              port.send(Buffer.alloc(step.send, 1), () => {
                busy = false;
              });
            }
          }
          // A head names the length of the data that follows it.
          const heads = written.filter((bytes) => bytes.length === 14 && bytes[5] === 94);
          const sent = heads.reduce((sum, head) => sum + head.readUInt32BE(10), 0);
          expect(sent).toBeLessThanOrEqual(granted);
          expect(sent).toBe(busy ? granted : queued);
        },
      ),
    );
  });

  it('holds what the server may still send until its CLOSE', () => {
    const { table, budget, opened } = setUp();
    const before = budget.held;
    const { port, heard } = opened();
    port.close();
    expect(budget.held - before).toBe(2000);
    table.onData(0, Buffer.alloc(400));
    expect(budget.held - before).toBe(1600);
    table.onMessage({ type: 'close', channel: 0 });
    // The window of the channel itself is its stream's.
    expect(budget.held - before).toBe(1000);
    expect(heard).toEqual([]);
  });

  it('is refused if its packets would be too small', () => {
    const { table, written, opened } = setUp();
    const { outcomes } = opened(0, 100, 10);
    expect(outcomes[0]).toMatchObject({
      code: 'CHANNEL_REFUSED',
      message: expect.stringMatching(/10 bytes/),
    });
    expect(types(written)).toEqual([90, 97]);
    table.onMessage({ type: 'close', channel: 0 });
    expect(table.size).toBe(0);
  });
});

it('reports a refusal with its reason, and returns the window to the budget', () => {
  const { table, budget, open } = setUp();
  const outcomes = open();
  table.onMessage({ type: 'refused', channel: 0, reason: 2, text: 'Connection refused' });
  expect(outcomes).toEqual([{ reason: 2, text: 'Connection refused' }]);
  expect([budget.held, table.size]).toEqual([0, 0]);
});

it('answers requests of the server, refuses its channels, and ends when the answers pile up', () => {
  const { table, written, opened } = setUp();
  opened();
  table.onMessage({ type: 'request', channel: 0, wantsReply: true });
  table.onMessage({ type: 'request', channel: 0, wantsReply: false });
  table.onMessage({ type: 'open', sender: 4 });
  expect(types(written)).toEqual([90, 100, 92]);
  const flood = () => {
    for (let i = 0; i < 20_000; i++) table.onMessage({ type: 'open', sender: 4 });
  };
  expect(flood).toThrow(/without reading an answer/);
});

it('matches the answers to requests of a channel, and fails those that get none', () => {
  const { table, opened } = setUp();
  const { port } = opened();
  const answers: boolean[] = [];
  table.subsystem(port, 'sftp', (granted) => answers.push(granted));
  table.subsystem(port, 'sftp', (granted) => answers.push(granted));
  table.subsystem(port, 'sftp', (granted) => answers.push(granted));
  table.onMessage({ type: 'success', channel: 0 });
  table.onMessage({ type: 'failure', channel: 0 });
  table.onMessage({ type: 'close', channel: 0 });
  expect(answers).toEqual([true, false, false]);
});

it('refuses messages for channels that do not exist', () => {
  const { table } = setUp();
  expect(() => table.onData(3, Buffer.from('x'))).toThrow(/not open/);
  expect(() => table.onMessage({ type: 'eof', channel: 3 })).toThrow(/not open/);
  expect(() => table.onMessage({ type: 'refused', channel: 3, reason: 1, text: '' })).toThrow(/not asked/);
});

it('fails what was opening when the connection is lost, and sends nothing more', () => {
  const { table, written, budget, open, opened } = setUp();
  const { port } = opened();
  const outcomes = open();
  const before = written.length;
  table.lost(LOST);
  expect(outcomes).toEqual([LOST]);
  port.close();
  port.eof();
  port.grant(1000);
  expect(written).toHaveLength(before);
  expect(budget.held).toBe(1000);
});

it('calls back every request that waits for an answer when the connection is lost', () => {
  const { table, opened } = setUp();
  const { port } = opened();
  const heard: unknown[] = [];
  table.subsystem(port, 'sftp', (granted) => heard.push(granted));
  table.ping(() => heard.push('pinged'));
  table.whenIdle(() => heard.push('idle'));
  table.lost(LOST);
  expect(heard).toEqual([false, 'pinged', 'idle']);
});

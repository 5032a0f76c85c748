import { EventEmitter } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { borrowedTerminal } from '../../../src/cli/background/borrowed.ts';
import { MARK } from '../../../src/cli/background/messages.ts';
import { deferred } from '../../support/deferred.ts';
import { Run } from '../fakes.ts';

describe('a process that goes to the background', () => {
  it('does not, if a signal comes while the service manager is notified', async () => {
    const notified = deferred<null>();
    const released = vi.fn(async () => {});
    const run = new Run(['-fN', '-L', '8021:localhost:21', 'host'], {
      terminal: { isTTY: false, release: released },
      notify: (state) => (state === 'ready' ? notified.promise : Promise.resolve(null)),
    });
    await run.waitFor(/8021/);
    run.process.emit('SIGTERM');
    notified.resolve(null);
    expect(await run.status).toBe(0);
    expect(released).not.toHaveBeenCalled();
    expect(run.stdout.text).not.toContain('in the background');
  });
});

describe('a borrowed terminal', () => {
  class Channel extends EventEmitter {
    env = { [MARK]: JSON.stringify({ interactive: true, isTTY: true }) };
    connected = true;
    readonly sent: unknown[] = [];
    send = (message: unknown, _handle: unknown, _options: unknown, done: () => void) => {
      this.sent.push(message);
      done();
      return true;
    };
    disconnect = () => {
      this.connected = false;
      this.emit('disconnect');
    };
  }
  const borrow = () => {
    const channel = new Channel();
    const terminal = borrowedTerminal(channel as unknown as NodeJS.Process, () => {});
    if (terminal === null) throw new Error('not borrowed');
    return { channel, terminal };
  };

  it('answers a question', async () => {
    const { channel, terminal } = borrow();
    const answer = terminal.prompter.ask('Password: ', { echo: false });
    channel.emit('message', { type: 'answer', id: 1, text: 'sesame' });
    expect(await answer).toBe('sesame');
  });

  it('refuses a question after its release', async () => {
    const { channel, terminal } = borrow();
    await terminal.release();
    await expect(terminal.prompter.ask('Password: ', { echo: false })).rejects.toThrow(
      'no terminal to ask on',
    );
    expect(channel.sent).toEqual([{ type: 'listening' }]);
  });

  it('refuses a question after the other process has ended, and one that is open then', async () => {
    const { channel, terminal } = borrow();
    const open = terminal.prompter.ask('Password: ', { echo: false });
    channel.disconnect();
    await expect(open).rejects.toThrow('the terminal is gone');
    await expect(terminal.prompter.ask('Password: ', { echo: false })).rejects.toThrow(
      'no terminal to ask on',
    );
  });
});

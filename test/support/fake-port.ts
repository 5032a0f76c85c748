import type { ChannelPort, ChannelReceiver } from '../../src/core/ssh/connection/channel-port.ts';

/**
 * A channel's engine that records what it is asked for. The test plays the other side through
 * `receiver`.
 */
export class FakePort implements ChannelPort {
  readonly opening: number;
  readonly sendsEof: boolean;
  /** `eof`, `close`, and every chunk that was sent. */
  readonly asked: string[] = [];
  granted = 0;
  /** While true, `send` calls back at once. */
  flowing = true;
  /** If set, everything that is asked throws. */
  broken = false;
  #receiver: ChannelReceiver | null = null;
  #done: ((error?: unknown) => void)[] = [];

  constructor({ opening = 2 * 1024 * 1024, sendsEof = true } = {}) {
    this.opening = opening;
    this.sendsEof = sendsEof;
  }

  get receiver(): ChannelReceiver {
    if (this.#receiver === null) throw new Error('nothing is attached');
    return this.#receiver;
  }

  attach(receiver: ChannelReceiver): void {
    this.#receiver = receiver;
  }

  send(chunk: Buffer, done: (error?: unknown) => void): void {
    this.#ask(chunk.toString());
    if (this.flowing) done();
    else this.#done.push(done);
  }

  /** Calls back the sends that wait. */
  drain(error?: unknown): void {
    for (const done of this.#done.splice(0)) done(error);
  }

  eof(): void {
    this.#ask('eof');
  }

  close(): void {
    this.#ask('close');
  }

  grant(bytes: number): void {
    if (this.broken) throw new Error('the protocol object is gone');
    this.granted += bytes;
  }

  #ask(what: string): void {
    if (this.broken) throw new Error('the protocol object is gone');
    this.asked.push(what);
  }
}

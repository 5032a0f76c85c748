import { LineSplitter } from '../core/lines.ts';

/** The longest line that is read, in bytes. */
const LONGEST_LINE = 128 * 1024;
/** How long TLS waits for a server that does not answer a command, in milliseconds. */
const PATIENCE = 2_000;

/**
 * Finds the moment at which TLS on a data connection is to begin: the server has said that the
 * transfer does (1yz, RFC 4217 7). pyftpdlib closes a data connection on which TLS begins earlier.
 * Other servers say so only once TLS has begun: TLS does not wait longer than PATIENCE while a
 * command has no reply.
 */
export class TransferCue {
  readonly #fromClient = new LineSplitter(LONGEST_LINE);
  readonly #fromServer = new LineSplitter(LONGEST_LINE);
  readonly #waiting = new Set<() => void>();
  /** Commands without a final reply. */
  #unanswered = 0;
  #isOpen = false;
  #timer: NodeJS.Timeout | undefined;

  /** Takes bytes that go to the server on the control connection. */
  sent(chunk: Uint8Array): void {
    for (const _line of this.#fromClient.push(chunk)) this.#unanswered += 1;
    this.#limit();
  }

  /** Takes bytes of the server's on the control connection. */
  received(chunk: Uint8Array): void {
    for (const line of this.#fromServer.push(chunk)) {
      const text = line === 'too-long' ? '' : toText(line);
      const [, first, mark] = /^(\d)\d\d([ -]|\r?\n)/.exec(text) ?? [];
      if (first === undefined) continue;
      this.#isOpen = first === '1';
      if (this.#isOpen) this.#begin();
      else if (mark !== '-') this.#unanswered = Math.max(0, this.#unanswered - 1);
    }
    this.#limit();
  }

  /** Resolves when TLS may begin on a data connection that was just opened. */
  next(): Promise<void> {
    if (this.#isOpen) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.add(resolve);
      this.#limit();
    });
  }

  #limit(): void {
    if (this.#unanswered === 0 || this.#waiting.size === 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    } else {
      // It must not keep a process alive whose sessions are over.
      this.#timer ??= setTimeout(() => this.#begin(), PATIENCE).unref();
    }
  }

  #begin(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const go of this.#waiting) go();
    this.#waiting.clear();
  }
}

function toText(line: Uint8Array): string {
  return Buffer.from(line.subarray(0, 5)).toString('latin1');
}

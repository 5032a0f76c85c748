import type { Answer } from '../codec/answers.ts';
import type { SftpSessionError } from '../errors.ts';
import type { ReadHandler } from '../session/under-way.ts';

/** The owner of a slot, which receives the answer to its READ. */
export interface SlotOwner {
  /** DATA of `slot.length` bytes has begun to come. */
  began(slot: ReadSlot): void;
  piece(slot: ReadSlot, bytes: Buffer): void;
  /** All of the DATA has come, or another answer. */
  done(slot: ReadSlot, answer: Answer): void;
  failed(slot: ReadSlot, error: SftpSessionError): void;
}

/** One READ: what it asked for, and what came that was not handed on yet. */
export class ReadSlot implements ReadHandler {
  readonly offset: number;
  readonly asked: number;
  /** A READ at the end of the file, which is to find nothing there. */
  readonly probe: boolean;
  /** Bytes that the server returns; 0 until it does. */
  length = 0;
  /** Whether nothing more comes. */
  complete = false;
  readonly pieces: Buffer[] = [];
  readonly #owner: SlotOwner;

  constructor(owner: SlotOwner, offset: number, asked: number, probe = false) {
    this.#owner = owner;
    this.offset = offset;
    this.asked = asked;
    this.probe = probe;
  }

  data(length: number): void {
    this.length = length;
    this.#owner.began(this);
  }

  piece(bytes: Buffer): void {
    this.#owner.piece(this, bytes);
  }

  answered(answer: Answer): string | null {
    if (answer.kind !== 'status') return `a wrong answer (${answer.kind})`;
    this.complete = true;
    this.#owner.done(this, answer);
    return null;
  }

  failed(error: SftpSessionError): void {
    this.complete = true;
    this.#owner.failed(this, error);
  }
}

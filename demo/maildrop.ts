/** A letter as POP3 sends it, before dot-stuffing: with CRLF line ends. */
export interface Letter {
  /** Unique for all time (RFC 1939 section 7, unique-id). */
  readonly uid: string;
  readonly bytes: Buffer;
}

/** The mailbox that SMTP delivers into and POP3 reads from. */
export class Maildrop {
  #letters: Letter[] = [];
  #delivered = 0;

  /** Returns a snapshot of the letters. */
  list(): readonly Letter[] {
    return [...this.#letters];
  }

  /**
   * Appends a letter. As RFC 5322 requires, bare LFs become CRLFs, and the last line ends with one.
   */
  deliver(message: Buffer): Letter {
    // latin1 maps each byte to one character and back, so 8-bit text survives.
    const text = message.toString('latin1').replace(/\r?\n/g, '\r\n');
    const whole = text.endsWith('\r\n') ? text : `${text}\r\n`;
    this.#delivered += 1;
    const letter = { uid: `demo-${this.#delivered}`, bytes: Buffer.from(whole, 'latin1') };
    this.#letters.push(letter);
    return letter;
  }

  remove(uids: ReadonlySet<string>): void {
    this.#letters = this.#letters.filter((letter) => !uids.has(letter.uid));
  }
}

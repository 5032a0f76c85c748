/** A letter as POP3 gives it out: CRLF line ends, not dot-stuffed. */
export interface Letter {
  /** Never used twice (RFC 1939 section 7, unique-id). */
  readonly uid: string;
  readonly bytes: Buffer;
}

/** The mailbox that SMTP delivers into and POP3 reads from. */
export class Maildrop {
  #letters: Letter[] = [];
  #delivered = 0;

  /** The letters as they are now; later deliveries and removals don't change what was returned. */
  list(): readonly Letter[] {
    return [...this.#letters];
  }

  /** Appends a letter. Bare LFs become CRLFs, and the last line gets its end, as RFC 5322 wants both. */
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

import { latin1 } from '../wire/command.ts';
import type { ReplyLine, Sink } from '../wire/reply.ts';
import type { Dialogue } from './dialogue.ts';

const SPACE = Buffer.from(' ');
const HYPHEN = 0x2d;
const MAX_PORT_REPLY = 16 * 1024;

/**
 * Passes the text of the server's replies to the client, so that no client can take a line of it
 * for a data port.
 *
 * A careless client takes any line that begins with a code for the end of a reply. After such a
 * line it is out of step: it takes later replies for those to other commands. Every client is,
 * after a reply that it did not ask for and after one that did not come. The next 227, 228 or 229
 * in a text could then be the reply to its next PASV. That line gets the space in front that RFC
 * 959 4.2 asks for.
 */
export class ReplyText {
  readonly #dialogue: Dialogue;
  #outOfStep = false;
  #kept = 0;

  constructor(dialogue: Dialogue) {
    this.#dialogue = dialogue;
  }

  /** Bytes of an unfinished reply that are kept until the reply is whole. */
  get kept(): number {
    return this.#kept;
  }

  /** A reply begins. Some clients recognize it only if a space or hyphen follows the code. */
  begin({ bytes }: ReplyLine): void {
    this.#kept = 0;
    if (bytes[3] !== SPACE[0] && bytes[3] !== HYPHEN) this.setOutOfStep();
  }

  /** The client gets a reply that it does not expect, or does not get one that it expects. */
  setOutOfStep(): void {
    this.#outOfStep = true;
  }

  /** Passes a line that belongs to no reply. */
  readonly passAlone: Sink = (line) => this.#dialogue.send('client', line.bytes, 'server');

  /** Passes a line of a reply. */
  readonly pass: Sink = (line) => {
    const { first, lookAlike, bytes } = line;
    const pad = this.#outOfStep && !first && /^22[789]/.test(latin1(bytes.subarray(0, 3)));
    this.#outOfStep ||= lookAlike !== null;
    this.#dialogue.send('client', pad ? Buffer.concat([SPACE, bytes]) : bytes, 'server');
  };

  /**
   * Passes a reply that no command waits for. While a port request waits for its reply, the lines
   * are held until this reply ends: if the reply to the request cuts in, they were part of that
   * (see reply-cut-in.ts).
   */
  passUnasked(code: number): Sink {
    this.#outOfStep ||= code >= 200;
    const pass: Sink = (line) => {
      // A careless client can take any line of its text for the reply to the next command.
      this.#outOfStep ||= !line.first;
      this.pass(line);
    };
    if (this.#dialogue.pending.head?.kind !== 'port') return pass;
    const held: ReplyLine[] = [];
    let bytes = 0;
    return (line) => {
      held.push(line);
      bytes += line.bytes.length;
      this.#kept = line.final ? 0 : bytes;
      if (!line.final && bytes <= MAX_PORT_REPLY) return;
      this.#kept = 0;
      for (const each of held.splice(0)) pass(each);
    };
  }

  /** Collects a whole reply, then calls `then` with its lines in Latin-1. */
  collect(then: (lines: readonly string[]) => void): Sink {
    const lines: string[] = [];
    let bytes = 0;
    return (line) => {
      lines.push(latin1(line.bytes));
      bytes += line.bytes.length;
      this.#kept = line.final ? 0 : bytes;
      if (bytes > MAX_PORT_REPLY) {
        return this.#dialogue.exceeded(`the server sent a port reply of over ${MAX_PORT_REPLY} bytes`);
      }
      if (line.final) then(lines);
    };
  }
}

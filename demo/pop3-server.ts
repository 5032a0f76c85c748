import type { Socket } from 'node:net';
import { PASSWORD, USER } from './account.ts';
import { lines, parseCommand } from './lines.ts';
import type { Letter, Maildrop } from './maildrop.ts';
import { type Running, serve } from './serve.ts';

const CAPABILITIES = ['USER', 'TOP', 'UIDL', 'PIPELINING'];

/**
 * Called for each letter that a client reads, with its number in the mailbox, from 1, and its size
 * in bytes.
 */
type OnRead = (number: number, bytes: number) => void;

/** Serves the maildrop by POP3 (RFC 1939, CAPA of RFC 2449) to the demo's account. */
export function startPop3Server(maildrop: Maildrop, onRead: OnRead): Promise<Running> {
  return serve(async (socket) => {
    const session = new Pop3Session(maildrop, onRead);
    socket.write('+OK POP3 demo ready\r\n');
    for await (const line of lines(socket)) {
      const { verb, argument } = parseCommand(line);
      await write(socket, session.answer(verb, argument.trim().split(/\s+/)));
      if (verb === 'QUIT') return;
    }
  });
}

function write(socket: Socket, bytes: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, 'latin1', (error) => (error ? reject(error) : resolve()));
  });
}

/**
 * One session: AUTHORIZATION, then TRANSACTION; QUIT does the UPDATE. Answers are latin1, one
 * character a byte.
 */
class Pop3Session {
  readonly #maildrop: Maildrop;
  readonly #onRead: OnRead;
  /** A snapshot of the maildrop at login. Empty before. */
  #letters: readonly Letter[] = [];
  readonly #deleted = new Set<string>();
  #user = '';
  #loggedIn = false;

  constructor(maildrop: Maildrop, onRead: OnRead) {
    this.#maildrop = maildrop;
    this.#onRead = onRead;
  }

  /** Returns the whole response to one command, with its line ends. */
  answer(verb: string, [first = '', second = '']: readonly string[]): string {
    switch (verb) {
      case 'CAPA':
        return multiline('Capabilities', CAPABILITIES);
      case 'QUIT':
        this.#maildrop.remove(this.#deleted);
        return ok('Bye');
      default:
        return this.#loggedIn ? this.#transaction(verb, first, second) : this.#authorization(verb, first);
    }
  }

  #authorization(verb: string, argument: string): string {
    switch (verb) {
      case 'USER':
        this.#user = argument;
        return ok('Send PASS');
      case 'PASS':
        return this.#login(argument);
      default:
        return err('Log in first');
    }
  }

  #login(password: string): string {
    if (this.#user !== USER || password !== PASSWORD) return err('[AUTH] Wrong user name or password');
    this.#loggedIn = true;
    this.#letters = this.#maildrop.list();
    return ok(`${this.#letters.length} letters`);
  }

  #transaction(verb: string, first: string, second: string): string {
    switch (verb) {
      case 'STAT': {
        const left = this.#numbered();
        const octets = left.reduce((sum, { letter }) => sum + letter.bytes.length, 0);
        return ok(`${left.length} ${octets}`);
      }
      case 'LIST':
        return this.#each(first, (letter) => `${letter.bytes.length}`);
      case 'UIDL':
        return this.#each(first, (letter) => letter.uid);
      case 'RETR':
        return this.#one(first, (letter) => {
          this.#onRead(Number(first), letter.bytes.length);
          return multiline(`${letter.bytes.length} octets`, bodyLines(letter));
        });
      case 'TOP':
        if (!/^\d+$/.test(second)) return err('How many lines?');
        return this.#one(first, (letter) => multiline('Top of letter', top(letter, Number(second))));
      case 'DELE':
        return this.#one(first, (letter) => {
          this.#deleted.add(letter.uid);
          return ok('Deleted at QUIT');
        });
      case 'RSET':
        this.#deleted.clear();
        return ok('Nothing is deleted');
      case 'NOOP':
        return ok('Still here');
      default:
        return err('No such command');
    }
  }

  /** Returns the letters that are not deleted, with the numbers that they keep for the session. */
  #numbered(): { number: number; letter: Letter }[] {
    return this.#letters
      .map((letter, index) => ({ number: index + 1, letter }))
      .filter(({ letter }) => !this.#deleted.has(letter.uid));
  }

  #one(number: string, answer: (letter: Letter) => string): string {
    const found = this.#numbered().find((entry) => String(entry.number) === number);
    return found ? answer(found.letter) : err('No such letter');
  }

  /** Returns the response to LIST and UIDL: one line for the given letter, or one for each. */
  #each(number: string, describe: (letter: Letter) => string): string {
    if (number !== '') return this.#one(number, (letter) => ok(`${number} ${describe(letter)}`));
    const left = this.#numbered();
    return multiline(
      `${left.length} letters`,
      left.map((entry) => `${entry.number} ${describe(entry.letter)}`),
    );
  }
}

function ok(text: string): string {
  return `+OK ${text}\r\n`;
}

function err(text: string): string {
  return `-ERR ${text}\r\n`;
}

/**
 * Returns a multi-line response: lines that start with a dot get another one, and a dot ends it
 * (RFC 1939 section 3).
 */
function multiline(text: string, body: readonly string[]): string {
  const stuffed = body.map((line) => `${line.startsWith('.') ? '.' : ''}${line}\r\n`);
  return `${ok(text)}${stuffed.join('')}.\r\n`;
}

/** Returns the lines of a letter. It ends in CRLF, so the last piece of the split is not a line. */
function bodyLines(letter: Letter): string[] {
  return letter.bytes.toString('latin1').split('\r\n').slice(0, -1);
}

/** Returns the header, the empty line, and `count` lines of the body. */
function top(letter: Letter, count: number): string[] {
  const all = bodyLines(letter);
  const blank = all.indexOf('');
  return blank === -1 ? all : all.slice(0, blank + 1 + count);
}

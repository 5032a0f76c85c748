import type { Access } from '../../src/ftp/server/access.ts';
import type { ServerAction } from '../../src/ftp/server/action.ts';
import { DEFAULT_SERVER_LIMITS, type ServerPolicy } from '../../src/ftp/server/policy.ts';
import { FtpServer } from '../../src/ftp/server/server.ts';
import { latin1 } from '../../src/ftp/wire/command.ts';
import type { Choices } from '../run.ts';
import { ReplyReader } from './replies.ts';
import { nextLine, USUAL } from './script.ts';
import { World } from './world.ts';

/**
 * Plays a dialogue: a random client on one side of an FtpServer; a random store, accounts and
 * network on the other. All choices come from a list of numbers. Throws if an invariant fails:
 *
 * - Nothing is thrown, and the actions do not depend on how the bytes were split.
 * - Every command gets one final reply, in order, with a code that fits it. Only NOOP and STAT
 *   overtake a transfer, after its 150. Each 150 belongs to a transfer and precedes its final
 *   reply.
 * - 226 ends a transfer only if all bytes went and, for an upload, the store finished the file.
 * - No question to the store leads out of its root, comes before the login, or exceeds the access.
 * - No reply holds a control character, whatever names and errors hold. Every line belongs to a
 *   reply.
 * - At most one question is open. Each file, upload and data port is closed once, and not used
 *   afterwards.
 * - Only the client's own ports from 1024 on are dialled. No password is logged.
 * - Memory is bounded. After the client has gone everything ends, and nothing follows `close`.
 */
export function play(choices: Choices): void {
  new Dialogue(choices).run();
}

type Event = { readonly bytes: Buffer } | { readonly call: (server: FtpServer) => ServerAction[] };

const ACCESS: readonly Access[] = ['read-write', 'read-write', 'read-only', 'upload-only'];
const TIGHT = { command: 120, pending: 4, logins: 3, statEntries: 5, own: 3 };

class Dialogue {
  readonly #choices: Choices;
  #at = 0;
  readonly #policy: ServerPolicy;
  readonly #server: FtpServer;
  readonly #world: World;
  readonly #reader = new ReplyReader();
  readonly #events: { readonly event: Event; readonly words: string[] }[] = [];
  #closed = false;
  #over = false;
  #lastChunk = 0;
  #partial = '';

  constructor(choices: Choices) {
    this.#choices = choices;
    const access = ACCESS[this.#pick(ACCESS.length)] ?? 'read-write';
    const login = this.#pick(4) === 0 ? 'accounts' : 'any';
    this.#policy = {
      client: '10.9.8.7',
      local: '10.1.1.1',
      clientTls: null,
      ...{ login, access },
      charset: this.#pick(3) === 0 ? 'shift_jis' : null,
      ascii: this.#pick(3) === 0 ? 'binary' : 'convert',
      keepPartial: this.#pick(2) === 0,
      active: this.#pick(4) !== 0,
      hashes: this.#pick(3) === 0 ? [] : ['SHA-256', 'MD5'],
      limits: { ...DEFAULT_SERVER_LIMITS, ...TIGHT },
      now: () => 1_770_000_000_000,
    };
    this.#server = new FtpServer(this.#policy);
    this.#world = new World(access, login === 'any');
  }

  run(): void {
    this.#perform({ call: (server) => server.start() });
    if (this.#pick(8) !== 0) {
      this.#send('USER ann\r\nPASS secret-1\r\n');
      this.#answer(true);
    }
    while (this.#at < this.#choices.length && !this.#closed && !this.#over) this.#step();
    this.#finish();
    this.#checkSplit();
  }

  #pick = (n: number): number => {
    const choice = this.#choices[this.#at++];
    return choice === undefined ? 0 : choice % n;
  };

  #step(): void {
    switch (this.#pick(16)) {
      case 0:
        for (const line of USUAL[this.#pick(USUAL.length)] ?? []) {
          this.#send(`${line}\r\n`);
          this.#answer(true);
        }
        return;
      case 1:
      case 2:
      case 3:
      case 4:
        return this.#send(`${nextLine(this.#pick)}\r\n`);
      case 5:
        return this.#send(`${nextLine(this.#pick)}\n${nextLine(this.#pick)}\r\n`);
      case 6:
        return this.#send(
          Array.from({ length: 1 + this.#pick(8) }, () => `${nextLine(this.#pick)}\r\n`).join(''),
        );
      case 7: {
        // A line in two portions, something else between.
        this.#send(nextLine(this.#pick));
        this.#answer(true);
        return this.#send('\r\n');
      }
      case 8:
      case 9:
        return this.#answer(false);
      case 10:
        if (this.#pick(6) !== 0) return this.#answer(true);
        this.#over = true;
        return this.#perform({ call: (server) => server.end() });
      case 11:
        if (this.#pick(8) !== 0) return this.#answer(true);
        this.#over = true;
        return this.#perform({ call: (server) => server.lost() });
      case 12: {
        // An answer to a question that was forgotten or never asked.
        const id = this.#pick(30);
        if (id === this.#world.open?.id) return;
        return this.#perform({ call: (server) => server.complete(id, { ok: true, value: null }) });
      }
      default:
        return this.#answer(true);
    }
  }

  /** Everything is answered, and the client goes. */
  #finish(): void {
    const settle = () => {
      for (let i = 0; this.#world.open !== null && !this.#closed; i++) {
        if (i > 500) throw new Error('it asks for ever');
        this.#answer(this.#pick(3) !== 1);
      }
    };
    if (!this.#over) {
      settle();
      if (!this.#closed && this.#reader.waiting > 0)
        throw new Error(`${this.#reader.waiting} commands without a reply`);
      if (!this.#closed) this.#perform({ call: (server) => server.end() });
    }
    settle();
    if (!this.#closed) throw new Error('no end');
    this.#world.checkEnd();
  }

  #send(text: string): void {
    const bytes = Buffer.from(text, 'latin1');
    // As the server's reader does.
    if (this.#server.holds || this.#closed || this.#over) return;
    this.#lastChunk = bytes.length;
    for (const part of text.match(/[^\n]*\n|[^\n]+$/g) ?? []) this.#sent(part);
    this.#perform({ bytes });
  }

  /** A line, or a part of one. One that is too long is answered before its end comes. */
  #sent(part: string): void {
    const before = this.#partial.length;
    this.#partial += part;
    const { command } = this.#policy.limits;
    if (before <= command && this.#partial.length > command) this.#reader.sent('');
    if (!part.endsWith('\n')) return;
    if (this.#partial.length <= command) this.#reader.sent(this.#partial.replace(/\r?\n$/, ''));
    this.#partial = '';
  }

  #answer(works: boolean): void {
    const given = this.#world.answer(this.#pick, works);
    if (given !== null) this.#perform({ call: (server) => server.complete(given.id, given.answer) });
  }

  #perform(event: Event): void {
    const actions = 'bytes' in event ? this.#server.receive(event.bytes) : event.call(this.#server);
    this.#events.push({ event, words: words(actions) });
    for (const action of actions) {
      if (this.#closed) throw new Error(`${action.type} after close`);
      this.#take(action);
    }
    const { command, pending } = this.#policy.limits;
    if (this.#server.kept > (pending + 1) * command + this.#lastChunk)
      throw new Error(`${this.#server.kept} bytes kept`);
  }

  #take(action: ServerAction): void {
    if (action.type === 'send') {
      this.#reader.receive(action.bytes);
      this.#noteLogin(latin1(action.bytes));
    } else if (action.type === 'close') this.#closed = true;
    else this.#world.take(action);
    if (
      action.type === 'transfer' &&
      action.phase === 'end' &&
      !this.#over &&
      action.code !== this.#reader.lastCode
    ) {
      throw new Error(`a transfer ended with ${action.code}, and the client got ${this.#reader.lastCode}`);
    }
  }

  /** From the client's side: 230 lets it in; USER and REIN let it out. */
  #noteLogin(replies: string): void {
    for (const [, code] of replies.matchAll(/^(\d{3}) /gm)) {
      if (code === '230') this.#world.access ??= this.#policy.access;
      if (code === '331' || (code === '220' && /^220 Ready for/m.test(replies))) this.#world.access = null;
    }
  }

  /** One byte at a time gives the same. */
  #checkSplit(): void {
    const server = new FtpServer(this.#policy);
    for (const [index, { event, words: given }] of this.#events.entries()) {
      const actions =
        'bytes' in event
          ? [...event.bytes].flatMap((byte) => server.receive(Uint8Array.of(byte)))
          : event.call(server);
      if (words(actions).join('\n') !== given.join('\n')) {
        throw new Error(`step ${index} depends on the split: ${JSON.stringify([given, words(actions)])}`);
      }
    }
  }
}

/** Actions on one line each; adjacent replies are one. */
function words(actions: readonly ServerAction[]): string[] {
  const lines: string[] = [];
  for (const [index, action] of actions.entries()) {
    if (action.type !== 'send') lines.push(JSON.stringify(action));
    else if (actions[index - 1]?.type === 'send') lines.push(`${lines.pop()}${latin1(action.bytes)}`);
    else lines.push(latin1(action.bytes));
  }
  return lines;
}

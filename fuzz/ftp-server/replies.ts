import { latin1, transferDirection } from '../../src/ftp/wire/command.ts';
import { ReplyFramer } from '../../src/ftp/wire/reply.ts';

/**
 * Which final codes each command can get. Those of a login that is missing, and of syntax, are
 * common to all.
 */
const CODES: Readonly<Record<string, readonly number[]>> = {
  USER: [331],
  PASS: [230, 421, 503, 530],
  ACCT: [202],
  HOST: [220, 503],
  REIN: [220],
  QUIT: [221],
  TYPE: [200, 504],
  MODE: [200, 504],
  STRU: [200, 504],
  REST: [350],
  RANG: [350],
  ALLO: [200],
  OPTS: [200, 504],
  CWD: [250],
  CDUP: [250],
  PWD: [257],
  MKD: [257],
  RMD: [250],
  DELE: [250],
  RNFR: [350],
  RNTO: [250, 503, 553],
  SIZE: [213],
  MDTM: [213],
  MFMT: [213],
  MLST: [250],
  HASH: [213, 502, 554],
  AVBL: [213],
  SITE: [200, 214],
  FEAT: [211],
  HELP: [214, 504],
  NOOP: [200],
  SYST: [215],
  PASV: [227, 425, 503],
  EPSV: [229, 200, 425, 522],
  PORT: [200, 503],
  EPRT: [200, 503, 522],
  ABOR: [225, 226],
  LIST: [226, 425, 426, 451, 452, 552, 553],
  NLST: [226, 425, 426, 451, 452, 552, 553],
  MLSD: [226, 425, 426, 451, 452, 552, 553],
  STAT: [211, 212, 213, 426],
  RETR: [226, 425, 426, 451, 452, 552, 553, 554],
  STOR: [226, 425, 426, 451, 452, 552, 553, 554],
  APPE: [226, 425, 426, 451, 452, 552, 553, 554],
  STOU: [226, 425, 426, 451, 452, 552, 553, 554],
  '': [500, 501],
};
/** Not logged in, not permitted, no such name, a store that fails; syntax. */
const COMMON = [500, 501, 502, 504, 530, 550, 450, 451, 452, 552, 554];

interface Sent {
  readonly verb: string;
  readonly line: string;
  /** It was sent after the 150 of the transfer that is first. */
  readonly late: boolean;
  begun: boolean;
}

/** A client that knows which reply belongs to which of its commands. Throws if one does not fit. */
export class ReplyReader {
  readonly #waiting: Sent[] = [];
  readonly #framer = new ReplyFramer();
  #rest = '';
  /** Whether a 421 or 221 was read. */
  #saidGoodbye = false;
  #greeted = false;
  #mid = false;
  /** The code of the last final reply. */
  lastCode = 0;

  /** How many commands have no final reply yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** The client has sent a whole line. */
  sent(line: string): void {
    // As the server reads it: Telnet commands, spaces and control characters around do not count.
    const clean = line.replace(/^(?:\xff[\xf2\xf4]?|\xf2)+/, '');
    const [word = ''] = /^[^\0-\x20]*/.exec(clean.replace(/^[\0-\x20]+/, '')) ?? [];
    const verb = word.toUpperCase().replace(/^X(CWD|PWD|MKD|RMD)$/, '$1');
    const stray = /(?<!\r)\0/.test(line);
    this.#waiting.push({
      verb: stray ? '' : verb,
      line,
      late: this.#waiting[0]?.begun ?? false,
      begun: false,
    });
  }

  /** Takes the server's bytes. */
  receive(bytes: Uint8Array): void {
    this.#rest += latin1(bytes);
    const lines = this.#rest.match(/[^\n]*\n/g) ?? [];
    this.#rest = this.#rest.slice(lines.join('').length);
    if (this.#rest !== '') throw new Error(`half a line: ${JSON.stringify(this.#rest)}`);
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    if (!/^[^\0-\x1f\x7f]*\r\n$/.test(line)) throw new Error(`control characters in ${JSON.stringify(line)}`);
    const { code, final, first } = this.#framer.next(Buffer.from(line, 'latin1'));
    if (code === null) throw new Error(`no reply: ${JSON.stringify(line)}`);
    if (first === this.#mid) throw new Error(`a reply within another: ${JSON.stringify(line)}`);
    this.#mid = !final;
    if (!final) return;
    if (!this.#greeted) {
      if (code !== 220) throw new Error(`greeting ${code}`);
      this.#greeted = true;
    } else this.#reply(code, line);
  }

  #reply(code: number, line: string): void {
    if (this.#saidGoodbye) throw new Error(`${JSON.stringify(line)} after the goodbye`);
    const [head] = this.#waiting;
    if (head === undefined) throw new Error(`${JSON.stringify(line)} to no command`);
    if (code < 200) {
      if (code !== 150 || head.begun || transferDirection(head.verb) === undefined)
        throw new Error(`${code} to ${head.line}`);
      head.begun = true;
      return;
    }
    this.lastCode = code;
    const meanwhile = head.begun && (code === 200 || code === 211);
    const [sent] = this.#waiting.splice(meanwhile ? 1 : 0, 1);
    if (sent === undefined || (meanwhile && !(sent.late && ['NOOP', 'STAT'].includes(sent.verb)))) {
      throw new Error(`${code} during ${head.line}, to ${sent?.line}`);
    }
    const known = CODES[sent.verb] ?? [500, 502];
    if (!known.includes(code) && !COMMON.includes(code))
      throw new Error(`${line} to ${JSON.stringify(sent.line)}`);
    if (code === 226 && transferDirection(sent.verb) !== undefined && !sent.begun)
      throw new Error(`226 without 150: ${sent.line}`);
    if (code === 221 || code === 421) this.#saidGoodbye = true;
  }
}

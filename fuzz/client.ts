import { namesPort, ReplyFramer } from '../src/ftp/wire/reply.ts';
import type { Scene } from './scene.ts';

/** The commands that ask for a data port. */
export const ASKS_FOR_PORT = /^(PASV|LPSV|P@SW|EPSV( \d)?|PORT .*|EPRT .*|LPRT .*)$/i;
/** Codes of sshferry's own replies to a transfer, and to PORT, EPRT and LPRT. */
const FAILED = [425, 426];
const ACTIVE = [200, 425, 530, 500, 502, 503];
/** Fits no reply of the server. */
const NONE = '(?!)';

/** A command that the client waits for. */
export interface Expected {
  readonly sent: string;
  /** What the final reply of the server may look like. */
  readonly reply: RegExp;
  /** Which codes sshferry may reply with itself. */
  readonly own: readonly number[];
}

/**
 * A client that takes any line with a code and a space for the end of a reply, to which CR alone is
 * a line end too, and which takes each reply for that to the next of its commands, sent or not.
 */
export class CarelessClient {
  /** Of each command, whether it asks for a data port. */
  readonly #sent: boolean[] = [];
  #answered = 0;

  sends(line: string): void {
    this.#sent.push(ASKS_FOR_PORT.test(line));
  }

  /** It does not wait for one of these any more. */
  forgets(): void {
    this.#answered += 1;
  }

  reads(lines: string, own: boolean): void {
    for (const line of lines.split(/\r\n|\n|\r/)) {
      if (!/^[1-6]\d\d( |$)|^22[789](?!-)/.test(line) || line.startsWith('1')) continue;
      const isForPort = this.#sent[this.#answered] ?? true;
      if (/^22[789]/.test(line) && isForPort && !own) {
        throw new Error(`a careless client can take ${JSON.stringify(line)} for the reply to its PASV`);
      }
      this.#answered += 1;
    }
  }
}

/** A client that pipelines commands, and knows which replies each of them may have. */
export class Client {
  readonly #scene: Scene;
  readonly #framer = new ReplyFramer();
  /** What 226 need not wait for the data connection's end in. */
  #blockMode = false;
  #records = false;
  #tag = 0;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** The next command: any, or one with this verb. */
  command(verb?: string): string {
    this.#tag += 1;
    const tag = `t${this.#tag}.`;
    const table: [line: string, reply: string, own?: readonly number[]][] = [
      [`CWD ${tag}`, `\\d+ ${tag}`],
      [`size ${tag}`, `\\d+ ${tag}`],
      [`RETR ${tag}`, `\\d+ ${tag}`, FAILED],
      [`STOR ${tag}`, `\\d+ ${tag}`, FAILED],
      [`RETR ${tag}`, `\\d+ ${tag}`, FAILED],
      [`STOR ${tag}`, `\\d+ ${tag}`, FAILED],
      ['PASV', '5\\d\\d (PASV|EPSV)', [227, 425, 503]],
      ['PASV', '5\\d\\d (PASV|EPSV)', [227, 425, 503]],
      ['EPSV', '5\\d\\d (PASV|EPSV)', [229, 425]],
      ['PORT 10,9,8,7,8,0', '5\\d\\d (PASV|EPSV|PORT|EPRT)', ACTIVE],
      ['EPRT |1|10.9.8.7|2048|', '5\\d\\d (PASV|EPSV|EPRT)', ACTIVE],
      ['PORT 10,9,8,6,8,0', NONE, [500, 502, 503]],
      ['EPRT |1|10.9.8.7|22|', NONE, [500, 502, 503]],
      ['AUTH TLS', NONE, [502]],
      ['ABOR', '\\d+ ABOR'],
      ['\xff\xf4\xff\xf2ABOR', '\\d+ ABOR'],
      ['', NONE, [500]],
      ['RETR a\0b', NONE, [501]],
      ['NOOP', '\\d+ NOOP'],
      ['REIN', '\\d+ REIN'],
      [`EPSV ALL`, '\\d+ EPSV'],
      [`MODE S`, '\\d+ MODE'],
      [`MODE B`, '\\d+ MODE'],
      [`MODE Z`, '\\d+ MODE'],
      [`MODE X`, '\\d+ MODE'],
      ['LPSV', '5\\d\\d LPSV', [228, 425, 503]],
      ['LPRT 4,4,10,9,8,7,2,8,0', '5\\d\\d (PASV|EPSV|PORT|EPRT)', ACTIVE],
      ['P@SW', '5\\d\\d (PASV|EPSV)', [227, 425, 503]],
      ['CPSV', NONE, [502]],
      ['STAT', '\\d+ STAT'],
      ['HELP', '\\d+ HELP'],
      ['HOST a', '\\d+ HOST'],
      ['FEAT', '\\d+ FEAT'],
      ['EPSV 2', '5\\d\\d (PASV|EPSV)', [229, 425]],
      ['EPSV 3', NONE, [522]],
      ['STRU R', '\\d+ STRU'],
      ['STRU F', '\\d+ STRU'],
      ['REST 100', '\\d+ REST'],
      ['ALLO 5', '\\d+ ALLO'],
      ['PBSZ 0', NONE, [502]],
      ['QUIT', '\\d+ QUIT'],
      ['\xff\xf4\xff\xf2ABOR\r', '\\d+ ABOR'],
      ['USER a', '\\d+ USER'],
      ['EPSV', '5\\d\\d (PASV|EPSV)', [229, 425]],
      [`XCUP ${'x'.repeat(70)}`, '\\d+ XCUP', [500]],
    ];
    const fitting = table.filter(([line]) => verb === undefined || line.startsWith(verb));
    const [line, reply, own = []] = fitting[verb === undefined ? this.#scene.pick(fitting.length) : 0] ?? [
      'NOOP',
      '\\d+ NOOP',
    ];
    this.#scene.expected.push({ sent: line.trimEnd(), reply: new RegExp(`^(${reply})`), own });
    this.#scene.careless.sends(line.trimEnd());
    // ftplib's ABOR has lost its LF; some clients never send CR. An LF alone after that ABOR would
    // belong to it.
    return line.endsWith('\r') ? line : `${line}${line !== '' && this.#scene.pick(8) === 0 ? '' : '\r'}\n`;
  }

  /** Reads one line; `own` says that sshferry wrote it. */
  read(line: string, own: boolean): void {
    this.#scene.careless.reads(line, own);
    const cutsIn = (code: number, hyphen: boolean) => !hyphen && !namesPort(code);
    const { code, first, final } = this.#framer.next(Buffer.from(line, 'latin1'), cutsIn);
    if (first && code !== null && namesPort(code) && !own) {
      throw new Error(`the server's ${JSON.stringify(line)} reaches the client`);
    }
    if (code === 421 && this.#scene.goingDown.said) this.#scene.goingDown.heard = true;
    if (this.#scene.hostile || this.#scene.goingDown.said || code === null || code < 200 || !final) return;
    if (line.endsWith(' a second time\r\n') && this.#isAgain(code)) return;
    if (this.#scene.outOfStep) return;
    const [expected] = this.#scene.expected.splice(this.#answered(line, own), 1);
    if (expected === undefined || !fits(expected, line, own)) {
      throw new Error(`${JSON.stringify(line)} in reply to ${JSON.stringify(expected?.sent)}`);
    }
    const [, tag] = /^(?:RETR|STOR) (t\d+\.)/.exec(expected.sent) ?? [];
    if (tag !== undefined && code < 300 && !this.#blockMode && !this.#records) this.#scene.complete.add(tag);
    const [, mode] = /^MODE (\w)/.exec(expected.sent) ?? [];
    if (mode !== undefined && code < 300) this.#blockMode = !/[SZ]/.test(mode);
    if (expected.sent.startsWith('STRU') && code < 300) this.#records = expected.sent.endsWith('R');
    if (expected.sent === 'REIN' && code < 300) this.#blockMode = this.#records = false;
  }

  /**
   * Whether the client still waits for the reply that a second reply to an earlier command came
   * instead of.
   */
  #isAgain(code: number): boolean {
    const [first] = this.#scene.expected;
    // The client has taken it for its command's: from now on it does not know which reply is whose.
    if (code < 400 || ASKS_FOR_PORT.test(first?.sent ?? '')) this.#scene.outOfStep = true;
    return true;
  }

  /**
   * Which of the commands that the client waits for a final reply answers: the first, or what was
   * answered during a transfer.
   */
  #answered(line: string, own: boolean): number {
    const [first, second] = this.#scene.expected;
    if (first === undefined || second === undefined || fits(first, line, own)) return 0;
    // sshferry's own goes before a later command's that the server answers during the transfer.
    const meanwhile = own || /^(STAT|NOOP|HELP|QUIT|.*ABOR)$/.test(second.sent);
    return /^(RETR|STOR)/.test(first.sent) && meanwhile && fits(second, line, own) ? 1 : 0;
  }
}

function fits({ reply, own }: Expected, line: string, isOwn: boolean): boolean {
  return isOwn ? own.includes(Number(line.slice(0, 3))) : reply.test(line);
}

/** Whether the server never sees this command. */
export function isAnsweredHere(command: string): boolean {
  return /^(AUTH|PBSZ|CPSV)/.test(command);
}

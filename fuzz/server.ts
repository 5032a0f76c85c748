import { GatewayError } from '../src/core/errors.ts';
import type { DataEnd } from '../src/ftp/rewrite/action.ts';
import { latin1 } from '../src/ftp/wire/command.ts';
import { namesPort } from '../src/ftp/wire/reply.ts';
import { isAnsweredHere } from './client.ts';
import type { DataSide } from './data.ts';
import type { Scene } from './scene.ts';
import { ServerReplies } from './server-replies.ts';

/** What a server may answer while it transfers (RFC 959 4.1.3), and with which codes. */
const MEANWHILE: ReadonlyMap<string, readonly number[]> = new Map([
  ['STAT', [200, 211, 213, 450, 500]],
  ['NOOP', [200, 450, 500]],
  ['HELP', [211, 214, 450, 500]],
  ['QUIT', [221]],
  ['ABOR', [225]],
]);

/** A server: obliging, moody or hostile. */
export class Server {
  readonly #scene: Scene;
  readonly #data: DataSide;
  readonly #replies: ServerReplies;
  /**
   * The tag of a download whose data arrived whole before the server's 150; null again after the
   * 226.
   */
  #served: string | null = null;

  constructor(scene: Scene, data: DataSide) {
    this.#scene = scene;
    this.#data = data;
    this.#replies = new ServerReplies(scene);
  }

  /**
   * The data of the download that the server is to answer next arrives whole, and its server
   * closes, before the 150 is read: data has an SSH connection of its own. From then on the server
   * says 150 and 226.
   */
  serve(): void {
    const [id, data] = [...this.#scene.ports].at(-1) ?? [];
    const [command = ''] = this.#scene.commands;
    const [, tag] = /^RETR (t\d+\.)$/.exec(command) ?? [];
    if (
      id === undefined ||
      data === undefined ||
      tag === undefined ||
      this.#scene.expected[0]?.sent !== command
    )
      return;
    const isSilent =
      this.#scene.running === null && this.#scene.silent === null && this.#scene.toSend.server.length === 0;
    if (this.#scene.hostile || !isSilent || this.#scene.ended.server || this.#scene.control.holds('server'))
      return;
    const isConnected = data.offered && data.state === 'live' && !this.#scene.completions.includes(id);
    if (!isConnected || data.ends.download || data.ends.upload) return;
    this.#served = tag;
    this.#scene.expected[0] = { sent: command, reply: new RegExp(`^\\d+ ${tag}`), own: [] };
    const error = new GatewayError('PEER_RESET', 'the server closed the data connection');
    const closed: DataEnd = { how: 'cut', by: 'server', stood: true, error };
    if (this.#scene.pick(2) === 0) this.#data.report(id, 'upload', closed);
    this.#data.report(id, 'download', { how: 'whole' });
    this.#data.report(id, 'upload', closed);
  }

  goDown(): void {
    // Behind what is held back its end could not be seen.
    if (this.#scene.hostile || this.#scene.ended.server || this.#scene.control.holds('server')) return;
    this.#scene.goingDown.said = true;
    this.#scene.say('server', '421 sshferry or not, going down\r\n');
    this.#scene.feed('server', this.#scene.toSend.server.length);
    this.#scene.end('server');
  }

  /** The server knows no such command, if it may say so. */
  refuse(command: string): void {
    const [verb = ''] = command.split(' ');
    if (/^(EPSV|PASV|LPSV|PORT|EPRT)$/.test(verb))
      return this.#scene.say('server', this.#replies.refusing(`500 ${verb}\r\n`));
    this.#scene.commands.unshift(command);
    this.answer();
  }

  /**
   * A second reply to a command that has had one. Only where it is plain what it is not: before a
   * port that a server that does all will name, or before a transfer's beginning.
   */
  sayAgain(code: number): void {
    const [first, ...more] = this.#scene.expected.filter(({ sent }) => !isAnsweredHere(sent));
    const remote =
      this.#scene.policy.active === 'remote-forward' && /^(PORT|EPRT|LPRT)/.test(first?.sent ?? '');
    const fits = code === 226 ? /^(RETR|STOR)/ : /^(PASV|P@SW|EPSV|PORT|EPRT|LPRT)/;
    if (
      this.#scene.hostile ||
      !this.#scene.obliging ||
      this.#scene.silent ||
      remote ||
      this.#scene.running !== null
    )
      return;
    // It could answer an ABOR, of sshferry's own perhaps, to which the server has said nothing yet.
    if (this.#served !== null || this.#scene.commands.some((command) => command.endsWith('ABOR'))) return;
    if (more.length > 0 || this.#scene.control.holds('server')) return;
    if (namesPort(code) ? first !== undefined : !fits.test(first?.sent ?? '')) return;
    if (
      this.#scene.ended.server ||
      this.#scene.toSend.server.length > 0 ||
      this.#scene.toSend.client.length > 0
    )
      return;
    this.#scene.say(
      'server',
      namesPort(code) ? `${code} (10,1,1,1,4,1) (|||1025|)\r\n` : `${code} a second time\r\n`,
    );
    this.#scene.feed('server', 1000);
    // What the client and the data do before the server goes on would leave it open which reply was
    // whose.
    if (code !== 226) return;
    this.#scene.feed('client', 1000);
    this.answer();
    this.#scene.feed('server', 1000);
  }

  /** The server answers its next command; a hostile one says anything. */
  answer(): void {
    if (this.#scene.hostile && this.#scene.goesOn && this.#scene.pick(3) === 0)
      return this.#scene.say('server', this.#replies.junk());
    if (this.#scene.running !== null) return this.#goOn(this.#scene.running);
    const line = this.#scene.commands.shift();
    if (line === undefined) return;
    const [verb = '', argument = ''] = line.split(' ');
    const text = argument.startsWith('t') ? argument : verb;
    const asks = argument === 'ALL' ? 'EPSV ALL' : verb.toUpperCase();
    const silent = this.#scene.silent;
    if (silent && asks.endsWith(silent)) {
      // A server that leaves one unanswered leaves them all: the reply could be to either.
      return this.#forget(silent);
    }
    if (text === this.#served) {
      this.#scene.running = text;
      return this.#scene.say('server', `150 ${text}\r\n`);
    }
    if (asks === 'NOOP' && this.#mayLeaveNoop && this.#scene.pick(6) === 0) return this.#leaveNoop();
    this.#scene.silent = null;
    this.#reply(silent ? this.#replies.plainReplyTo(asks, text, silent) : this.#replies.replyTo(asks, text));
  }

  /** Says it, and lets what looks like a 227 arrive at once. */
  #reply(lines: string): void {
    this.#scene.say('server', lines);
    if (/\n227 \(1,2/.test(lines)) this.#scene.feed('server', this.#scene.toSend.server.length);
  }

  /** The client waits for no reply to this any more. */
  #forget(verb: string): void {
    const at = this.#scene.expected.findIndex(({ sent }) => sent.endsWith(verb));
    if (at >= 0) this.#scene.expected.splice(at, 1);
    if (at >= 0) this.#scene.careless.forgets();
  }

  /** Only where all replies before have arrived, so that it is plain which NOOP it is. */
  get #mayLeaveNoop(): boolean {
    const arrived = this.#scene.toSend.server.length === 0 && !this.#scene.control.holds('server');
    return !this.#scene.hostile && this.#scene.silent === null && arrived;
  }

  #leaveNoop(): void {
    this.#scene.silent = 'NOOP';
    this.#forget('NOOP');
  }

  /** The transfer ends, or the server answers what may be answered meanwhile. */
  #goOn(text: string): void {
    const next = (this.#scene.commands[0] ?? '').replace(/^.*ABOR$/, 'ABOR');
    const codes = MEANWHILE.get(next);
    const meanwhile = codes !== undefined && (this.isOwnAbort() || this.#followsTransfer(next, text));
    if (meanwhile && next === 'NOOP' && this.#mayLeaveNoop && this.#scene.pick(3) === 0) {
      this.#scene.commands.shift();
      return this.#leaveNoop();
    }
    if (meanwhile && !this.#scene.isVsftpd && !this.#scene.silent && this.#scene.pick(3) === 0) {
      this.#scene.commands.shift();
      return this.#scene.say('server', `${codes[this.#scene.pick(codes.length)]} ${next}\r\n`);
    }
    this.#scene.running = null;
    if (text === this.#served) this.#scene.say('server', `226 ${text}\r\n`);
    else this.#reply(this.#replies.replyTo(next === 'ABOR' ? 'aborted' : 'ended', text));
    this.#served = null;
    if (next === 'ABOR' && !this.#scene.hostile && this.#scene.pick(4) === 0) this.#leaveUnanswered(text);
  }

  /**
   * One reply for ABOR and the transfer that it ended. Only where it is plain whose ABOR it is, and
   * none is under way.
   */
  #leaveUnanswered(transfer: string): void {
    const underWay =
      latin1(this.#scene.toSend.client).includes('ABOR') || this.#scene.control.holds('client');
    const own = this.isOwnAbort();
    if (
      underWay ||
      this.#scene.silent ||
      this.#scene.commands.filter((command) => command.endsWith('ABOR')).length > 1
    )
      return;
    this.#scene.commands.shift();
    this.#scene.silent = 'ABOR';
    if (own) return;
    const ended = this.#scene.expected.findIndex(({ sent }) => sent.endsWith(transfer));
    const at = this.#scene.expected.findIndex(({ sent }, index) => index > ended && sent.endsWith('ABOR'));
    this.#scene.expected.splice(at, 1);
    this.#scene.careless.forgets();
  }

  /** Whether the server's next command is an ABOR of sshferry's. */
  isOwnAbort(): boolean {
    const isAbort = (text: string) => text.endsWith('ABOR');
    return isAbort(this.#scene.commands[0] ?? '') && !this.#scene.expected.some(({ sent }) => isAbort(sent));
  }

  /**
   * Whether the client sent it right after the transfer: with anything between, the reply could be
   * to either.
   */
  #followsTransfer(command: string, tag: string): boolean {
    const at = this.#scene.expected.findIndex(({ sent }) => sent.endsWith(command));
    const before = this.#scene.expected.slice(0, Math.max(0, at)).filter(({ sent }) => !isAnsweredHere(sent));
    return before.at(-1)?.sent.endsWith(tag) ?? false;
  }
}

import type { Endpoint } from '../src/core/endpoint.ts';
import { GatewayError } from '../src/core/errors.ts';
import type { Action, DataEnd, Side } from '../src/ftp/rewrite/action.ts';
import { FtpControl } from '../src/ftp/rewrite/control.ts';
import { DEFAULT_LIMITS, type FtpLimits, type FtpPolicy } from '../src/ftp/rewrite/policy.ts';
import { type Direction, latin1 } from '../src/ftp/wire/command.ts';
import { namesPort, ReplyFramer } from '../src/ftp/wire/reply.ts';

/**
 * A random client and a random server on both sides of one FtpControl. Every choice comes from a list of numbers, so that the
 * list is the dialogue: the same numbers give the same dialogue, and fewer numbers a shorter one.
 *
 * What must hold in each of them:
 * - Nothing is thrown, and the actions do not depend on how the bytes were split.
 * - Every line that a side gets is one that the other sent, byte for byte and in order, or one of those that sshferry says itself.
 * - Every command gets its own reply, in order. So it is with a hostile server as far as that can be said.
 * - No port of the server's reaches the client: neither one that keeps to the RFC, nor one that takes any line with a code for the
 *   end of a reply, nor one to which CR alone is a line end.
 * - A download whose data has all arrived, and whose server says 150 and 226, gets these: no failure of sshferry's own.
 * - No transfer is told complete whose bytes did not all arrive, or that went over a connection half-closed for a download.
 * - Only the target and the client's own ports are dialled; an id is used as action.ts says; nothing goes to a side after its end.
 * - What is kept is bounded: bytes, commands under way, data connections; none is left open once the client has gone.
 * - Once the client has gone, the server is told so, whatever it has left unanswered; where both have gone, so are their ends.
 * - A server that says 421 is heard, whatever it answers; a client that is lost in an upload has the server told to abort it.
 */
export type Choices = readonly number[];

const TARGET: Endpoint = { host: 'ftp.test', port: 21 };
const CLIENT = '10.9.8.7';
const LOCAL: Endpoint = { host: '127.0.0.1', port: 50_000 };
/** Small enough to be met. */
const TIGHT: FtpLimits = {
  command: 64,
  replyLine: 200,
  reply: 1000,
  pending: 5,
  strays: 50,
  dataConnections: 3,
};
/** Of a reply that names a port; as in control.ts. */
const MAX_PORT_REPLY = 16 * 1024;
const MODES: FtpPolicy['active'][] = ['to-passive', 'to-passive', 'remote-forward', 'refuse'];
const DATA_HOSTS: FtpPolicy['dataHost'][] = ['control', 'control', 'reply', { address: '10.5.5.5' }];
/** Where each of these leads, besides the target: the servers here name two addresses. */
const DIALLED: readonly string[] = ['10.1.1.1', '1.2.3.4', '10.5.5.5'];
/** What a server may answer while it transfers (RFC 959 4.1.3), and with which codes. */
const MEANWHILE: ReadonlyMap<string, readonly number[]> = new Map([
  ['STAT', [200, 211, 213, 450, 500]],
  ['NOOP', [200, 450, 500]],
  ['HELP', [211, 214, 450, 500]],
  ['QUIT', [221]],
  ['ABOR', [225]],
]);
/** How files are transferred, step by step; `ask` always asks in the same way, as clients do. */
const AGREE = ['ask', 'heard', 'answer', 'told', 'stands'];
const BEGIN = ['transfer', 'heard', 'answer', 'told'];
const END = ['over', 'answer', 'told'];
const FILE = [...AGREE, ...BEGIN, ...END];
const SESSIONS: readonly (readonly string[])[] = [
  [...FILE, 'answer', 'told', ...FILE, 'answer', 'told', ...FILE, 'answer', 'told', ...FILE],
  // The next port is asked for before the server has said all of the last transfer.
  [
    ...FILE,
    ...FILE,
    ...AGREE,
    ...BEGIN,
    'ask',
    'heard',
    ...END,
    'answer',
    'told',
    'stands',
    ...BEGIN,
    ...END,
  ],
  [...AGREE, ...BEGIN, 'abort', 'heard', 'answer', 'told', 'answer', 'told', ...FILE],
  [...AGREE, ...BEGIN, 'answer', 'told', 'cut', 'told', ...FILE],
  [...AGREE, ...BEGIN, 'cut', 'answer', 'told', 'answer', 'told', ...FILE],
  [...AGREE, ...BEGIN, 'sent', 'answer', 'told', 'over', 'told', ...FILE],
  [
    ...AGREE,
    'transfer',
    'ask',
    'transfer',
    'heard',
    'answer',
    'told',
    'stands',
    'answer',
    'told',
    ...END,
    ...END,
  ],
  // Asked again, in another way, and then gone.
  ['ask', 'heard', 'refuse', 'told', 'stands', 'down'],
  ['ask', 'heard', 'refuse', 'told', 'stands', 'answer', 'told', 'stands', ...BEGIN, ...END],
  [...AGREE, ...BEGIN, 'lose', 'answer', 'told'],
  [...AGREE, ...BEGIN, 'tls', 'status', 'heard', 'answer', 'told', 'answer', 'told', ...FILE],
  // NOOPs during a transfer, which the server may leave unanswered, and then the next file.
  [...AGREE, ...BEGIN, 'noop', 'noop', 'heard', 'answer', 'told', ...END, 'answer', 'told', ...FILE, ...FILE],
  // A second reply to an earlier command comes late: before the data port is told, and before the transfer begins.
  [...FILE, 'ask', 'heard', 'refused again', 'answer', 'told', 'answer', 'told', 'stands', ...BEGIN, ...END],
  [...FILE, ...AGREE, 'transfer', 'heard', 'done again', 'answer', 'told', ...END, ...FILE],
  [...AGREE, 'told again', ...BEGIN, 'told again', ...END, 'told again', 'ask', 'heard', 'answer', 'told'],
  // The first data port cannot be reached.
  ['ask', 'heard', 'answer', 'told', 'fails', 'answer', 'told', 'stands', ...BEGIN, ...END, ...FILE],
  // The server hangs up while it is asked for a port, and the client goes too.
  ['ask', 'heard', 'server goes', 'client goes'],
  // The server has sent a whole file and closed before its 150 is read.
  [...AGREE, 'retrieve', 'heard', 'served', 'answer', 'told', 'answer', 'told', ...FILE],
];

/** sshferry's own replies to those who ask for a data port. */
const OWN_PORT =
  /^(227 Entering Passive Mode \(127,0,0,1,195,80\)\.|228 Entering Long Passive Mode \((4,4,127,0,0,1|6,16(,0){15},1),2,195,80\)|229 Entering Extended Passive Mode \(\|\|\|50000\|\))\r\n$/;
const ASKS_FOR_PORT = /^(PASV|LPSV|P@SW|EPSV( \d)?|PORT .*|EPRT .*|LPRT .*)$/i;

/**
 * A client that takes any line with a code and a space for the end of a reply, to which CR alone is a line end too, and which takes
 * each reply for that to the next of its commands, sent or not.
 */
class CarelessClient {
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

  reads(lines: string): void {
    for (const line of lines.split(/\r\n|\n|\r/)) {
      if (!/^[1-6]\d\d( |$)|^22[789](?!-)/.test(line) || line.startsWith('1')) continue;
      const isForPort = this.#sent[this.#answered] ?? true;
      if (/^22[789]/.test(line) && isForPort && !OWN_PORT.test(`${line}\r\n`)) {
        throw new Error(`a careless client can take ${JSON.stringify(line)} for the reply to its PASV`);
      }
      this.#answered += 1;
    }
  }
}

/** A command that the client waits for, by what its final reply may look like. */
interface Expected {
  readonly sent: string;
  readonly reply: RegExp;
}

/** A data connection as the one who carries it out sees it. */
interface Data {
  readonly ends: Partial<Record<Direction, DataEnd>>;
  state: 'live' | 'abandoned' | 'ended';
  connected: boolean;
  offered: boolean;
  halfClosed: boolean;
  closeExpected: boolean;
  /** Nothing is left of it, whether its transfer has ended or not. */
  gone: boolean;
  started: { path: string; direction: Direction } | null;
}

type Event = { on: Side; bytes: Buffer } | { on: 'control'; call: (control: FtpControl) => Action[] };

/** Plays the dialogue; throws an Error that says which invariant does not hold, and what was said before. */
export function play(choices: Choices): void {
  const dialogue = new Dialogue(choices);
  try {
    dialogue.run();
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${dialogue.transcript}`, {
      cause: error,
    });
  }
}

class Dialogue {
  readonly #choices: Choices;
  #at = 0;
  readonly #policy: FtpPolicy;
  readonly #control: FtpControl;
  readonly #events: { event: Event; words: string[] }[] = [];
  /** A hostile server answers what and when it likes: then only the invariants about safety are checked. */
  readonly #hostile: boolean;
  /** A server that does all that it is asked to: only with one do dialogues get far. */
  readonly #obliging: boolean;
  /** How the client asks for a data port when all goes as it should. */
  readonly #asks: string;
  /** What is left of a session that goes as it should, but for what comes between. */
  #session: string[] = [];
  readonly #toSend: Record<Side, Buffer> = { client: Buffer.alloc(0), server: Buffer.alloc(0) };
  readonly #received: Record<Side, string> = { client: '', server: '' };
  /** The lines that each side has sent and the other has not been seen to receive. */
  readonly #passing: Record<Side, string[]> = { client: [], server: [] };
  readonly #expected: Expected[] = [];
  readonly #commands: string[] = ['greeting'];
  /** Says that it is vsftpd. */
  readonly #isVsftpd: boolean;
  /** The transfer that the server has begun and not ended. */
  #running: string | null = null;
  readonly #ended = { client: false, server: false };
  readonly #toldEnd = { client: false, server: false };
  readonly #lastChunk = { client: 0, server: 0 };
  readonly #framer = new ReplyFramer();
  readonly #data = new Map<number, Data>();
  readonly #completions: number[] = [];
  /** Listeners at the server's side that were asked for on ::1. */
  readonly #atIpv6 = new Set<number>();
  #closed = false;
  /** The server has left an ABOR or NOOP without a reply: what it says next is to make that plain. */
  #silent: 'ABOR' | 'NOOP' | null = null;
  /** The server has said that it does not know PASV, or EPSV. */
  #unknown = false;
  /** Timers that run. */
  readonly #timers: { readonly id: number; readonly ms: number }[] = [];
  readonly #careless = new CarelessClient();
  /** The client has been given a reply that was another command's, as it would have been without sshferry. */
  #outOfStep = false;
  /** The server has said 421, and the client has heard it. */
  readonly #goingDown = { said: false, heard: false };
  /** The client's connection broke. */
  #lost = false;
  /** What 226 need not wait for the data connection's end in. */
  #blockMode = false;
  #records = false;
  #tag = 0;
  /** Transfers that the client was told were complete, by their tag. */
  readonly #complete = new Set<string>();
  /** The tag of a download whose data arrived whole before the server's 150; null again after the 226. */
  #served: string | null = null;
  /** Data connections of which only the drain has said that they are over. */
  readonly #drained = new Set<number>();

  constructor(choices: Choices) {
    this.#choices = choices;
    const temper = this.#pick(6);
    this.#hostile = temper === 0;
    this.#obliging = temper > 2;
    this.#asks = ['EPSV', 'EPSV', 'PASV', 'LPSV', 'PORT', 'EPRT'][this.#pick(6)] ?? 'EPSV';
    const active = MODES[this.#pick(MODES.length)] ?? 'to-passive';
    this.#isVsftpd = this.#pick(2) === 0;
    this.#policy = {
      target: TARGET,
      client: CLIENT,
      dataHost: DATA_HOSTS[this.#pick(DATA_HOSTS.length)] ?? 'control',
      active,
      prefetch: this.#pick(2) === 0,
      limits: this.#pick(4) === 0 ? TIGHT : DEFAULT_LIMITS,
    };
    this.#control = new FtpControl(this.#policy);
    this.#expected.push({ sent: 'greeting', reply: /^220 greeting/ });
    this.#careless.sends('greeting');
    // Without a login there is no active mode; some do without.
    if (this.#pick(8) > 0) this.#session = ['answer', 'told', 'login', 'heard', 'answer', 'told'];
  }

  /** What happened so far, and what came of it. */
  get transcript(): string {
    const who = { client: 'C>', server: 'S>', control: '  ' };
    return this.#events
      .map(({ event, words }) => {
        const what = event.on === 'control' ? event.call.toString() : JSON.stringify(latin1(event.bytes));
        return `${who[event.on]} ${what}\n${words.map((word) => `      ${word}\n`).join('')}`;
      })
      .join('');
  }

  run(): void {
    while (this.#at < this.#choices.length && !this.#closed) this.#step();
    this.#drain();
    const cutShort =
      this.#lost || this.#ended.server || (this.#ended.client && this.#toSend.client.length > 0);
    this.#checkGone();
    if (!this.#closed && !this.#hostile && !this.#outOfStep && !cutShort && this.#expected.length > 0) {
      throw new Error(`no reply to ${JSON.stringify(this.#expected.map(({ sent }) => sent))}`);
    }
    if (!this.#closed && !this.#lost && this.#goingDown.said && !this.#goingDown.heard) {
      throw new Error('421 was not heard');
    }
    const saidAll =
      this.#ended.client && !this.#ended.server && !this.#lost && this.#toSend.client.length === 0;
    if (saidAll && !this.#closed && !this.#hostile) this.#checkLeft();
    this.#checkSplit();
  }

  /** Nothing that has ended, or that waits for a time to pass, is to keep the other side. */
  #checkGone(): void {
    if (this.#closed || this.#lost) return;
    if (this.#ended.client && !this.#toldEnd.server)
      throw new Error('the client has gone, and the server stays');
    if (this.#ended.server && !this.#toldEnd.client)
      throw new Error('the server has gone, and the client stays');
  }

  /** Of a client that has gone, only what its transfers use may be there. */
  #checkLeft(): void {
    for (const [id, { state, started, ends }] of this.#data) {
      const over =
        state !== 'live' || started !== null || (ends.download && ends.upload && !this.#drained.has(id));
      if (!over) throw new Error(`data connection ${id} is left`);
    }
  }

  #pick(n: number): number {
    const choice = this.#choices[this.#at] ?? 0;
    this.#at += 1;
    return choice % n;
  }

  #step(): void {
    if (this.#session.length > 0 && this.#pick(16) > 0) return this.#goOnWith(this.#session.shift());
    switch (this.#pick(12)) {
      case 0:
      case 1:
      case 2:
        this.#say('client', this.#command());
        break;
      case 3:
      case 4:
        this.#answer();
        break;
      case 5:
        this.#feed('client', 1 + this.#pick(60));
        break;
      case 6:
        this.#feed('server', 1 + this.#pick(200));
        break;
      case 7:
        this.#complete1(this.#pick(4) > 0);
        break;
      case 8:
        if (this.#pick(20) === 0) this.#depart();
        else this.#endData();
        break;
      case 10:
        this.#letTimePass();
        break;
      case 9:
        this.#session = [...(SESSIONS[this.#pick(SESSIONS.length)] ?? [])];
        break;
      default:
        this.#endData();
    }
  }

  #goOnWith(what: string | undefined): void {
    switch (what) {
      case 'ask':
        return this.#say('client', this.#command(this.#asks));
      case 'abort':
        return this.#say('client', this.#command('ABOR'));
      case 'tls':
        return this.#say('client', this.#command('AUTH'));
      case 'status':
        return this.#say('client', this.#command('STAT'));
      case 'login':
        return this.#say('client', this.#command('USER'));
      case 'noop':
        return this.#say('client', this.#command('NOOP'));
      case 'refused again':
        return this.#sayAgain(500);
      case 'done again':
        return this.#sayAgain(226);
      case 'told again':
        return this.#sayAgain(this.#pick(2) === 0 ? 227 : 229);
      case 'fails':
        return this.#complete1(false);
      case 'server goes':
        return this.#end('server');
      case 'client goes':
        return this.#end('client');
      case 'lose':
        return this.#loseClient();
      case 'down':
        return this.#goDown();
      case 'refuse': {
        const refused = this.#running === null && !this.#silent ? this.#commands.shift() : undefined;
        return refused === undefined ? undefined : this.#refuse(refused);
      }
      case 'cut': {
        const id = [...this.#data.keys()].at(-1);
        return id === undefined ? undefined : this.#endOf(id);
      }
      case 'sent': {
        const id = [...this.#data.keys()].at(-1);
        return id === undefined ? undefined : this.#report(id, 'upload', { how: 'whole' });
      }
      case 'retrieve':
        return this.#say('client', this.#command('RETR'));
      case 'served':
        return this.#serve();
      case 'transfer':
        return this.#say('client', this.#command(this.#pick(2) === 0 ? 'RETR' : 'STOR'));
      case 'heard':
        return this.#feed('client', 1000);
      case 'answer':
        return this.#answer();
      case 'told':
        return this.#feed('server', 1000);
      case 'stands':
        return this.#complete1(true);
      case 'over': {
        const id = [...this.#data.keys()].at(-1);
        if (id === undefined) return;
        this.#complete1(true);
        this.#report(id, 'download', { how: 'whole' });
        return this.#report(id, 'upload', { how: 'whole' });
      }
    }
  }

  /**
   * The data of the download that the server is to answer next arrives whole, and its server closes, before the 150 is read: data
   * has an SSH connection of its own. From then on the server says 150 and 226.
   */
  #serve(): void {
    const [id, data] = [...this.#data].at(-1) ?? [];
    const [command = ''] = this.#commands;
    const [, tag] = /^RETR (t\d+\.)$/.exec(command) ?? [];
    if (id === undefined || data === undefined || tag === undefined || this.#expected[0]?.sent !== command)
      return;
    const isSilent = this.#running === null && this.#silent === null && this.#toSend.server.length === 0;
    if (this.#hostile || !isSilent || this.#ended.server || this.#control.holds('server')) return;
    const isConnected = data.offered && data.state === 'live' && !this.#completions.includes(id);
    if (!isConnected || data.ends.download || data.ends.upload) return;
    this.#served = tag;
    this.#expected[0] = { sent: command, reply: new RegExp(`^\\d+ ${tag}`) };
    const error = new GatewayError('PEER_RESET', 'the server closed the data connection');
    const closed: DataEnd = { how: 'cut', by: 'server', stood: true, error };
    if (this.#pick(2) === 0) this.#report(id, 'upload', closed);
    this.#report(id, 'download', { how: 'whole' });
    this.#report(id, 'upload', closed);
  }

  /** A side goes: it ends, the client's connection breaks, or the server says 421 first. */
  #depart(): void {
    switch (this.#pick(4)) {
      case 0:
        return this.#end('client');
      case 1:
        return this.#end('server');
      case 2:
        return this.#loseClient();
      default:
        return this.#goDown();
    }
  }

  #goDown(): void {
    // Behind what is held back its end could not be seen.
    if (this.#hostile || this.#ended.server || this.#control.holds('server')) return;
    this.#goingDown.said = true;
    this.#say('server', '421 sshferry or not, going down\r\n');
    this.#feed('server', this.#toSend.server.length);
    this.#end('server');
  }

  /** The server knows no such command, if it may say so. */
  #refuse(command: string): void {
    const [verb = ''] = command.split(' ');
    if (/^(EPSV|PASV|LPSV|PORT|EPRT)$/.test(verb))
      return this.#say('server', this.#refusing(`500 ${verb}\r\n`));
    this.#commands.unshift(command);
    this.#answer();
  }

  #loseClient(): void {
    if (this.#ended.client) return;
    this.#ended.client = true;
    this.#lost = true;
    const uploading = [...this.#data].filter(
      ([, { started, state, ends }]) => started?.direction === 'upload' && state === 'live' && !ends.upload,
    );
    const error = new GatewayError('PEER_RESET', 'broke');
    this.#perform({ on: 'control', call: (control) => control.clientLost(error) });
    if (!this.#hostile && !this.#toldEnd.server && uploading.length > 0 && !this.#control.aborting) {
      throw new Error('an upload is not aborted');
    }
  }

  #end(side: Side): void {
    if (this.#ended[side]) return;
    this.#ended[side] = true;
    this.#perform({ on: 'control', call: (control) => control.end(side) });
  }

  /** Lets everything that is under way come to its end. */
  #drain(): void {
    if (!this.#ended.client) {
      this.#expected.push({ sent: 'NOOP', reply: /^\d+ NOOP/ });
      this.#careless.sends('NOOP');
      this.#say('client', 'NOOP\r\n');
    }
    let rest = 0;
    for (let rounds = 0; rounds < 2000 && !this.#closed; rounds++) {
      const before = this.#events.length;
      this.#feed('client', 200);
      if (this.#commands.length > 0 || this.#running !== null) this.#answer();
      this.#feed('server', 200);
      this.#complete1(true);
      for (const [id, { ends }] of this.#data) {
        if (!ends.download || !ends.upload) this.#drained.add(id);
        this.#report(id, 'download', { how: 'whole' });
        this.#report(id, 'upload', { how: 'whole' });
      }
      const busy = this.#events.length > before || this.#commands.length > 0 || this.#running !== null;
      if (busy) continue;
      if (this.#timers.length === 0) rest += 1;
      if (rest > 1) return;
      this.#letTimePass();
    }
  }

  /** The time of one timer is over. A server that answers a command at all does so within five seconds. */
  #letTimePass(): void {
    const answers =
      this.#commands.length > 0 || this.#toSend.server.length > 0 || this.#control.holds('server');
    const due = this.#timers.filter(({ ms }) => !answers || this.#hostile || ms !== 5000);
    const timer = due[this.#pick(Math.max(1, due.length))];
    if (timer === undefined || this.#closed) return;
    this.#timers.splice(this.#timers.indexOf(timer), 1);
    const { id } = timer;
    this.#perform({ on: 'control', call: (control) => control.elapsed(id) });
  }

  /**
   * A second reply to a command that has had one. Only where it is plain what it is not: before a port that a server that does all
   * will name, or before a transfer's beginning.
   */
  #sayAgain(code: number): void {
    const [first, ...more] = this.#expected.filter(({ sent }) => !isAnsweredHere(sent));
    const remote = this.#policy.active === 'remote-forward' && /^(PORT|EPRT|LPRT)/.test(first?.sent ?? '');
    const fits = code === 226 ? /^(RETR|STOR)/ : /^(PASV|P@SW|EPSV|PORT|EPRT|LPRT)/;
    if (this.#hostile || !this.#obliging || this.#silent || remote || this.#running !== null) return;
    // It could answer an ABOR, of sshferry's own perhaps, to which the server has said nothing yet.
    if (this.#served !== null || this.#commands.some((command) => command.endsWith('ABOR'))) return;
    if (more.length > 0 || this.#control.holds('server')) return;
    if (namesPort(code) ? first !== undefined : !fits.test(first?.sent ?? '')) return;
    if (this.#ended.server || this.#toSend.server.length > 0 || this.#toSend.client.length > 0) return;
    this.#say(
      'server',
      namesPort(code) ? `${code} (10,1,1,1,4,1) (|||1025|)\r\n` : `${code} a second time\r\n`,
    );
    this.#feed('server', 1000);
    // What the client and the data do before the server goes on would leave it open which reply was whose.
    if (code !== 226) return;
    this.#feed('client', 1000);
    this.#answer();
    this.#feed('server', 1000);
  }

  // ------------------------------------------------------------------------------------------------------ both sides

  #say(side: Side, lines: string): void {
    this.#toSend[side] = Buffer.concat([this.#toSend[side], Buffer.from(lines, 'latin1')]);
    // Before a reply a CR alone counts as a line end, and becomes one.
    const split = side === 'server' ? lines.replace(/\r(?=[1-6]\d\d)/g, '\r\n') : lines;
    for (const line of split.match(/[^\n]*\n/g) ?? []) this.#passing[side].push(line);
  }

  /** The next command: any, or one with this verb. */
  #command(verb?: string): string {
    this.#tag += 1;
    const tag = `t${this.#tag}.`;
    const own = `(425|426) (sshferry|Use PASV)`;
    const table: [line: string, reply: string][] = [
      [`CWD ${tag}`, `\\d+ ${tag}`],
      [`size ${tag}`, `\\d+ ${tag}`],
      [`RETR ${tag}`, `\\d+ ${tag}|${own}`],
      [`STOR ${tag}`, `\\d+ ${tag}|${own}`],
      [`RETR ${tag}`, `\\d+ ${tag}|${own}`],
      [`STOR ${tag}`, `\\d+ ${tag}|${own}`],
      ['PASV', '227|425 sshferry|503|5\\d\\d (PASV|EPSV)'],
      ['PASV', '227|425 sshferry|503|5\\d\\d (PASV|EPSV)'],
      ['EPSV', '229|425 sshferry|5\\d\\d (PASV|EPSV)'],
      ['PORT 10,9,8,7,8,0', '200|425|530|50[023]|5\\d\\d (PASV|EPSV|PORT)'],
      ['EPRT |1|10.9.8.7|2048|', '200|425|530|50[023]|5\\d\\d (PASV|EPSV|EPRT)'],
      ['PORT 10,9,8,6,8,0', '50[023]'],
      ['EPRT |1|10.9.8.7|22|', '50[023]'],
      ['AUTH TLS', '502 sshferry'],
      ['ABOR', '\\d+ ABOR'],
      ['\xff\xf4\xff\xf2ABOR', '\\d+ ABOR'],
      ['', '500 Empty'],
      ['RETR a\0b', '501 NUL'],
      ['NOOP', '\\d+ NOOP'],
      ['REIN', '\\d+ REIN'],
      [`EPSV ALL`, '\\d+ EPSV'],
      [`MODE S`, '\\d+ MODE'],
      [`MODE B`, '\\d+ MODE'],
      [`MODE Z`, '\\d+ MODE'],
      [`MODE X`, '\\d+ MODE'],
      ['LPSV', '228|425 sshferry|503|5\\d\\d LPSV'],
      ['LPRT 4,4,10,9,8,7,2,8,0', '200|425|530|50[023]|5\\d\\d (PASV|EPSV|LPRT|PORT)'],
      ['P@SW', '227|425 sshferry|503|5\\d\\d (PASV|EPSV)'],
      ['CPSV', '502 sshferry'],
      ['STAT', '\\d+ STAT'],
      ['HELP', '\\d+ HELP'],
      ['HOST a', '\\d+ HOST'],
      ['FEAT', '\\d+ FEAT'],
      ['EPSV 2', '229|425 sshferry|5\\d\\d (PASV|EPSV)'],
      ['EPSV 3', '522'],
      ['STRU R', '\\d+ STRU'],
      ['STRU F', '\\d+ STRU'],
      ['REST 100', '\\d+ REST'],
      ['ALLO 5', '\\d+ ALLO'],
      ['PBSZ 0', '502 sshferry'],
      ['QUIT', '\\d+ QUIT'],
      ['\xff\xf4\xff\xf2ABOR\r', '\\d+ ABOR'],
      ['USER a', '\\d+ USER'],
      ['EPSV', '229|425 sshferry|5\\d\\d (PASV|EPSV)'],
      [`XCUP ${'x'.repeat(70)}`, '500 Command line too long|\\d+ XCUP'],
    ];
    const own_ = table.filter(([line]) => verb === undefined || line.startsWith(verb));
    const [line, reply] = own_[verb === undefined ? this.#pick(own_.length) : 0] ?? ['NOOP', '\\d+ NOOP'];
    this.#expected.push({ sent: line.trimEnd(), reply: new RegExp(`^(${reply})`) });
    this.#careless.sends(line.trimEnd());
    // ftplib's ABOR has lost its LF; some clients never send CR. An LF alone behind that ABOR would be its own.
    return line.endsWith('\r') ? line : `${line}${line !== '' && this.#pick(8) === 0 ? '' : '\r'}\n`;
  }

  /** The server answers its next command; a hostile one says anything. */
  #answer(): void {
    if (this.#hostile && this.#at < this.#choices.length && this.#pick(3) === 0)
      return this.#say('server', this.#junk());
    if (this.#running !== null) return this.#goOn(this.#running);
    const line = this.#commands.shift();
    if (line === undefined) return;
    const [verb = '', argument = ''] = line.split(' ');
    const text = argument.startsWith('t') ? argument : verb;
    const asks = argument === 'ALL' ? 'EPSV ALL' : verb.toUpperCase();
    const silent = this.#silent;
    if (silent && asks.endsWith(silent)) {
      // A server that leaves one unanswered leaves them all: the reply could be to either.
      return this.#forget(silent);
    }
    if (text === this.#served) {
      this.#running = text;
      return this.#say('server', `150 ${text}\r\n`);
    }
    if (asks === 'NOOP' && this.#mayLeaveNoop && this.#pick(6) === 0) return this.#leaveNoop();
    this.#silent = null;
    this.#reply(silent ? this.#plainReplyTo(asks, text, silent) : this.#replyTo(asks, text));
  }

  /** Says it, and lets what looks like a 227 arrive at once. */
  #reply(lines: string): void {
    this.#say('server', lines);
    if (/\n227 \(1,2/.test(lines)) this.#feed('server', this.#toSend.server.length);
  }

  /** The client waits for no reply to this any more. */
  #forget(verb: string): void {
    const at = this.#expected.findIndex(({ sent }) => sent.endsWith(verb));
    if (at >= 0) this.#expected.splice(at, 1);
    if (at >= 0) this.#careless.forgets();
  }

  /** Only where all replies before have arrived, so that it is plain which NOOP it is. */
  get #mayLeaveNoop(): boolean {
    const arrived = this.#toSend.server.length === 0 && !this.#control.holds('server');
    return !this.#hostile && this.#silent === null && arrived;
  }

  #leaveNoop(): void {
    this.#silent = 'NOOP';
    this.#forget('NOOP');
  }

  /** A reply that cannot be to the ABOR or NOOP that had none. */
  #plainReplyTo(verb: string, text: string, unanswered: 'ABOR' | 'NOOP'): string {
    const agreed = this.#agreeingReplyTo(verb, text);
    if (agreed !== null) return agreed;
    if (unanswered === 'NOOP')
      return `${verb.endsWith('ABOR') ? 226 : [250, 250, 550][this.#pick(3)]} ${text}\r\n`;
    return verb === 'PORT' || verb === 'EPRT' || verb === 'NOOP'
      ? `200 ${text}\r\n`
      : `${[200, 250, 550][this.#pick(3)]} ${text}\r\n`;
  }

  /** The transfer ends, or the server answers what may be answered meanwhile. */
  #goOn(text: string): void {
    const next = (this.#commands[0] ?? '').replace(/^.*ABOR$/, 'ABOR');
    const codes = MEANWHILE.get(next);
    const meanwhile = codes !== undefined && (this.#isOwnAbort() || this.#followsTransfer(next, text));
    if (meanwhile && next === 'NOOP' && this.#mayLeaveNoop && this.#pick(3) === 0) {
      this.#commands.shift();
      return this.#leaveNoop();
    }
    if (meanwhile && !this.#isVsftpd && !this.#silent && this.#pick(3) === 0) {
      this.#commands.shift();
      return this.#say('server', `${codes[this.#pick(codes.length)]} ${next}\r\n`);
    }
    this.#running = null;
    if (text === this.#served) this.#say('server', `226 ${text}\r\n`);
    else this.#reply(this.#replyTo(next === 'ABOR' ? 'aborted' : 'ended', text));
    this.#served = null;
    if (next === 'ABOR' && !this.#hostile && this.#pick(4) === 0) this.#leaveUnanswered(text);
  }

  /** One reply for ABOR and the transfer that it ended. Only where it is plain whose ABOR it is, and none is under way. */
  #leaveUnanswered(transfer: string): void {
    const underWay = latin1(this.#toSend.client).includes('ABOR') || this.#control.holds('client');
    const own = this.#isOwnAbort();
    if (underWay || this.#silent || this.#commands.filter((command) => command.endsWith('ABOR')).length > 1)
      return;
    this.#commands.shift();
    this.#silent = 'ABOR';
    if (own) return;
    const ended = this.#expected.findIndex(({ sent }) => sent.endsWith(transfer));
    const at = this.#expected.findIndex(({ sent }, index) => index > ended && sent.endsWith('ABOR'));
    this.#expected.splice(at, 1);
    this.#careless.forgets();
  }

  /** Whether the server's next command is an ABOR of sshferry's. */
  #isOwnAbort(): boolean {
    const isAbort = (text: string) => text.endsWith('ABOR');
    return isAbort(this.#commands[0] ?? '') && !this.#expected.some(({ sent }) => isAbort(sent));
  }

  /** Whether the client said it right behind the transfer: with anything between, nobody could tell what is answered. */
  #followsTransfer(command: string, tag: string): boolean {
    const at = this.#expected.findIndex(({ sent }) => sent.endsWith(command));
    const before = this.#expected.slice(0, Math.max(0, at)).filter(({ sent }) => !isAnsweredHere(sent));
    return before.at(-1)?.sent.endsWith(tag) ?? false;
  }

  #replyTo(verb: string, text: string): string {
    // A line of text that looks like a 227 is text only while no client waits for a 227, nor sends for one meanwhile: not where the
    // reply may be held.
    const asks =
      /^(RETR|STOR|ended|aborted)$/.test(verb) ||
      this.#expected.some(({ sent }) => ASKS_FOR_PORT.test(sent)) ||
      this.#control.holds('server') ||
      this.#control.kept > 0 ||
      this.#toSend.server.length > 0;
    const multi = (code: number) => {
      switch (this.#pick(6)) {
        case 0:
        case 1:
          return `${code}-first\r\n 226 no\r\n${asks ? ' ' : ''}227 (1,2,3,4,5,6)\r\n${code} ${text}\r\n`;
        case 2: {
          // By its first line alone nobody could tell that it answers one of those that servers leave unanswered.
          if (/ABOR$|^(aborted|NOOP)$/.test(verb)) return `${code} ${text}\r\n`;
          // As glftpd's scripts do: it ends with another code than it began with.
          const other = [553, 230, 211][/^(RETR|STOR|ended)$/.test(verb) ? 0 : this.#pick(3)] ?? 553;
          return `${other}-first\r\n${other}-more\r\n${code} ${text}\r\n`;
        }
        default:
          return `${code} ${text}\r\n`;
      }
    };
    const of = (...codes: number[]) => multi(codes[this.#pick(codes.length)] ?? 200);
    if (this.#obliging) {
      const reply = this.#obligingReplyTo(verb, text);
      if (reply !== null) return reply;
    }
    switch (verb) {
      case 'GREETING':
        return `${this.#pick(2) === 0 ? '120 wait\r\n' : ''}220 greeting${this.#isVsftpd ? ' (vsFTPd 3)' : ''}\r\n`;
      case 'LPSV':
        return (
          ['228 (4,4,10,1,1,1,2,4,1)\r\n', '228 (4,4,10,1,1,1,2,4)\r\n', '500 LPSV\r\n'][this.#pick(3)] ?? ''
        );
      case 'ended':
        return of(226, 226, 250, 426, 451);
      case 'aborted':
        return of(226, 426, 426);
      case 'PASV':
      case 'EPSV': {
        const reply =
          [
            '227 (10,1,1,1,4,1)\r\n',
            '227-x\r\n227 1,2,3,4,5,6\r\n',
            '229 (|||1025|)\r\n',
            '227-Mode (10,1,1,1,4,1)\r\n more\r\n227 ok\r\n',
            '229-Mode (||1025|)\r\n229 ok\r\n',
            '230-x\r\n more\r\n227 (10,1,1,1,4,1)\r\n',
            '553-x\r\n229 (|||1025|)\r\n',
            `500 ${verb}\r\n`,
            `530 ${verb}\r\n`,
            '227 nonsense\r\n',
          ][this.#pick(10)] ?? '';
        // One that does not know PASV has no 227 to say either.
        const [, code = ''] = /^(22[79])[ -]/m.exec(reply) ?? [];
        const own = verb === 'PASV' ? '227' : '229';
        return code !== '' && code !== own && this.#unknown ? `500 ${verb}\r\n` : this.#refusing(reply);
      }
      case 'RETR':
      case 'STOR':
        if (this.#pick(4) === 0) return of(425, 550, 226);
        if (this.#pick(2) === 0) this.#running = text;
        return `${this.#pick(2) === 0 ? `150-a\r\n150 ${text}\r\n` : `125 ${text}\r\n`}${this.#running === null ? of(226, 226, 250, 426, 451) : ''}`;
      case 'ABOR':
        return of(225, 226);
      case 'PORT':
      case 'EPRT':
        return of(200, 200, 500);
      case 'REST':
        return of(350, 350, 501);
      case 'FEAT':
        return `211-FEAT\r\n EPSV\r\n AUTH TLS\r\n211 FEAT\r\n`;
      case 'QUIT':
        return of(221, 221, 500);
      case 'NOOP':
        return of(200, 200, 500);
      case 'USER':
        return of(230, 230, 230, 331, 530);
      default:
        return of(200, 250, 550);
    }
  }

  #refusing(reply: string): string {
    this.#unknown ||= reply.startsWith('500');
    return reply;
  }

  #obligingReplyTo(verb: string, text: string): string | null {
    return verb === 'ended' ? `226 ${text}\r\n` : this.#agreeingReplyTo(verb, text);
  }

  /** Of a server that does what a data connection is asked for; null for other commands. */
  #agreeingReplyTo(verb: string, text: string): string | null {
    switch (verb) {
      case 'PASV':
        return '227 (10,1,1,1,4,1)\r\n';
      case 'EPSV':
        return '229 (|||1025|)\r\n';
      case 'LPSV':
        return '228 (4,4,10,1,1,1,2,4,1)\r\n';
      case 'RETR':
      case 'STOR':
        this.#running = text;
        return `150 ${text}\r\n`;
      default:
        return null;
    }
  }

  #junk(): string {
    if (this.#pick(12) === 0) return '200 a\r227 (10,1,1,1,4,1)\r\n';
    if (this.#pick(12) === 0) return '2270 (10,1,1,1,4,1)\r\n';
    const codes = [150, 200, 211, 220, 225, 226, 227, 229, 250, 350, 421, 425, 426, 500, 502, 550];
    const code = codes[this.#pick(codes.length)];
    const rest = [
      ' (10,1,1,1,4,1)',
      '-open',
      ' (|||22|)',
      '',
      ' (|||99999|)',
      ' 8.8.8.8,1,2,3,4,5,6',
      '\xff\r',
    ];
    return `${this.#pick(12) === 0 ? ' ' : ''}${code}${rest[this.#pick(rest.length)]}\r\n`;
  }

  #feed(side: Side, most: number): void {
    // As the one who reads the sockets does: what is held back pauses its reader.
    if (this.#control.holds(side) || this.#toSend[side].length === 0 || this.#closed) return;
    if (this.#ended[side]) return;
    const bytes = this.#toSend[side].subarray(0, most);
    this.#toSend[side] = this.#toSend[side].subarray(most);
    this.#lastChunk[side] = bytes.length;
    this.#perform({ on: side, bytes });
  }

  #complete1(works: boolean): void {
    const late = this.#completions.length > 1 ? this.#pick(this.#completions.length) : 0;
    const [id] = this.#completions.splice(late, 1);
    if (id === undefined) return;
    const error = new GatewayError(this.#pick(2) === 0 ? 'CHANNEL_REFUSED' : 'LISTEN_FAILED', 'no port');
    const host = this.#atIpv6.has(id) ? '::1' : LOCAL.host;
    this.#perform({
      on: 'control',
      call: (control) => control.complete(id, works ? { endpoint: { ...LOCAL, host } } : { error }),
    });
  }

  #endData(): void {
    const ids = [...this.#data.keys()];
    const id = ids[ids.length - 1 - this.#pick(3)];
    if (id !== undefined) this.#endOf(id);
  }

  #endOf(id: number): void {
    const direction = this.#pick(2) === 0 ? 'download' : 'upload';
    const how = this.#pick(6);
    const by = (['client', 'server', 'gateway'] as const)[how];
    const error = new GatewayError(this.#pick(2) === 0 ? 'PEER_RESET' : 'DATA_TIMEOUT', 'cut');
    if (by === undefined) return this.#report(id, direction, { how: 'whole' });
    const stood = this.#pick(3) > 0 || this.#data.get(id)?.ends.download !== undefined;
    this.#report(id, direction, { how: 'cut', by, stood, error });
    const other = direction === 'download' ? 'upload' : 'download';
    if (!stood) this.#report(id, other, { how: 'cut', by, stood, error });
  }

  #report(id: number, direction: Direction, end: DataEnd): void {
    const data = this.#data.get(id);
    if (data === undefined || data.state === 'abandoned' || data.ends[direction] || this.#closed) return;
    data.ends[direction] = end;
    // One whose transfer is over, as in block mode, goes by itself when it breaks.
    if (data.state === 'ended' && end.how === 'cut') data.gone = true;
    this.#perform({ on: 'control', call: (control) => control.dataEnded(id, direction, end) });
  }

  // ------------------------------------------------------------------------------------------------------ invariants

  #perform(event: Event): void {
    const said: string[] = [];
    this.#events.push({ event, words: said });
    const actions =
      event.on === 'control' ? event.call(this.#control) : this.#control.receive(event.on, event.bytes);
    said.push(...words(actions));
    for (const action of actions) {
      if (this.#closed) throw new Error(`${action.type} after close`);
      this.#check(action);
    }
    this.#checkComplete();
    this.#checkBounds();
  }

  #checkBounds(): void {
    const { limits } = this.#policy;
    const { client, server } = this.#lastChunk;
    const most = limits.command + limits.replyLine + Math.min(MAX_PORT_REPLY, limits.reply) + client + server;
    if (this.#control.kept > most) throw new Error(`${this.#control.kept} bytes are kept`);
    // And one that sshferry asked behind the last.
    if (!this.#hostile && this.#commands.length > limits.pending + 2) {
      throw new Error(`${this.#commands.length} commands are under way`);
    }
    const live = [...this.#data.values()].filter(
      ({ gone, ends }) => !gone && !(ends.download && ends.upload),
    );
    // The one that is superseded goes when the server has taken the new one, which takes a round trip there.
    const superseded = this.#policy.active === 'remote-forward' ? 1 : 0;
    if (live.length > limits.dataConnections + superseded) throw new Error(`${live.length} data connections`);
  }

  #check(action: Action): void {
    switch (action.type) {
      case 'send':
        if (this.#toldEnd[action.to]) throw new Error(`bytes to the ${action.to} after its end`);
        this.#received[action.to] += latin1(action.bytes);
        return action.to === 'client' ? this.#clientReads() : this.#serverReads();
      case 'end':
        if (this.#toldEnd[action.to]) throw new Error(`the ${action.to} is ended twice`);
        this.#toldEnd[action.to] = true;
        return;
      case 'offer':
        this.#isOffered(action.id);
        if (action.family === 6) this.#atIpv6.add(action.id);
        this.#completions.push(action.id);
        if (action.on === 'local') this.#isTarget(action.dial);
        else this.#isClient(action.dial);
        return;
      case 'dial':
        this.#isNew(action.id);
        if (action.reach) this.#completions.push(action.id);
        return this.#isTarget(action.to);
      case 'timer':
        this.#timers.push(action);
        return;
      case 'halfClose': {
        const data = this.#data.get(action.id);
        if (data?.state !== 'live' || data.halfClosed) throw new Error(`halfClose of ${action.id}`);
        data.halfClosed = true;
        return;
      }
      case 'expectClose': {
        const data = this.#data.get(action.id);
        if (data?.state !== 'live' || data.closeExpected === action.on)
          throw new Error(`expectClose of ${action.id}`);
        data.closeExpected = action.on;
        return;
      }
      case 'connect': {
        const data = this.#data.get(action.id);
        if (data?.state !== 'live' || data.connected) throw new Error(`connect of ${action.id}`);
        data.connected = true;
        this.#completions.push(action.id);
        return this.#isClient(action.to);
      }
      case 'abandon': {
        const data = this.#data.get(action.id);
        if (data?.state !== 'live') throw new Error(`abandon of ${action.id}, which is ${data?.state}`);
        data.state = 'abandoned';
        data.gone = true;
        return;
      }
      case 'transfer':
        if (action.phase === 'refused') return;
        return action.phase === 'start' ? this.#starts(action) : this.#ends(action.id);
      case 'close':
        this.#closed = true;
        if (!this.#hostile && this.#policy.limits !== TIGHT)
          throw new Error(`closed: ${action.reason.message}`);
        return;
      default:
    }
  }

  #isNew(id: number): void {
    if (this.#data.has(id)) throw new Error(`id ${id} again`);
    this.#data.set(id, {
      ends: {},
      state: 'live',
      connected: false,
      offered: false,
      halfClosed: false,
      closeExpected: false,
      gone: false,
      started: null,
    });
  }

  /** It is new, or was dialled before the client asked. */
  #isOffered(id: number): void {
    if (!this.#data.has(id)) this.#isNew(id);
    const data = this.#data.get(id);
    if (data?.state !== 'live' || data.offered || data.connected) throw new Error(`offer of ${id}`);
    data.offered = true;
  }

  #isTarget({ host }: Endpoint): void {
    const { dataHost } = this.#policy;
    const fits =
      dataHost === 'control' ? host === TARGET.host : host === TARGET.host || DIALLED.includes(host);
    if (!fits) throw new Error(`dials ${host}`);
  }

  #isClient({ host, port }: Endpoint): void {
    if (host !== CLIENT || port < 1024) throw new Error(`connects to ${host}:${port}`);
  }

  #starts({ id, path, direction }: Action & { type: 'transfer'; phase: 'start' }): void {
    const data = this.#data.get(id);
    if (data === undefined || data.started !== null) throw new Error(`start of ${id}`);
    data.started = { path, direction };
  }

  #ends(id: number): void {
    const data = this.#data.get(id);
    if (data === undefined || data.started === null || data.state === 'ended')
      throw new Error(`end of ${id}`);
    data.state = 'ended';
  }

  /** No success for a transfer whose bytes did not all arrive, unless the client itself hung up on a download. */
  #checkComplete(): void {
    for (const { started, ends, halfClosed } of this.#data.values()) {
      if (started === null || !this.#complete.delete(started.path)) continue;
      const end = ends[started.direction];
      const hungUp = Object.values(ends).some((end) => end.how === 'cut' && end.by === 'client');
      const excused = started.direction === 'download' && hungUp;
      if (halfClosed && started.direction === 'upload') throw new Error(`${started.path} was half-closed`);
      if (end?.how !== 'whole' && !excused) throw new Error(`${started.path} was told complete`);
    }
  }

  #clientReads(): void {
    const cutsIn = (code: number, hyphen: boolean) => !hyphen && !namesPort(code);
    for (const line of this.#lines('client')) {
      this.#careless.reads(line);
      const { code, first, final } = this.#framer.next(Buffer.from(line, 'latin1'), cutsIn);
      if (first && code !== null && namesPort(code) && !OWN_PORT.test(line)) {
        throw new Error(`the server's ${JSON.stringify(line)} reaches the client`);
      }
      // A reply that Prefetch has kept comes later than those behind it.
      this.#isFrom(
        'server',
        line,
        /sshferry|^425 Use PASV|^50[0123] |^522 Network |^200 (PORT|EPRT|LPRT) command|^22[789] Entering/,
      );
      if (code === 421 && this.#goingDown.said) this.#goingDown.heard = true;
      if (this.#hostile || this.#goingDown.said || code === null || code < 200 || !final) continue;
      if (line.endsWith(' a second time\r\n') && this.#isAgain(code)) continue;
      if (this.#outOfStep) continue;
      const [expected] = this.#expected.splice(this.#answered(line), 1);
      if (expected === undefined || !expected.reply.test(line)) {
        throw new Error(`${JSON.stringify(line)} in reply to ${JSON.stringify(expected?.sent)}`);
      }
      const [, tag] = /^(?:RETR|STOR) (t\d+\.)/.exec(expected.sent) ?? [];
      if (tag !== undefined && code < 300 && !this.#blockMode && !this.#records) this.#complete.add(tag);
      const [, mode] = /^MODE (\w)/.exec(expected.sent) ?? [];
      if (mode !== undefined && code < 300) this.#blockMode = !/[SZ]/.test(mode);
      if (expected.sent.startsWith('STRU') && code < 300) this.#records = expected.sent.endsWith('R');
      if (expected.sent === 'REIN' && code < 300) this.#blockMode = this.#records = false;
    }
  }

  /** Whether the client still waits for the reply that a second reply to an earlier command came instead of. */
  #isAgain(code: number): boolean {
    const [first] = this.#expected;
    // The client has taken it for its command's: from now on it does not know which reply is whose.
    if (code < 400 || ASKS_FOR_PORT.test(first?.sent ?? '')) this.#outOfStep = true;
    return true;
  }

  /** Which of the commands that the client waits for a final reply answers: the first, or what was answered during a transfer. */
  #answered(line: string): number {
    const [first, second] = this.#expected;
    if (first === undefined || second === undefined || first.reply.test(line)) return 0;
    // sshferry's own goes before a later command's that the server answers during the transfer.
    const own =
      /^5\d\d (sshferry|Illegal|Network|Empty|NUL|Command line|Cannot)|^503 \w+ is not allowed after EPSV ALL|^425 (sshferry|Use PASV)/.test(
        line,
      );
    const meanwhile = own || /^(STAT|NOOP|HELP|QUIT|.*ABOR)$/.test(second.sent);
    return /^(RETR|STOR)/.test(first.sent) && meanwhile && second.reply.test(line) ? 1 : 0;
  }

  #serverReads(): void {
    for (const line of this.#lines('server')) {
      this.#isFrom(
        'client',
        line,
        /^(EPSV|PASV|LPSV|ABOR|PORT 127,0,0,1,195,80|EPRT (\|1\|127.0.0.1|\|2\|::1)\|50000\|)\r\n$|^ABOR\n$/,
      );
      this.#commands.push(line.trim());
    }
  }

  /** The complete lines that have arrived. */
  #lines(side: Side): string[] {
    const lines = this.#received[side].match(/[^\n]*\n/g) ?? [];
    // What a server did not finish is passed on all the same.
    const cutShort = side === 'client' && this.#ended.server;
    if (!cutShort && lines.join('') !== this.#received[side]) throw new Error(`half a line to the ${side}`);
    this.#received[side] = '';
    return lines;
  }

  /** A line is one that the other side sent, byte for byte and in order, or one of sshferry's own. */
  #isFrom(side: Side, line: string, own: RegExp): void {
    // A line of text may have been given the space that keeps it from being taken for a reply.
    const asSent = /^ 22[789]/.test(line) ? line.slice(1) : line;
    const at = this.#passing[side].findIndex((each) => each === line || each === asSent);
    // A first refusal of PASV is told after the second attempt; what a hostile server says meanwhile overtakes it. And of a refusal
    // of several lines one is made.
    const oneLine = side === 'server' && this.#hostile && /^[345]\d\d /.test(line);
    if (oneLine) return;
    if (at >= 0 && !own.test(line))
      this.#passing[side].splice(this.#hostile ? at : 0, this.#hostile ? 1 : at + 1);
    else if (!own.test(line)) throw new Error(`nobody sent ${JSON.stringify(line)}`);
  }

  /** One byte at a time gives the same. */
  #checkSplit(): void {
    const control = new FtpControl(this.#policy);
    for (const [index, { event, words: given }] of this.#events.entries()) {
      const actions =
        event.on === 'control'
          ? event.call(control)
          : [...event.bytes].flatMap((byte) => control.receive(event.on as Side, Uint8Array.of(byte)));
      const bytewise = words(actions);
      if (bytewise.join('\n') !== given.join('\n')) {
        throw new Error(
          `step ${index} depends on the split: ${JSON.stringify(given)}, ${JSON.stringify(bytewise)}`,
        );
      }
    }
  }
}

/** Whether the server never sees this command. */
function isAnsweredHere(command: string): boolean {
  return /^(AUTH|PBSZ|CPSV)/.test(command);
}

/** Actions on one line each; adjacent bytes to one side are one. */
function words(actions: readonly Action[]): string[] {
  const lines: string[] = [];
  let last: Side | null = null;
  for (const action of actions) {
    if (action.type === 'send') {
      const text = latin1(action.bytes);
      if (last === action.to) lines.push(`${lines.pop()}${text}`);
      else lines.push(`${action.to} ${text}`);
      last = action.to;
    } else {
      last = null;
      lines.push(JSON.stringify(action));
    }
  }
  return lines;
}

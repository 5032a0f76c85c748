import type { Endpoint } from '../src/core/endpoint.ts';
import type { Action, DataEnd, Side } from '../src/ftp/rewrite/action.ts';
import { FtpControl } from '../src/ftp/rewrite/control.ts';
import { DEFAULT_LIMITS, type FtpLimits, type FtpPolicy } from '../src/ftp/rewrite/policy.ts';
import { type Direction, latin1 } from '../src/ftp/wire/command.ts';
import { CarelessClient, type Expected } from './client.ts';

/** A dialogue: each choice in it is one of these numbers. */
export type Choices = readonly number[];

export const TARGET: Endpoint = { host: 'ftp.test', port: 21 };
export const CLIENT = '10.9.8.7';
export const LOCAL: Endpoint = { host: '127.0.0.1', port: 50_000 };
/** Small enough to be met. */
export const TIGHT: FtpLimits = {
  command: 64,
  replyLine: 200,
  reply: 1000,
  pending: 5,
  strays: 50,
  dataConnections: 3,
};
const MODES: FtpPolicy['active'][] = ['to-passive', 'to-passive', 'remote-forward', 'refuse'];
const DATA_HOSTS: FtpPolicy['dataHost'][] = ['control', 'control', 'reply', { address: '10.5.5.5' }];

/** A data connection as src/ftp/data sees it. */
export interface Data {
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

export type Event = { on: Side; bytes: Buffer } | { on: 'control'; call: (control: FtpControl) => Action[] };

/** Sees what FtpControl wants done after each event. */
type Checks = (actions: readonly Action[]) => void;

/**
 * What the client, the server and the invariants share: one FtpControl, and all that happened to it
 * so far.
 */
export class Scene {
  readonly policy: FtpPolicy;
  readonly control: FtpControl;
  readonly events: { event: Event; words: string[] }[] = [];
  /**
   * A hostile server answers what and when it likes: then only the invariants about safety are
   * checked.
   */
  readonly hostile: boolean;
  /** A server that does all that it is asked to: only with one do dialogues get far. */
  readonly obliging: boolean;
  /** Says that it is vsftpd. */
  readonly isVsftpd: boolean;
  /** How the client asks for a data port when all goes as it should. */
  readonly asks: string;
  /** Bytes that a side has written and FtpControl has not read. */
  readonly toSend: Record<Side, Buffer> = { client: Buffer.alloc(0), server: Buffer.alloc(0) };
  /** The lines that each side has sent and the other has not been seen to receive. */
  readonly passing: Record<Side, string[]> = { client: [], server: [] };
  /** The commands that the client waits for. */
  readonly expected: Expected[] = [];
  readonly careless = new CarelessClient();
  /** The commands that the server has read and not answered. */
  readonly commands: string[] = ['greeting'];
  /** The transfer that the server has begun and not ended. */
  running: string | null = null;
  /** Sides that have closed their writing half, and sides that have been sent an end. */
  readonly ended = { client: false, server: false };
  readonly toldEnd = { client: false, server: false };
  readonly lastChunk = { client: 0, server: 0 };
  readonly ports = new Map<number, Data>();
  /** Ids that wait for `complete`. */
  readonly completions: number[] = [];
  /** Listeners at the server's side that were asked for on ::1. */
  readonly atIpv6 = new Set<number>();
  /** Timers that run. */
  readonly timers: { readonly id: number; readonly ms: number }[] = [];
  closed = false;
  /**
   * The client has been given a reply that was another command's, as it would have been without
   * sshferry.
   */
  outOfStep = false;
  /** The server has said 421, and the client has heard it. */
  readonly goingDown = { said: false, heard: false };
  /** The client's connection broke. */
  lost = false;
  /** Transfers for which the client got a success, by their tag. */
  readonly complete = new Set<string>();
  /** Data connections of which only the drain has said that they are over. */
  readonly drained = new Set<number>();
  /** The server leaves an ABOR or NOOP without a reply: its next reply makes that plain. */
  silent: 'ABOR' | 'NOOP' | null = null;
  checks: Checks = () => {};
  readonly #choices: Choices;
  #at = 0;

  constructor(choices: Choices) {
    this.#choices = choices;
    const temper = this.pick(6);
    this.hostile = temper === 0;
    this.obliging = temper > 2;
    this.asks = ['EPSV', 'EPSV', 'PASV', 'LPSV', 'PORT', 'EPRT'][this.pick(6)] ?? 'EPSV';
    const active = MODES[this.pick(MODES.length)] ?? 'to-passive';
    this.isVsftpd = this.pick(2) === 0;
    this.policy = {
      target: TARGET,
      client: CLIENT,
      dataHost: DATA_HOSTS[this.pick(DATA_HOSTS.length)] ?? 'control',
      active,
      prefetch: this.pick(2) === 0,
      secured: false,
      clientTls: null,
      limits: this.pick(4) === 0 ? TIGHT : DEFAULT_LIMITS,
    };
    this.control = new FtpControl(this.policy);
    this.expected.push({ sent: 'greeting', reply: /^220 greeting/, own: [] });
    this.careless.sends('greeting');
  }

  /** Whether choices are left. */
  get goesOn(): boolean {
    return this.#at < this.#choices.length;
  }

  /** What happened so far, and what came of it. */
  get transcript(): string {
    const who = { client: 'C>', server: 'S>', control: '  ' };
    return this.events
      .map(({ event, words }) => {
        const what = event.on === 'control' ? event.call.toString() : JSON.stringify(latin1(event.bytes));
        return `${who[event.on]} ${what}\n${words.map((word) => `      ${word}\n`).join('')}`;
      })
      .join('');
  }

  pick(n: number): number {
    const choice = this.#choices[this.#at] ?? 0;
    this.#at += 1;
    return choice % n;
  }

  say(side: Side, lines: string): void {
    this.toSend[side] = Buffer.concat([this.toSend[side], Buffer.from(lines, 'latin1')]);
    // Before a reply a CR alone counts as a line end, and becomes one.
    const split = side === 'server' ? lines.replace(/\r(?=[1-6]\d\d)/g, '\r\n') : lines;
    // Telnet's Synch does not pass, and ABOR with its CR alone gets an LF.
    const asPassed = split.replace(/^\xff\xf4\xff\xf2(ABOR\r?)\n?$/, '$1\n');
    for (const line of asPassed.match(/[^\n]*\n/g) ?? []) this.passing[side].push(line);
  }

  feed(side: Side, most: number): void {
    // As src/ftp/plugin.ts does: what is held back pauses its reader.
    if (this.control.holds(side) || this.toSend[side].length === 0 || this.closed) return;
    if (this.ended[side]) return;
    const bytes = this.toSend[side].subarray(0, most);
    this.toSend[side] = this.toSend[side].subarray(most);
    this.lastChunk[side] = bytes.length;
    this.perform({ on: side, bytes });
  }

  perform(event: Event): void {
    const said: string[] = [];
    this.events.push({ event, words: said });
    const actions =
      event.on === 'control' ? event.call(this.control) : this.control.receive(event.on, event.bytes);
    said.push(...words(actions));
    this.checks(actions);
  }

  end(side: Side): void {
    if (this.ended[side]) return;
    this.ended[side] = true;
    this.perform({ on: 'control', call: (control) => control.end(side) });
  }
}

/** Actions on one line each; adjacent bytes to one side are one. */
export function words(actions: readonly Action[]): string[] {
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

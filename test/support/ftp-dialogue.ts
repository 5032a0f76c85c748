import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../../src/core/endpoint.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { Action, DataEnd, Side } from '../../src/ftp/rewrite/action.ts';
import { FtpControl } from '../../src/ftp/rewrite/control.ts';
import { DEFAULT_LIMITS, type FtpLimits, type FtpPolicy } from '../../src/ftp/rewrite/policy.ts';
import { type Direction, latin1 } from '../../src/ftp/wire/command.ts';

/** The address that scenarios tell a client, in place of the server's. */
export const LOCAL: Endpoint = { host: '127.0.0.1', port: 50_000 };
/** LOCAL as PORT and 227 write it. */
export const LOCAL_SIX = '127,0,0,1,195,80';

export const POLICY: FtpPolicy = {
  target: { host: 'ftp.test', port: 21 },
  client: '10.9.8.7',
  dataHost: 'control',
  active: 'to-passive',
  prefetch: false,
  secured: false,
  clientTls: null,
  limits: DEFAULT_LIMITS,
};

/** sshferry's own replies to PASV and EPSV, with LOCAL. */
export const PASSIVE = `227 Entering Passive Mode (${LOCAL_SIX}).`;
export const EXTENDED = `229 Entering Extended Passive Mode (|||${LOCAL.port}|)`;

/** What happens next, and the actions that must follow, as `words` writes them. */
export interface Step {
  readonly event: Event;
  readonly expected: readonly string[];
}

type Event =
  | { readonly on: Side; readonly bytes: Uint8Array }
  | { readonly on: 'control'; readonly tell: (control: FtpControl) => Action[] };

/** Latin-1; a line end is added if it is missing. */
function bytesOf(text: string): Uint8Array {
  return Buffer.from(text.endsWith('\n') ? text : `${text}\r\n`, 'latin1');
}

function tell(expected: string[], tell: (control: FtpControl) => Action[]): Step {
  return { event: { on: 'control', tell }, expected };
}

/** The client sends a line, or several. */
export function client(text: string, ...expected: string[]): Step {
  return { event: { on: 'client', bytes: bytesOf(text) }, expected };
}

/** The server sends a line, or several. */
export function server(text: string, ...expected: string[]): Step {
  return { event: { on: 'server', bytes: bytesOf(text) }, expected };
}

/** As `client` or `server`, without adding a line end. */
export function raw(from: Side, text: string, ...expected: string[]): Step {
  return { event: { on: from, bytes: Buffer.from(text, 'latin1') }, expected };
}

/** An `offer` or `connect` succeeds. */
export function stands(id: number, ...expected: string[]): Step {
  return tell(expected, (control) => control.complete(id, { endpoint: LOCAL }));
}

/** The same, at another address than LOCAL's. */
export function standsAt(id: number, host: string, ...expected: string[]): Step {
  return tell(expected, (control) => control.complete(id, { endpoint: { ...LOCAL, host } }));
}

/** An `offer` or `connect` fails. */
export function fails(id: number, why: string, ...expected: string[]): Step {
  return tell(expected, (control) => control.complete(id, { error: new GatewayError('LISTEN_FAILED', why) }));
}

/** The bytes of a data connection have all arrived, in one direction. */
export function whole(id: number, direction: Direction, ...expected: string[]): Step {
  return tell(expected, (control) => control.dataEnded(id, direction, { how: 'whole' }));
}

/** They have not. */
export function cut(id: number, direction: Direction, by: Side | 'gateway', ...expected: string[]): Step {
  const end: DataEnd = { how: 'cut', by, stood: true, error: new GatewayError('PEER_RESET', `cut by ${by}`) };
  return tell(expected, (control) => control.dataEnded(id, direction, end));
}

/**
 * A data connection has come to nothing before both its ends stood, as DataConnections reports it;
 * by sshferry's account.
 */
export function unreached(
  id: number,
  code: 'CHANNEL_REFUSED' | 'DATA_TIMEOUT',
  why: string,
  ...expected: string[]
): Step {
  const end: DataEnd = { how: 'cut', by: 'gateway', stood: false, error: new GatewayError(code, why) };
  return tell(expected, (control) => [
    ...control.dataEnded(id, 'download', end),
    ...control.dataEnded(id, 'upload', end),
  ]);
}

/** The time of a `timer` is over. */
export function elapses(id: number, ...expected: string[]): Step {
  return tell(expected, (control) => control.elapsed(id));
}

/** A side closes its writing half. */
export function closes(side: Side, ...expected: string[]): Step {
  return tell(expected, (control) => control.end(side));
}

/** A line that goes to the server. */
export function toServer(text: string): string {
  return `> ${latin1(bytesOf(text))}`;
}

/** A line that goes to the client. */
export function toClient(text: string): string {
  return `< ${latin1(bytesOf(text))}`;
}

/** An action on one line; sent bytes in Latin-1. */
export function words(action: Action): string {
  switch (action.type) {
    case 'send':
      return `${action.to === 'server' ? '>' : '<'} ${latin1(action.bytes)}`;
    case 'secure':
      return `secure ${latin1(action.reply).trimEnd()}`;
    case 'protect':
      return `protect ${action.on ? 'on' : 'off'}`;
    case 'end':
      return `end ${action.to}`;
    case 'offer': {
      const reach = action.on === 'local' && action.reach ? REACH : '';
      return `offer ${action.id} ${action.on} ${at(action.dial)} ${action.family}${reach}`;
    }
    case 'dial': {
      const reach = action.reach ? REACH : '';
      return `dial ${action.id} ${at(action.to)}${action.forMs === null ? '' : ' for a while'}${reach}`;
    }
    case 'connect':
      return `connect ${action.id} ${at(action.to)}`;
    case 'halfClose':
      return `half-close ${action.id}`;
    case 'expectClose':
      return `expect-${action.on ? 'close' : 'open'} ${action.id}`;
    case 'abandon':
      return `abandon ${action.id}${action.graceMs > 0 ? ' later' : ''}`;
    case 'transfer':
      return transferWords(action);
    case 'timer':
      return `timer ${action.id} ${action.ms}`;
    case 'log':
      return `log ${action.event}${action.level === 'info' ? ' at info' : ''}`;
    case 'close':
      return `close ${action.reason.code}`;
  }
}

function transferWords(action: Action & { type: 'transfer' }): string {
  const { id } = action;
  if (action.phase === 'start') return `start ${id} ${action.verb} ${action.path} ${action.direction}`;
  const end = `${action.code}${action.error ? ` ${action.error.code}` : ''}`;
  return action.phase === 'end' ? `end ${id} ${end}` : `refused ${id} ${action.verb} ${action.path} ${end}`;
}

const REACH = ' reach';

/** What most scenarios are not about: see Options. */
function withoutDetails(lines: readonly string[]): string[] {
  const isDetail = (line: string) => /^(timer|refused) |^log ftp\.data\.other-kind$/.test(line);
  return lines.filter((line) => !isDetail(line)).map((line) => line.replace(REACH, ''));
}

function at({ host, port }: Endpoint): string {
  return `${host}:${port}`;
}

/** Adjacent bytes to one side are one send. */
function merged(lines: readonly string[]): string[] {
  const result: string[] = [];
  for (const line of lines) {
    const last = result.at(-1);
    if (last !== undefined && /^[<>] /.test(line) && last.startsWith(line.slice(0, 2))) {
      result[result.length - 1] = last + line.slice(2);
    } else result.push(line);
  }
  return result;
}

/**
 * What each side receives, and what else is done, each in its order; but not what is for a 226 that
 * is early.
 */
function streams(lines: readonly string[]): Record<'client' | 'server' | 'rest', string[]> {
  const pick = (test: (line: string) => boolean) => merged(lines.filter(test));
  return {
    client: pick((line) => line.startsWith('< ')),
    server: pick((line) => line.startsWith('> ')),
    rest: lines.filter((line) => !EXPECT.test(line) && !/^[<>] /.test(line)),
  };
}

type Feed = (control: FtpControl, event: Event) => string[];

const feed: Feed = (control, event) => {
  if (event.on === 'control') return event.tell(control).map(words);
  return control.receive(event.on, event.bytes).map(words);
};

const feedBytewise: Feed = (control, event) => {
  if (event.on === 'control') return event.tell(control).map(words);
  return [...event.bytes].flatMap((byte) =>
    control.receive(event.on as Side, Uint8Array.of(byte)).map(words),
  );
};

function play(control: FtpControl, steps: readonly Step[], feedWith: Feed): void {
  for (const [index, { event, expected }] of steps.entries()) {
    // What limits a held 226 is named by the scenarios that are about it.
    const isAbout = expected.some((line) => EXPECT.test(line));
    const seen = feedWith(control, event).filter((line) => isAbout || !EXPECT.test(line));
    expect(merged(seen), `step ${index + 1}`).toEqual(merged(expected));
  }
}

const EXPECT = /^expect-(close|open) /;

/** The same feed, of which only what the scenario is about is seen. */
function seenBy(details: boolean, feedWith: Feed): Feed {
  return details ? feedWith : (control, event) => withoutDetails(feedWith(control, event));
}

/**
 * Moves each line of `side` right after the one before it, unless the other side has spoken in
 * between.
 */
function readAhead(steps: readonly Step[], side: Side): Step[] {
  const result: Step[] = [];
  let open: number | null = null;
  for (const step of steps) {
    const { event } = step;
    const before = open === null ? undefined : result[open];
    if (event.on === side && before?.event.on === side && open !== null) {
      const bytes = Buffer.concat([before.event.bytes, event.bytes]);
      result[open] = { event: { on: side, bytes }, expected: [] };
      continue;
    }
    if (event.on !== 'control') open = event.on === side ? result.length : null;
    result.push(step);
  }
  return result;
}

export interface Options {
  readonly policy?: Partial<FtpPolicy>;
  readonly limits?: Partial<FtpLimits>;
  /**
   * Which sides may have their next lines in the buffer already, with nothing changed but the
   * moment at which they are dealt with. The server may, unless the scenario is about what happens
   * between two of its replies.
   */
  readonly ahead?: readonly Side[];
  /** Whether the scenario begins with the server's 220 and a login. */
  readonly greeted?: boolean;
  readonly loggedIn?: boolean;
  /**
   * Whether to record timers, ports that must be reached before they are advertised, second
   * attempts and refused transfers.
   */
  readonly details?: boolean;
}

const GREETING = server('220 Ready', toClient('220 Ready'));
const LOGIN = [client('USER a', toServer('USER a')), server('230 In', toClient('230 In'))];

/**
 * Runs a dialogue whole, byte by byte, and with the next lines in the buffer: all must come to the
 * same.
 */
export function scenario(name: string, steps: readonly Step[], options: Options = {}): void {
  const { policy, limits, ahead = ['server'], greeted = true, loggedIn = greeted, details = false } = options;
  const start = () =>
    new FtpControl({ ...POLICY, ...policy, limits: { ...DEFAULT_LIMITS, ...policy?.limits, ...limits } });
  const all = [...(greeted ? [GREETING] : []), ...(loggedIn ? LOGIN : []), ...steps];
  const whole = seenBy(details, feed);
  describe(name, () => {
    it('line by line', () => play(start(), all, whole));
    it('byte by byte', () => play(start(), all, seenBy(details, feedBytewise)));
    it.each(ahead)('with the next lines of the %s in the buffer', (side) => {
      const control = start();
      const given = readAhead(all, side).flatMap(({ event }) => whole(control, event));
      expect(streams(given)).toEqual(streams(all.flatMap(({ expected }) => expected)));
    });
  });
}

const SIX = '10,1,1,1,4,1';

/** PASV and all that belongs to it, up to the reply; the data connection has this id. */
export function passive(id: number): Step[] {
  return [
    client('PASV', toServer('PASV')),
    server(`227 Mode (${SIX})`, `offer ${id} local ftp.test:1025 4`),
    stands(id, toClient(PASSIVE)),
  ];
}

/** PORT and all that belongs to it, if the server knows EPSV; the first of the session. */
export function active(id: number): Step[] {
  return [
    client('PORT 10,9,8,7,8,0', toServer('EPSV')),
    server('229 Mode (|||1025|)', `dial ${id} ftp.test:1025`),
    stands(id, toClient('200 PORT command successful')),
  ];
}

/** RETR and its 150. */
export function retrieving(id: number): Step[] {
  return [
    client('RETR f', toServer('RETR f')),
    server('150 Go', `start ${id} RETR f download`, toClient('150 Go')),
  ];
}

/** STOR and its 150. */
export function storing(id: number): Step[] {
  return [
    client('STOR f', toServer('STOR f')),
    server('150 Go', `start ${id} STOR f upload`, toClient('150 Go')),
  ];
}

/** A command that shows that replies still find their commands. */
export function inStep(): Step[] {
  return [client('NOOP', toServer('NOOP')), server('200 OK', toClient('200 OK'))];
}

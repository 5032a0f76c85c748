import { describe, expect, it } from 'vitest';
import type { Answer, Question, ServerAction } from '../../src/ftp/server/action.ts';
import type { Failure } from '../../src/ftp/server/failures.ts';
import { DEFAULT_SERVER_LIMITS, type ServerLimits, type ServerPolicy } from '../../src/ftp/server/policy.ts';
import { FtpServer } from '../../src/ftp/server/server.ts';
import type { FileFacts } from '../../src/ftp/server/store.ts';
import { latin1 } from '../../src/ftp/wire/command.ts';

/** 2026-03-01 12:00 UTC. */
export const NOW = Date.UTC(2026, 2, 1, 12);

export const SERVER_POLICY: ServerPolicy = {
  client: '10.9.8.7',
  local: '10.1.1.1',
  login: 'any',
  access: 'read-write',
  charset: null,
  ascii: 'convert',
  keepPartial: true,
  active: true,
  hashes: ['SHA-256', 'MD5'],
  clientTls: null,
  limits: DEFAULT_SERVER_LIMITS,
  now: () => NOW,
};

/** What happens next, and the actions that must follow, as `words` writes them. */
export interface Step {
  readonly event: Event;
  readonly expected: readonly string[];
}

type Event =
  | { readonly bytes: Uint8Array }
  | { readonly tell: (server: FtpServer, open: number) => ServerAction[] };

/** The client sends a line, or several, in Latin-1; a line end is added if there is none. */
export function client(text: string, ...expected: string[]): Step {
  return raw(text.endsWith('\n') ? text : `${text}\r\n`, ...expected);
}

/** As `client`, without adding a line end. */
export function raw(text: string, ...expected: string[]): Step {
  return { event: { bytes: Buffer.from(text, 'latin1') }, expected };
}

/** The open question gets this answer. */
export function answer(value: unknown, ...expected: string[]): Step {
  return { event: { tell: (server, open) => server.complete(open, { ok: true, value }) }, expected };
}

/** The open question is answered; there is nothing more to say. */
export function done(...expected: string[]): Step {
  return answer(null, ...expected);
}

/** The open question cannot be answered. */
export function fails(reason: Failure['reason'], ...expected: string[]): Step {
  const failure: Failure = { reason, words: `no: ${reason}` };
  return { event: { tell: (server, open) => server.complete(open, { ok: false, failure }) }, expected };
}

/** An answer to an earlier question comes late. */
export function late(id: number, value: Answer, ...expected: string[]): Step {
  return { event: { tell: (server) => server.complete(id, value) }, expected };
}

/** The client closes its side. */
export function ends(...expected: string[]): Step {
  return { event: { tell: (server) => server.end() }, expected };
}

/** The client's connection breaks. */
export function lost(...expected: string[]): Step {
  return { event: { tell: (server) => server.lost() }, expected };
}

/** A reply, or several, to the client. */
export function toClient(text: string): string {
  return `< ${text.endsWith('\n') ? text : `${text}\r\n`}`;
}

/** The facts of a plain file. */
export function file(size: number, more: Partial<FileFacts> = {}): FileFacts {
  return {
    type: 'file',
    size,
    modified: Date.UTC(2026, 1, 3, 4, 5, 6),
    mode: 0o644,
    owner: 'ann',
    group: 'staff',
    unique: '1g2',
    ...more,
  };
}

/** The facts of a directory. */
export function directory(more: Partial<FileFacts> = {}): FileFacts {
  return file(4096, { type: 'directory', mode: 0o755, ...more });
}

/** An action on one line; sent bytes in Latin-1. */
export function words(action: ServerAction): string {
  switch (action.type) {
    case 'send':
      return `< ${latin1(action.bytes)}`;
    case 'secure':
    case 'injected':
      return action.type;
    case 'protect':
      return `protect ${action.on ? 'on' : 'off'}`;
    case 'ask':
      return `? ${action.id} ${inWords(action.question)}`;
    case 'forget':
      return `forget ${action.id}`;
    case 'release':
      return `release ${action.handle}`;
    case 'drop':
      return `drop ${action.port}`;
    case 'transfer':
      return action.phase === 'start'
        ? `start ${action.id} ${action.verb} ${action.path} ${action.direction} ${action.size}`
        : `end ${action.id} ${action.code}`;
    case 'note':
      return `note ${action.event}`;
    case 'close':
      return 'close';
  }
}

function inWords(question: Question): string {
  switch (question.kind) {
    case 'read':
      return `read ${question.path} ${question.range.start}-${question.range.end ?? ''}`;
    case 'write': {
      const { mode, size } = question;
      const start = mode.kind === 'resume' ? ` ${mode.start}` : '';
      return `write ${question.path} ${mode.kind}${start}${size === null ? '' : ` size ${size}`}`;
    }
    case 'finish':
      return `finish ${question.handle}`;
    case 'abort':
      return `abort ${question.handle} ${question.keep ? 'keep' : 'remove'}`;
    case 'rename':
      return `rename ${question.from} ${question.to} ${question.replace ? 'replace' : 'free'}`;
    case 'set-modified':
      return `set-modified ${question.path} ${question.time}`;
    case 'set-mode':
      return `set-mode ${question.path} ${question.mode.toString(8)}`;
    case 'hash':
      return `hash ${question.path} ${question.algorithm} ${question.range.start}-${question.range.end}`;
    case 'collect':
      return `collect ${question.handle} ${question.most}`;
    case 'verify':
      return `verify ${question.user} ${latin1(question.password)}`;
    case 'delay':
      return `delay ${question.ms}`;
    case 'listen':
      return `listen ${question.port} ${question.family}`;
    case 'accept':
      return `accept ${question.port}`;
    case 'dial':
      return `dial ${question.port} ${question.to.host}:${question.to.port}`;
    case 'receive':
      return `receive ${question.port} ${question.handle} ${question.conversion}`;
    case 'send': {
      const { source, conversion, port } = question;
      const from = source.from === 'entries' ? source.entries.map(({ name }) => name).join() : source.handle;
      if (source.from === 'file') return `send ${port} ${from} ${conversion}`;
      const { format, all, pattern, prefix, only } = source.style;
      const parts = [
        all && 'all',
        pattern && `pattern ${pattern}`,
        prefix && `prefix ${prefix}`,
        only && `only ${only}`,
      ];
      return [`send ${port} ${from} ${format}`, ...parts.filter(Boolean)].join(' ');
    }
    default:
      return `${question.kind} ${question.path}`.trim();
  }
}

/** Adjacent replies are one. */
function merged(lines: readonly string[]): string[] {
  const result: string[] = [];
  for (const line of lines) {
    if (line.startsWith('< ') && result.at(-1)?.startsWith('< ')) result[result.length - 1] += line.slice(2);
    else result.push(line);
  }
  return result;
}

/** Feeds a server, and remembers which question is open. */
class Player {
  readonly #server: FtpServer;
  #open = 0;

  constructor(policy: ServerPolicy) {
    this.#server = new FtpServer(policy);
    this.#note(this.#server.start());
  }

  perform(event: Event, bytewise = false): string[] {
    if ('tell' in event) return this.#note(event.tell(this.#server, this.#open));
    if (!bytewise) return this.#note(this.#server.receive(event.bytes));
    return [...event.bytes].flatMap((byte) => this.#note(this.#server.receive(Uint8Array.of(byte))));
  }

  #note(actions: ServerAction[]): string[] {
    for (const action of actions) if (action.type === 'ask') this.#open = action.id;
    return actions.map(words);
  }
}

export interface Options {
  readonly policy?: Partial<ServerPolicy>;
  readonly limits?: Partial<ServerLimits>;
  /** Whether the scenario begins with the login. */
  readonly loggedIn?: boolean;
  /**
   * Whether the same must come of all commands arriving at once; not if the scenario is about when
   * they arrive.
   */
  readonly ahead?: boolean;
}

const LOGIN = [
  client('USER ann', toClient('331 Send the password')),
  client('PASS x', toClient('230 Logged in')),
];

/**
 * Runs a dialogue command by command, byte by byte, and with all commands in the buffer: all must
 * come to the same.
 */
export function scenario(name: string, steps: readonly Step[], options: Options = {}): void {
  const { policy, limits, loggedIn = true, ahead = true } = options;
  const start = () =>
    new Player({
      ...SERVER_POLICY,
      ...policy,
      limits: { ...DEFAULT_SERVER_LIMITS, ...policy?.limits, ...limits },
    });
  const all = loggedIn ? [...LOGIN, ...steps] : steps;
  const play = (bytewise: boolean) => {
    const player = start();
    for (const [index, { event, expected }] of all.entries()) {
      const given = player.perform(event, bytewise);
      expect(merged(given), `step ${index + 1}`).toEqual(merged(expected));
    }
  };
  describe(name, () => {
    it('command by command', () => play(false));
    it('byte by byte', () => play(true));
    if (!ahead) return;
    it('with all commands in the buffer', () => {
      const player = start();
      const bytes = Buffer.concat(all.flatMap(({ event }) => ('bytes' in event ? [event.bytes] : [])));
      const others = all.filter(({ event }) => !('bytes' in event));
      const given = [{ event: { bytes } }, ...others].flatMap(({ event }) => player.perform(event));
      expect(merged(given)).toEqual(merged(all.flatMap(({ expected }) => expected)));
    });
  });
}

/** EPSV and its reply, the port has this id; `question` is the id of the next question. */
export function passive(port: number, question: number): Step[] {
  return [
    client('EPSV', `? ${question} listen ${port} any`),
    answer({ host: '10.1.1.1', port: 50_000 }, toClient('229 Entering Extended Passive Mode (|||50000|)')),
  ];
}

/** TYPE I and its reply. */
export const IMAGE = client('TYPE I', toClient('200 Type is image'));

/** The reply that begins a download of `f`, in TYPE I. */
export const OPENED = toClient('150 Opening BINARY mode data connection for f (10 bytes)');

/** RETR up to the data: the data port is 1, the file's handle 2, and the open question 4. */
export const retrieving: readonly Step[] = [
  IMAGE,
  ...passive(1, 1),
  client('RETR f', '? 2 read f 0-'),
  answer({ size: 10 }, '? 3 accept 1'),
  done(OPENED, 'start 2 RETR f download 10', '? 4 send 1 2 none'),
];

/** STOR up to the data, with the same numbers. */
export const storing: readonly Step[] = [
  IMAGE,
  ...passive(1, 1),
  client('STOR f', '? 2 write f replace'),
  done('? 3 accept 1'),
  done(toClient('150 Ready for f'), 'start 2 STOR f upload null', '? 4 receive 1 2 none'),
];

/** A command that shows that the session goes on. */
export function inStep(): Step[] {
  return [client('NOOP', toClient('200 OK'))];
}

import type { Endpoint } from '../../core/endpoint.ts';
import type { Direction } from '../wire/command.ts';
import { ControlSecurity } from '../wire/security.ts';
import { type Access, type Operation, permits } from './access.ts';
import type { NoteEvent, Progress, ServerAction } from './action.ts';
import type { Conversion } from './ascii.ts';
import { FACT_NAMES, type FactName } from './facts.ts';
import { type FailureContext, failureReply } from './failures.ts';
import { NameCodec } from './names.ts';
import { OwnFiles } from './own-files.ts';
import { absolute, ROOT, resolvePath, type StorePath } from './path.ts';
import type { ServerPolicy } from './policy.ts';
import { quoted, type Reply, reply, replyBytes } from './replies.ts';
import { Refusal } from './steps.ts';
import type { ByteRange, HashAlgorithm } from './store.ts';

/** The data port for the next transfer: a listener of the server, or the client's own address. */
export type DataPort =
  | { readonly id: number; readonly listens: true }
  | { readonly id: number; readonly listens: false; readonly to: Endpoint };

/** The running transfer; its 150 was sent. */
export interface RunningTransfer {
  readonly id: number;
  readonly verb: string;
  readonly path: string;
  readonly direction: Direction;
  readonly progress: Progress;
}

/** The settings of a client, which REIN resets (RFC 959 4.1.1). */
interface Settings {
  /** The argument of USER; null before it. */
  user: string | null;
  /** The access of the account; null before the login. */
  access: Access | null;
  cwd: StorePath;
  type: 'ascii' | 'image';
  /** From REST or RANG, for the next transfer. */
  range: ByteRange;
  renameFrom: StorePath | null;
  /** From ALLO, for the next upload. */
  allocated: number | null;
  epsvAll: boolean;
  names: NameCodec;
  /** The character set of `names`; null for UTF-8. */
  charset: string | null;
  facts: readonly FactName[];
  hash: HashAlgorithm | null;
}

/** All bytes of a file. */
export const WHOLE: ByteRange = { start: 0, end: null };

/** One control connection as its commands see it: the client's settings, and the way to reply. */
export class ServerSession {
  readonly policy: ServerPolicy;
  settings: Settings;
  /** For the next transfer. */
  port: DataPort | null = null;
  transfer: RunningTransfer | null = null;
  failedLogins = 0;
  /** Set by a command to close the connection after its reply. */
  closing = false;
  readonly own: OwnFiles;
  /** TLS with the client; null if there is none. */
  readonly security: ControlSecurity | null;
  #lastPort = 0;
  readonly emit: (action: ServerAction) => void;

  constructor(policy: ServerPolicy, emit: (action: ServerAction) => void) {
    this.policy = policy;
    this.emit = emit;
    this.own = new OwnFiles(policy.limits.own);
    this.security = policy.clientTls && new ControlSecurity(policy.clientTls);
    this.settings = this.#initial();
  }

  send(message: Reply): void {
    this.emit({ type: 'send', bytes: replyBytes(message) });
  }

  /** Logs something. */
  note(event: NoteEvent, text: string, user: string | null = null): void {
    this.emit({ type: 'note', event, text, user });
  }

  /** Notes a login. It starts at the root: another account may have another folder. */
  login(access: Access): void {
    Object.assign(this.settings, { access, cwd: ROOT, renameFrom: null });
    this.own.clear();
    this.failedLogins = 0;
  }

  /** Forgets the login and everything that was set. */
  reset(): void {
    this.settings = this.#initial();
    this.own.clear();
    this.dropPort();
  }

  newPortId(): number {
    this.#lastPort += 1;
    return this.#lastPort;
  }

  /** Drops the port for the next transfer; returns whether one existed. */
  dropPort(): boolean {
    if (this.port === null) return false;
    // The client's own port needs no action before it is dialled.
    if (this.port.listens) this.emit({ type: 'drop', port: this.port.id });
    this.port = null;
    return true;
  }

  /** The access of the account. Before the login no command uses it; it is the narrowest then. */
  get access(): Access {
    return this.settings.access ?? 'upload-only';
  }

  /** Returns how TYPE converts the bytes of a file in this direction. */
  conversion(direction: Direction): Conversion {
    if (this.settings.type === 'image' || this.policy.ascii === 'binary') return 'none';
    return direction === 'download' ? 'to-network' : 'from-network';
  }

  /** Returns the path of a client's name; an impossible name ends the command. */
  path(name: string, context: FailureContext = 'file'): StorePath {
    const { names, cwd } = this.settings;
    const stored = names.toStore(name);
    const path = stored === null ? null : resolvePath(cwd, stored);
    if (path !== null) return path;
    const words = stored === null ? 'not a name in the character set of this session' : 'not a possible name';
    throw new Refusal(failureReply({ reason: 'bad-name', words }, context, name));
  }

  /** Returns a path as the client names it, absolute. */
  shown(path: StorePath): string {
    return this.settings.names.toClient(absolute(path));
  }

  /** Returns a path as 257 names it. */
  quoted(path: StorePath): string {
    return quoted(this.shown(path));
  }

  permits(operation: Operation, path: StorePath): boolean {
    return permits(this.access, operation, this.own.has(path));
  }

  /** Ends the command unless the account permits the operation. */
  demand(operation: Operation, path: StorePath): void {
    if (!this.permits(operation, path))
      throw new Refusal(reply(550, `Not permitted: access is ${this.access}`));
  }

  /** Returns the range of REST or RANG, and forgets it: it holds for one transfer. */
  takeRange(): ByteRange {
    const { range } = this.settings;
    this.settings.range = WHOLE;
    return range;
  }

  /** Returns the size of ALLO, and forgets it: it holds for one upload. */
  takeAllocated(): number | null {
    const { allocated } = this.settings;
    this.settings.allocated = null;
    return allocated;
  }

  #initial(): Settings {
    const { charset, hashes } = this.policy;
    return {
      user: null,
      access: null,
      cwd: ROOT,
      // RFC 959 5.1: the default is ASCII Non-print.
      type: 'ascii',
      range: WHOLE,
      renameFrom: null,
      allocated: null,
      epsvAll: false,
      names: new NameCodec(charset),
      charset,
      facts: FACT_NAMES,
      hash: hashes[0] ?? null,
    };
  }
}

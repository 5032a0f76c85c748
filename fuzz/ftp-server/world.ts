import type { Access } from '../../src/ftp/server/access.ts';
import type { Answer, Question, ServerAction } from '../../src/ftp/server/action.ts';
import type { Failure } from '../../src/ftp/server/failures.ts';
import type { FileFacts } from '../../src/ftp/server/store.ts';
import type { Pick } from './script.ts';

const REASONS: readonly Failure['reason'][] = [
  'not-found',
  'permission',
  'exists',
  'not-empty',
  'is-directory',
  'not-directory',
  'bad-name',
  'bad-offset',
  'no-space',
  'quota',
  'busy',
  'changed',
  'unavailable',
  'unsupported',
  'failed',
];
const NAMES = ['a', '.h', 'a\r\n226 Transfer complete', '\xff', 'x y', '日'];

type State = 'reading' | 'writing' | 'received' | 'finished' | 'broken' | 'gone';

/**
 * The store, the accounts and the network behind a server, as far as its questions and actions tell
 * of them.
 */
export class World {
  /** The one open question. */
  open: { readonly id: number; readonly question: Question } | null = null;
  readonly #handles = new Map<number, State>();
  readonly #ports = new Map<number, 'listening' | 'announced' | 'connected' | 'over'>();
  #lastId = 0;
  /** The running transfer, and whether it is whole; null if none runs. */
  #transfer: { readonly id: number; complete: boolean } | null = null;
  /** Null before the login. */
  access: Access | null = null;
  readonly #granted: Access;
  readonly #anyUser: boolean;

  constructor(granted: Access, anyUser: boolean) {
    this.#granted = granted;
    this.#anyUser = anyUser;
  }

  /** Takes an action; throws if it breaks a rule of action.ts or store.ts. */
  take(action: ServerAction): void {
    switch (action.type) {
      case 'ask':
        if (this.open !== null)
          throw new Error(`${action.question.kind} while ${this.open.question.kind} is open`);
        if (action.id <= this.#lastId) throw new Error(`id ${action.id} again`);
        this.#lastId = action.id;
        this.#check(action.question);
        this.open = action;
        return;
      case 'forget':
        return this.#forget(action.id);
      case 'release':
        this.#expect(action.handle, ['reading']);
        this.#handles.set(action.handle, 'gone');
        return;
      case 'drop':
        if (!this.#ports.has(action.port) || this.#ports.get(action.port) === 'over') {
          throw new Error(`drop of ${action.port}`);
        }
        this.#ports.set(action.port, 'over');
        return;
      case 'transfer':
        if (action.phase === 'start') {
          if (this.#transfer !== null) throw new Error('two transfers at once');
          this.#transfer = { id: action.id, complete: false };
        } else {
          if (this.#transfer?.id !== action.id) throw new Error(`end of ${action.id}`);
          if (action.code < 300 && !this.#transfer.complete)
            throw new Error('226 for an incomplete transfer');
          this.#transfer = null;
        }
        return;
      case 'note':
        if (/secret/.test(JSON.stringify(action))) throw new Error('a password in the log');
        return;
      default:
    }
  }

  /** Returns an answer to the open question, and what it means for the world. */
  answer(pick: Pick, works: boolean): { id: number; answer: Answer } | null {
    if (this.open === null) return null;
    const { id, question } = this.open;
    this.open = null;
    if (!works && question.kind !== 'delay') {
      const reason = question.kind === 'verify' ? 'unavailable' : this.#reason(question, pick);
      if (question.kind === 'receive' || question.kind === 'finish')
        this.#handles.set(question.handle, 'broken');
      if (question.kind === 'abort' || question.kind === 'collect')
        this.#handles.set(question.handle, 'gone');
      return { id, answer: { ok: false, failure: { reason, words: 'no\r\n226 yes' } } };
    }
    return { id, answer: { ok: true, value: this.#value(id, question, pick) } };
  }

  /** What must be true once the server has said `close`. */
  checkEnd(): void {
    if (this.open !== null) throw new Error(`${this.open.question.kind} is open at the end`);
    for (const [id, state] of this.#handles) {
      if (state !== 'gone' && state !== 'finished') throw new Error(`handle ${id} is left ${state}`);
    }
    for (const [id, state] of this.#ports)
      if (state !== 'over') throw new Error(`port ${id} is left ${state}`);
    if (this.#transfer !== null) throw new Error('a transfer without an end');
  }

  #reason({ kind }: Question, pick: Pick): Failure['reason'] {
    const network = ['listen', 'accept', 'dial'].includes(kind);
    if (network || (['send', 'receive'].includes(kind) && pick(2) === 0)) return 'connection';
    return REASONS[pick(REASONS.length)] ?? 'failed';
  }

  #value(id: number, question: Question, pick: Pick): unknown {
    switch (question.kind) {
      case 'stat':
        return this.#facts(pick);
      case 'list':
        this.#handles.set(id, 'reading');
        return null;
      case 'read':
        this.#handles.set(id, 'reading');
        return { size: pick(100) };
      case 'write':
        this.#handles.set(id, 'writing');
        return null;
      case 'finish':
        this.#handles.set(question.handle, 'finished');
        if (this.#transfer !== null) this.#transfer.complete = true;
        return null;
      case 'abort':
        this.#handles.set(question.handle, 'gone');
        return null;
      case 'receive':
        this.#handles.set(question.handle, 'received');
        this.#ports.set(question.port, 'over');
        return null;
      case 'send':
        this.#ports.set(question.port, 'over');
        if (this.#transfer !== null) this.#transfer.complete = true;
        return null;
      case 'accept':
      case 'dial':
        this.#ports.set(question.port, 'connected');
        return null;
      case 'listen':
        this.#ports.set(question.port, 'announced');
        return { host: '10.1.1.1', port: 50_000 };
      case 'collect':
        this.#handles.set(question.handle, 'gone');
        return pick(4) === 0 ? null : NAMES.map((name) => ({ name, facts: this.#facts(pick) }));
      case 'verify': {
        const verdict = pick(4);
        if (verdict > 1) this.access = this.#granted;
        return verdict === 0 ? 'wrong' : verdict === 1 ? 'locked' : { access: this.#granted };
      }
      case 'available':
        return 1000;
      case 'hash':
        return 'abcdef';
      default:
        return null;
    }
  }

  #facts(pick: Pick): FileFacts {
    const type = (['file', 'file', 'directory', 'link', 'other'] as const)[pick(5)] ?? 'file';
    return { type, size: pick(100), modified: null, mode: null, owner: null, group: 'a;b\r\n', unique: null };
  }

  #forget(id: number): void {
    if (this.open?.id !== id) throw new Error(`forget of ${id}, which is not open`);
    const { question } = this.open;
    this.open = null;
    if (question.kind === 'finish' || question.kind === 'abort')
      throw new Error(`${question.kind} is forgotten`);
    if (question.kind === 'receive') this.#handles.set(question.handle, 'broken');
    if (question.kind === 'collect') this.#handles.set(question.handle, 'gone');
    // The server never got the port. The I/O closes it with the session.
    if (question.kind === 'listen') this.#ports.set(question.port, 'over');
  }

  #check(question: Question): void {
    for (const path of pathsIn(question)) {
      if (!isBelowRoot(path)) throw new Error(`${question.kind} of ${JSON.stringify(path)}`);
    }
    switch (question.kind) {
      case 'verify':
        if (this.#anyUser) throw new Error('verify for any user');
        return;
      case 'delay':
        return;
      case 'finish':
        return this.#expect(question.handle, ['received']);
      case 'abort':
        return this.#expect(question.handle, ['writing', 'broken']);
      case 'collect':
        return this.#expect(question.handle, ['reading']);
      default:
    }
    if (this.access === null) throw new Error(`${question.kind} before the login`);
    switch (question.kind) {
      case 'listen':
        if (this.#ports.has(question.port)) throw new Error(`port ${question.port} again`);
        this.#ports.set(question.port, 'listening');
        return;
      case 'accept':
        if (this.#ports.get(question.port) !== 'announced') throw new Error(`accept on ${question.port}`);
        return;
      case 'dial':
        if (question.to.host !== '10.9.8.7' || question.to.port < 1024)
          throw new Error(`dials ${question.to.host}`);
        this.#ports.set(question.port, 'announced');
        return;
      case 'send':
        if (question.source.from !== 'entries') this.#expect(question.source.handle, ['reading']);
        return this.#connected(question.port);
      case 'receive':
        this.#expect(question.handle, ['writing']);
        return this.#connected(question.port);
      default:
        this.#permitted(question);
    }
  }

  #permitted(question: Question): void {
    const { kind } = question;
    if (this.access === 'read-only' && !['stat', 'list', 'read', 'available', 'hash'].includes(kind)) {
      throw new Error(`${kind} by a reader`);
    }
    if (this.access !== 'upload-only') return;
    const creates = kind === 'write' && question.mode.kind === 'create';
    const renames = kind === 'rename' && !question.replace;
    if (creates || renames) return;
    if (['read', 'remove', 'remove-directory', 'hash', 'write', 'rename'].includes(kind)) {
      throw new Error(`${kind} by an uploader`);
    }
  }

  #connected(port: number): void {
    if (this.#ports.get(port) !== 'connected')
      throw new Error(`data on port ${port}, which is ${this.#ports.get(port)}`);
  }

  #expect(handle: number, states: readonly State[]): void {
    const state = this.#handles.get(handle);
    if (state === undefined || !states.includes(state)) throw new Error(`handle ${handle} is ${state}`);
  }
}

function pathsIn(question: Question): string[] {
  const { path, from, to } = question as { path?: unknown; from?: unknown; to?: unknown };
  return [path, from, to].filter((value): value is string => typeof value === 'string');
}

function isBelowRoot(path: string): boolean {
  if (path === '') return true;
  const names = path.split('/');
  return (
    names.every((name) => !['', '.', '..'].includes(name) && !/[\0\r\n]/.test(name)) && path.length <= 4096
  );
}

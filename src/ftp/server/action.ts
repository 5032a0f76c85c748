import type { Endpoint } from '../../core/endpoint.ts';
import type { Direction } from '../command.ts';
import type { Access } from './access.ts';
import type { Conversion } from './ascii.ts';
import type { Failure } from './failures.ts';
import type { ListingStyle } from './listing.ts';
import type { StorePath } from './path.ts';
import type { ByteRange, DirectoryEntry, FileFacts, HashAlgorithm, WriteMode } from './store.ts';

/** What FtpServer wants done, in this order. Ids of questions and of data ports are never used twice. */
export type ServerAction =
  /** Bytes for the client's control connection. */
  | { type: 'send'; bytes: Uint8Array }
  /** To be answered by `complete(id, …)`, later. At most one question is open at a time. */
  | { type: 'ask'; id: number; question: Question }
  /**
   * The open question is dropped; no answer is expected. What it opens all the same is closed, a sink by `abort(false)`. A sink
   * that `receive` was writing to stays open.
   */
  | { type: 'forget'; id: number }
  /** A file or directory that was open for reading is not needed any more. */
  | { type: 'release'; handle: number }
  /** A data port is not needed any more: its listener is closed, its connection reset. */
  | { type: 'drop'; port: number }
  /** 150 was sent. `id` is the handle or question that the bytes come from or go to; `size` is null if unknown. */
  | {
      type: 'transfer';
      phase: 'start';
      id: number;
      verb: string;
      path: string;
      direction: Direction;
      user: string;
      size: number | null;
      progress: Progress;
    }
  /** The final reply of that transfer was sent; `words` is its text. */
  | { type: 'transfer'; phase: 'end'; id: number; code: number; words: string }
  /** Something to log. */
  | { type: 'note'; event: string; text: string; user: string | null; warn: boolean }
  /** Nothing follows. Close the control connection once everything is sent. */
  | { type: 'close' };

/** The bytes that a transfer has carried so far. Whoever carries them counts; the server only reads it. */
export interface Progress {
  bytes: number;
}

/** Where the bytes of a download come from: an open file, an open directory, or entries that are known already. */
export type Source =
  | { readonly handle: number }
  | { readonly handle: number; readonly style: ListingStyle }
  | { readonly entries: readonly DirectoryEntry[]; readonly style: ListingStyle };

/** What FtpServer asks. The handle of what `list`, `read` and `write` open is the id of the question. */
export type Question =
  // Of the file store; see FileStore for what each does.
  | { kind: 'stat'; path: StorePath }
  | { kind: 'list'; path: StorePath }
  | { kind: 'read'; path: StorePath; range: ByteRange }
  | { kind: 'write'; path: StorePath; mode: WriteMode; size: number | null }
  | { kind: 'finish'; handle: number }
  | { kind: 'abort'; handle: number; keep: boolean }
  | { kind: 'make-directory'; path: StorePath }
  | { kind: 'remove-directory'; path: StorePath }
  | { kind: 'remove'; path: StorePath }
  | { kind: 'rename'; from: StorePath; to: StorePath; replace: boolean }
  | { kind: 'set-modified'; path: StorePath; time: number }
  | { kind: 'set-mode'; path: StorePath; mode: number }
  | { kind: 'available'; path: StorePath }
  | { kind: 'hash'; path: StorePath; algorithm: HashAlgorithm; range: ByteRange }
  /** All entries of an open directory, which is closed then; null if there are more than `most`. */
  | { kind: 'collect'; handle: number; most: number }
  // Of the accounts.
  | { kind: 'verify'; user: string; password: Uint8Array }
  /** To be answered after so many milliseconds. */
  | { kind: 'delay'; ms: number }
  // Of the network.
  /** Bind a listener that takes one connection, from the client's address. `family: 4` if only an IPv4 address can be told. */
  | { kind: 'listen'; port: number; family: 4 | 'any' }
  /** Answered when the client has connected to that listener, or if it does not in time. */
  | { kind: 'accept'; port: number }
  | { kind: 'dial'; port: number; to: Endpoint }
  /** Answered when the client's side has everything: flushed, and the connection closed by a FIN. */
  | { kind: 'send'; port: number; source: Source; conversion: Conversion; progress: Progress }
  /** Answered when the client has closed its side, and the sink has taken every byte. */
  | { kind: 'receive'; port: number; handle: number; conversion: Conversion; progress: Progress };

/** What the answer to each kind of question holds. */
export interface Answers {
  stat: FileFacts;
  list: null;
  /** How many bytes the range has. */
  read: { readonly size: number };
  write: null;
  finish: null;
  abort: null;
  'make-directory': null;
  'remove-directory': null;
  remove: null;
  rename: null;
  'set-modified': null;
  'set-mode': null;
  available: number;
  hash: string;
  collect: readonly DirectoryEntry[] | null;
  verify: Verdict;
  delay: null;
  listen: Endpoint;
  accept: null;
  dial: null;
  send: null;
  receive: null;
}

export type QuestionKind = keyof Answers & Question['kind'];
export type QuestionOf<K extends QuestionKind> = Extract<Question, { kind: K }>;

/** What came of a login. `locked`: the address has failed too often, and the password was not looked at. */
export type Verdict = { readonly access: Access } | 'wrong' | 'locked';

/** The answer to a question: a value of `Answers`, or why there is none. */
export type Answer<T = unknown> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: Failure };

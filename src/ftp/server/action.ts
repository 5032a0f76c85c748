import type { Endpoint } from '../../core/endpoint.ts';
import type { Direction } from '../wire/command.ts';
import type { Access } from './access.ts';
import type { Conversion } from './ascii.ts';
import type { Failure } from './failures.ts';
import type { ListingStyle } from './listing.ts';
import type { StorePath } from './path.ts';
import type { ByteRange, DirectoryEntry, FileFacts, HashAlgorithm, WriteMode } from './store.ts';

/**
 * The actions of FtpServer, to be carried out in this order. Ids of questions and of data ports are
 * never used twice.
 */
export type ServerAction =
  /** Bytes for the client's control connection. */
  | { type: 'send'; bytes: Uint8Array }
  /** What comes next from the client, and goes to it, is in TLS: see ClientTls. */
  | { type: 'secure' }
  /** Data connections of the client from now on are in TLS, or not. */
  | { type: 'protect'; on: boolean }
  /** Bytes came in the clear where TLS had to begin: the session has to end. */
  | { type: 'injected' }
  /** To be answered by `complete(id, …)`, later. At most one question is open at a time. */
  | { type: 'ask'; id: number; question: Question }
  /**
   * Drops the open question; no answer is expected. If it opens something all the same, close that,
   * a sink by `abort(false)`. A sink that `receive` was writing to stays open.
   */
  | { type: 'forget'; id: number }
  /** Close a file or directory that is open for reading. */
  | { type: 'release'; handle: number }
  /** Close the listener of a data port and reset its connection. */
  | { type: 'drop'; port: number }
  /** A transfer began: 150 was sent. `size`, in bytes, is null if unknown. */
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
  /** A warning to log. */
  | { type: 'note'; event: NoteEvent; text: string; user: string | null }
  /** The last action. Close the control connection after everything is sent. */
  | { type: 'close' };

/** The events of the log that the server decides about. */
export type NoteEvent = 'ftp.bounce' | 'ftp.login.failed';

/**
 * The bytes that a transfer has carried so far. The I/O counts them, the server only reads the
 * count.
 */
export interface Progress {
  bytes: number;
}

/** A list to send: of an open directory, or of entries that are known already. */
export type ListSource =
  | { readonly from: 'directory'; readonly handle: number; readonly style: ListingStyle }
  | {
      readonly from: 'entries';
      readonly entries: readonly DirectoryEntry[];
      readonly style: ListingStyle;
    };

/** Where the bytes of a download come from: an open file, or a list. */
export type Source = { readonly from: 'file'; readonly handle: number } | ListSource;

/**
 * The questions of FtpServer. The handle that `list`, `read` and `write` open is the id of the
 * question.
 */
export type Question =
  // To the file store; FileStore says what each does.
  | { kind: 'stat'; path: StorePath; next?: 'read' | null }
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
  /** Returns all entries of an open directory and closes it; null if it has more than `most`. */
  | { kind: 'collect'; handle: number; most: number }
  // To the accounts.
  | { kind: 'verify'; user: string; password: Uint8Array }
  /** Answer after so many milliseconds. */
  | { kind: 'delay'; ms: number }
  // To the network.
  /**
   * Bind a listener that takes one connection, from the client's address. `family: 4` if the reply
   * can only name an IPv4 address.
   */
  | { kind: 'listen'; port: number; family: 4 | 'any' }
  /** Answer when the client has connected to that listener, or did not in time. */
  | { kind: 'accept'; port: number }
  | { kind: 'dial'; port: number; to: Endpoint }
  /** Answer when every byte was flushed to the client and the connection closed with a FIN. */
  | { kind: 'send'; port: number; source: Source; conversion: Conversion; progress: Progress }
  /** Answer when the client has closed its side and the sink has taken every byte. */
  | { kind: 'receive'; port: number; handle: number; conversion: Conversion; progress: Progress };

/** The value of the answer to each kind of question. */
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

/**
 * The result of a login. `locked`: the address failed too often, and the password was not checked.
 */
export type Verdict = { readonly access: Access } | 'wrong' | 'locked';

/** The answer to a question: a value of `Answers`, or why there is none. */
export type Answer<T = unknown> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: Failure };

import type { Endpoint } from '../../core/endpoint.ts';
import type { NamedPort } from '../wire/address.ts';
import type { Direction } from '../wire/command.ts';
import type { DataPort } from './data-ports.ts';

/**
 * A command whose final reply has not been passed on. They stand in a FIFO in the order in which
 * the client expects replies, which is the order in which the server sends them.
 */
export type Pending = Greeting | Passed | Feat | PortRequest | RemotePort | Transfer | LocalReply | Hidden;

/** The connection itself, which 220 answers. */
export interface Greeting {
  readonly kind: 'greeting';
  readonly verb: '';
}

/** A command that passes; `done` sees its final reply's code and last line (Latin-1). */
export interface Passed {
  readonly kind: 'passed';
  readonly verb: string;
  /** Its argument, for logs. */
  readonly path: string;
  readonly done: (code: number, line: string) => void;
}

/** FEAT, whose reply loses the lines of what sshferry refuses. */
export interface Feat {
  readonly kind: 'feat';
  readonly verb: 'FEAT';
}

/** The commands with which a client asks for a data connection. */
export type PassiveVerb = 'PASV' | 'EPSV' | 'LPSV';
export type ActiveVerb = 'PORT' | 'EPRT' | 'LPRT';
export type PortVerb = PassiveVerb | ActiveVerb;

/**
 * PASV, EPSV or LPSV at the server, on behalf of any of the commands that ask for a data
 * connection.
 */
export interface PortRequest {
  readonly kind: 'port';
  /** The client's command; null until the client claims a request of Prefetch's. */
  verb: PortVerb | null;
  /** The command that the server was sent. */
  readonly asked: PassiveVerb;
  /** Where the client listens, for PORT, EPRT and LPRT. */
  readonly client: Endpoint | null;
  /** The refusal of the first attempt, if this is the second: the client gets it if both fail. */
  readonly refusal: Refusal | null;
  /**
   * Whether that refusal answered an earlier command: the reply to the first attempt has come after
   * all.
   */
  mistaken: boolean;
  /** The port in that reply, until the one to the second attempt comes. */
  late: NamedPort | null;
}

/** Why an attempt failed. */
export interface Refusal {
  /** The reply that the client gets. */
  readonly bytes: Uint8Array;
  /** Why the port that the server named is of no use, for the log; null if the server refused. */
  readonly ours: string | null;
}

/** PORT or EPRT at the server, naming a listener at its side in place of the client's own. */
export interface RemotePort {
  readonly kind: 'remote';
  /** The client's command. */
  readonly verb: ActiveVerb;
  readonly client: Endpoint;
  readonly port: DataPort;
  readonly family: 4 | 6;
  /** The server's refusal of the first address, if this is the second attempt. */
  readonly refusal: Uint8Array | null;
}

/** A command that uses a data connection. */
export interface Transfer {
  readonly kind: 'transfer';
  readonly verb: string;
  readonly path: string;
  readonly direction: Direction;
  /** Which one: known once every earlier command has had its reply; null if none was asked for. */
  port: DataPort | null;
  /** The server has said that it begins. */
  started: boolean;
  /** Its beginning has been reported, for status and logs. */
  reported: boolean;
  /** The client has its final reply from sshferry; the server's is still to come and is dropped. */
  failedEarly: boolean;
  /** Its data connection failed; the server has a little time to say what became of it. */
  failing: boolean;
  /** The server has been asked for another port right after it. */
  followed: boolean;
}

/** A command that sshferry answers itself and that the server never sees. */
export interface LocalReply {
  readonly kind: 'local';
  readonly verb: string;
  readonly reply: Uint8Array;
  /** Called when its turn has come. If it returns false, the reply is not sent. */
  readonly onDue?: (() => boolean) | undefined;
}

/** A command that sshferry sent on its own; the client sees nothing of its reply. */
export interface Hidden {
  readonly kind: 'hidden';
  readonly verb: string;
}

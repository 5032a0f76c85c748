import type { Endpoint } from '../../core/endpoint.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Direction } from '../wire/command.ts';
import type { Action, DataEnd } from './action.ts';

/** A data connection that was agreed upon, from the reply that names it to the end of its bytes. */
export interface DataPort {
  readonly id: number;
  /**
   * Where to reach the client in active mode; null in passive mode, and once it is being reached.
   */
  connect: Endpoint | null;
  /**
   * The family of the loopback address at which the server connects, for FtpActive=remote-forward.
   */
  remote: 4 | 6 | null;
  readonly ends: Record<Direction, DataEnd | null>;
  /** The writing half at the server's end is closed: the client sends nothing. */
  halfClosed: boolean;
  /** The server has said that the transfer is complete, and not closed its end. */
  closeExpected: boolean;
  /** Nothing more will be asked of it: it has been abandoned, or its transfer is over. */
  over: boolean;
}

type Cut = DataEnd & { how: 'cut' };

/**
 * The data connections of one control connection. Only one at a time waits for its transfer
 * command.
 */
export class DataPorts {
  readonly #emit: (action: Action) => void;
  readonly #live = new Map<number, DataPort>();
  #next: DataPort | null = null;
  #lastId = 0;

  constructor(emit: (action: Action) => void) {
    this.#emit = emit;
  }

  /** How many have not ended, without the one that another would supersede. */
  get size(): number {
    return this.#live.size - (this.#next !== null && this.#live.has(this.#next.id) ? 1 : 0);
  }

  /** The one that the next transfer command will use. */
  get next(): DataPort | null {
    return this.#next;
  }

  /** A new one. */
  add(connect: Endpoint | null): DataPort {
    this.#lastId += 1;
    const port: DataPort = {
      id: this.#lastId,
      connect,
      remote: null,
      ends: { download: null, upload: null },
      halfClosed: false,
      closeExpected: false,
      over: false,
    };
    this.#live.set(port.id, port);
    return port;
  }

  /** The next transfer command is to use it, in place of one that no transfer has used. */
  setNext(port: DataPort): void {
    this.dropUnused(new GatewayError('SUPERSEDED', 'superseded by a newer one'));
    this.#next = port;
  }

  /** Gives it to a transfer command. */
  take(): DataPort | null {
    const port = this.#next;
    this.#next = null;
    return port;
  }

  /** Gives up the one that no transfer has used. */
  dropUnused(error: GatewayError): void {
    if (this.#next !== null) this.drop(this.#next, error);
  }

  /** A transfer was refused before it began: the client may still use what it asked for. */
  giveBack(port: DataPort): void {
    if (this.#next === null && this.#live.has(port.id)) this.#next = port;
    else this.drop(port, new GatewayError('ABANDONED', 'the transfer was refused'));
  }

  /**
   * Notes how its bytes ended in one direction. Null for one that is gone, or if that is known
   * already.
   */
  ended(id: number, direction: Direction, end: DataEnd): DataPort | null {
    const port = this.#live.get(id);
    if (port === undefined || port.ends[direction] !== null) return null;
    port.ends[direction] = end;
    if (port.ends.download !== null && port.ends.upload !== null) this.#live.delete(id);
    return port;
  }

  /**
   * Has it given up; what has not ended in it counts as cut. The server's end goes only after
   * `graceMs`.
   */
  abandon(port: DataPort, end: Cut, graceMs = 0): void {
    port.ends.download ??= end;
    port.ends.upload ??= end;
    this.#live.delete(port.id);
    port.connect = null;
    if (port.over) return;
    port.over = true;
    this.#emit({ type: 'abandon', id: port.id, graceMs });
  }

  /** Its transfer is over; bytes of it may still be under way. */
  release(port: DataPort): void {
    port.over = true;
  }

  /** Gives it up on sshferry's own account. */
  drop(port: DataPort, error: GatewayError): void {
    if (this.#next === port) this.#next = null;
    this.abandon(port, { how: 'cut', by: 'gateway', stood: true, error });
  }
}

/**
 * Why a data connection whose transfer has not begun can no longer serve it; null if it can. One
 * that its client broke counts only for an upload, which would leave an empty file: a client that
 * hangs up on a download gets the server's word. The direction that a transfer does not use may end
 * in any way: the server can have sent a small file and closed before its 150 arrives.
 */
export function brokenEnd(port: DataPort, direction: Direction): GatewayError | null {
  const own = port.ends[direction];
  if (own?.how === 'cut' && (direction === 'upload' || own.by !== 'client')) return own.error;
  return neverStood(port) ?? unfitFor(port, direction);
}

/** Why the data connection was never there; null if it was, or if its client gave it up. */
export function neverStood(port: DataPort): GatewayError | null {
  return whyCut(port, ({ stood }) => !stood);
}

/**
 * Why bytes of a data connection did not arrive: the first cut that `counts` and that is not its
 * client's; null if there is none.
 */
export function whyCut({ ends }: DataPort, counts: (end: Cut) => boolean = () => true): GatewayError | null {
  for (const end of [ends.download, ends.upload])
    if (end?.how === 'cut' && end.by !== 'client' && counts(end)) return end.error;
  return null;
}

/**
 * Why it cannot serve a transfer in this direction; null if it can. The server would take an upload
 * for empty.
 */
function unfitFor({ halfClosed }: DataPort, direction: Direction): GatewayError | null {
  if (direction !== 'upload' || !halfClosed) return null;
  return new GatewayError('ABANDONED', 'the data connection was for a download', {
    hint: 'use PASV or EPSV again',
  });
}

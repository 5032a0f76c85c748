import type { Endpoint } from '../core/endpoint.ts';
import { GatewayError } from '../core/errors.ts';
import type { Action, DataEnd } from './action.ts';
import type { Direction } from './command.ts';

/** A data connection that was agreed upon, from the reply that names it to the end of its bytes. */
export interface DataPort {
  readonly id: number;
  /** Where to reach the client in active mode; null in passive mode, and once it is being reached. */
  connect: Endpoint | null;
  readonly ends: Record<Direction, DataEnd | null>;
}

/** The data connections of one control connection. Only one at a time waits for its transfer command. */
export class DataPorts {
  readonly #emit: (action: Action) => void;
  readonly #live = new Map<number, DataPort>();
  #next: DataPort | null = null;
  #lastId = 0;

  constructor(emit: (action: Action) => void) {
    this.#emit = emit;
  }

  /** How many have not ended. */
  get size(): number {
    return this.#live.size;
  }

  /** The one that the next transfer command will use. */
  get next(): DataPort | null {
    return this.#next;
  }

  /** A new one; it takes the place of one that no transfer has used. */
  open(connect: Endpoint | null): DataPort {
    if (this.#next !== null) this.drop(this.#next, new GatewayError('STOPPED', 'superseded by a newer one'));
    this.#lastId += 1;
    const port: DataPort = { id: this.#lastId, connect, ends: { download: null, upload: null } };
    this.#live.set(port.id, port);
    this.#next = port;
    return port;
  }

  /** Gives it to a transfer command. */
  take(): DataPort | null {
    const port = this.#next;
    this.#next = null;
    return port;
  }

  /** A transfer was refused before it began: the client may still use what it asked for. */
  giveBack(port: DataPort): void {
    if (this.#next === null && this.#live.has(port.id)) this.#next = port;
    else this.drop(port, new GatewayError('STOPPED', 'the transfer was refused'));
  }

  /** Notes how its bytes ended in one direction. Null for one that is gone, or if that is known already. */
  ended(id: number, direction: Direction, end: DataEnd): DataPort | null {
    const port = this.#live.get(id);
    if (port === undefined || port.ends[direction] !== null) return null;
    port.ends[direction] = end;
    if (port.ends.download?.how === 'whole' && port.ends.upload?.how === 'whole') this.#live.delete(id);
    return port;
  }

  /** Has it given up; what has not ended in it counts as cut. The server's end goes only after `graceMs`. */
  retract(port: DataPort, end: DataEnd & { how: 'cut' }, graceMs = 0): void {
    port.ends.download ??= end;
    port.ends.upload ??= end;
    if (this.#live.delete(port.id)) this.#emit({ type: 'retract', id: port.id, graceMs });
  }

  /** Gives it up on sshferry's own account. */
  drop(port: DataPort, error: GatewayError): void {
    if (this.#next === port) this.#next = null;
    this.retract(port, { how: 'cut', by: 'gateway', error });
  }
}

/** Why a data connection that no transfer has used can no longer be used; null if it can, or if its client broke it. */
export function brokenEnd({ ends }: DataPort): GatewayError | null {
  for (const end of [ends.download, ends.upload]) {
    if (end?.how === 'cut' && end.by !== 'client') return end.error;
  }
  return null;
}

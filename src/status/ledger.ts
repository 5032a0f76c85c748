import {
  type GatewayEmitter,
  type GatewayEvents,
  isRefusal,
  type TransferInfo,
  type TransferProgress,
  type WaitingUploads,
} from '../core/events.ts';
import type { Target } from '../core/target.ts';
import type { ConnectionAbout, TransportState } from '../core/transport.ts';
import { Rate } from './rate.ts';
import type { ForwardStatus, Problem, ServerStatus, Status, TransferStatus } from './schema.ts';

type EventData<K extends keyof GatewayEvents> = GatewayEvents[K][0];

/** How many errors are kept. */
const MAX_ERRORS = 20;
/** How many transfers one Status lists. */
const MAX_TRANSFERS = 1000;
/**
 * How many characters of a peer's text are kept. A file name may have 16 KiB, and the answer would
 * then be too long to read.
 */
const MAX_MESSAGE = 500;
const MAX_PATH = 500;
const MAX_USER = 100;

/** Facts that a ledger cannot learn from events. */
export interface LedgerFacts {
  readonly version: string;
  readonly pid: number;
  /** Returns the name of a server for people. */
  label(server: string): string;
  /** Returns the number of a server's additional SSH connections that are up. */
  dataConnections(server: string): number;
  /** Returns how a server's main SSH connection is made; null while it is down. */
  connection(server: string): ConnectionAbout | null;
}

interface Server {
  state: TransportState;
  since: number;
  reconnects: number;
  /** Whether it was connected and is not now. */
  lost: boolean;
  lastError: Problem | null;
}

interface Forward {
  readonly about: EventData<'forward.listening'>;
  clientsTotal: number;
  /** Bytes of sessions that are over. */
  bytesUp: number;
  bytesDown: number;
}

/** Totals of running sessions. */
interface Live {
  clients: number;
  up: number;
  down: number;
}

interface Transfer {
  readonly info: TransferInfo;
  readonly progress: TransferProgress;
  readonly since: number;
  readonly rate: Rate;
}

/**
 * Records a gateway's events for `status`. It does no I/O and reads no clock: each call passes the
 * time, in milliseconds since 1970. Its size is bounded by the number of running servers, forwards,
 * sessions and transfers. Longer than 300 lines, since it has a method for each event.
 */
export class Ledger {
  readonly #facts: LedgerFacts;
  readonly #started: number;
  readonly #servers = new Map<string, Server>();
  readonly #forwards = new Map<string, Forward>();
  /** By forward. */
  readonly #waiting = new Map<string, WaitingUploads>();
  readonly #sessions = new Map<number, EventData<'session.start'>>();
  readonly #transfers = new Map<string, Transfer>();
  readonly #totals = { clients: 0, transfersComplete: 0, transfersFailed: 0, bytesUp: 0, bytesDown: 0 };
  /** Newest first. */
  readonly #errors: Problem[] = [];

  constructor(facts: LedgerFacts, now: number) {
    this.#facts = facts;
    this.#started = now;
  }

  transportState({ server: name, state, error }: EventData<'transport.state'>, now: number): void {
    const server = this.#servers.get(name) ?? newServer(now);
    this.#servers.set(name, server);
    if (server.state === 'ready' && state === 'backoff') server.lost = true;
    if (state !== server.state) server.since = now;
    server.state = state;
    if (state === 'ready' && server.lost) {
      server.lost = false;
      server.reconnects += 1;
    }
    if (error) server.lastError = this.#problem(name, error.code, error.message, now);
  }

  forwardListening(about: EventData<'forward.listening'>): void {
    const before = this.#forwards.get(about.forward);
    this.#forwards.set(about.forward, {
      ...(before ?? { clientsTotal: 0, bytesUp: 0, bytesDown: 0 }),
      about,
    });
  }

  serverRemoved({ server }: EventData<'server.removed'>): void {
    this.#servers.delete(server);
  }

  /** Forgets a forward. Its clients may go on for a while; they still count in the totals. */
  forwardRemoved({ forward }: EventData<'forward.removed'>): void {
    this.#forwards.delete(forward);
    this.#waiting.delete(forward);
  }

  forwardWaiting({ forward, waiting }: EventData<'forward.waiting'>): void {
    if (waiting === null) this.#waiting.delete(forward);
    else this.#waiting.set(forward, waiting);
  }

  sessionStart(data: EventData<'session.start'>): void {
    this.#sessions.set(data.session, data);
    this.#totals.clients += 1;
    const forward = this.#forwards.get(data.forward);
    if (forward !== undefined) forward.clientsTotal += 1;
  }

  sessionEnd(data: EventData<'session.end'>, now: number): void {
    const { session, bytesUp, bytesDown, error } = data;
    if (!this.#sessions.delete(session)) return;
    this.#totals.bytesUp += bytesUp;
    this.#totals.bytesDown += bytesDown;
    const forward = this.#forwards.get(data.forward);
    if (forward !== undefined) {
      forward.bytesUp += bytesUp;
      forward.bytesDown += bytesDown;
    }
    if (error !== undefined && !error.expected) this.#problem(data.forward, error.code, error.message, now);
  }

  transferStart({ progress, ...info }: EventData<'transfer.start'>, now: number): void {
    this.#transfers.set(key(info), { info, progress, since: now, rate: new Rate(now) });
  }

  transferEnd(data: EventData<'transfer.end'>, now: number): void {
    this.#transfers.delete(key(data));
    const { outcome, reply, error, verb, path, forward } = data;
    this.#totals[outcome === 'complete' ? 'transfersComplete' : 'transfersFailed'] += 1;
    if (outcome !== 'complete' && !error?.deliberate && !isRefusal(data)) {
      const why = error?.message ?? `the server replied ${reply ?? 'with a failure'}`;
      this.#problem(forward, error?.code ?? 'SERVER', `${verb} ${path}: ${why}`, now);
    }
  }

  /** Returns the whole status at `now`. */
  status(now: number): Status {
    const live: Live = { clients: 0, up: 0, down: 0 };
    const byForward = new Map<string, Live>();
    for (const { forward, traffic } of this.#sessions.values()) {
      const sum = byForward.get(forward) ?? { clients: 0, up: 0, down: 0 };
      byForward.set(forward, sum);
      for (const each of [live, sum]) {
        each.clients += 1;
        each.up += traffic.up;
        each.down += traffic.down;
      }
    }
    const { bytesUp, bytesDown } = this.#totals;
    return {
      version: this.#facts.version,
      pid: this.#facts.pid,
      started: iso(this.#started),
      now: iso(now),
      servers: [...this.#servers].map(([name, server]) => this.#server(name, server)),
      forwards: [...this.#forwards.values()].map((forward) =>
        forwardStatus(
          forward,
          this.#waiting.get(forward.about.forward) ?? null,
          byForward.get(forward.about.forward),
        ),
      ),
      transfers: this.transfers(now),
      totals: { ...this.#totals, bytesUp: bytesUp + live.up, bytesDown: bytesDown + live.down },
      errors: [...this.#errors],
    };
  }

  /** Returns the transfers in progress, oldest first. */
  transfers(now: number): TransferStatus[] {
    return [...this.#transfers.values()].slice(0, MAX_TRANSFERS).map((each) => transferStatus(each, now));
  }

  #server(name: string, { state, since, reconnects, lastError }: Server): ServerStatus {
    return {
      name,
      label: this.#facts.label(name),
      state,
      since: iso(since),
      reconnects,
      dataConnections: this.#facts.dataConnections(name),
      connection: this.#facts.connection(name),
      lastError,
    };
  }

  /** Records a problem. Repeats, as while a server is down, share one entry. */
  #problem(where: string, code: string, text: string, now: number): Problem {
    const message = shortened(text, MAX_MESSAGE);
    const same = (other: Problem) =>
      other.where === where && other.code === code && other.message === message;
    const at = this.#errors.findIndex(same);
    const times = at < 0 ? 1 : (this.#errors[at]?.times ?? 0) + 1;
    if (at >= 0) this.#errors.splice(at, 1);
    const problem: Problem = { at: iso(now), times, where, code, message };
    this.#errors.unshift(problem);
    this.#errors.length = Math.min(this.#errors.length, MAX_ERRORS);
    return problem;
  }
}

/** Records the emitter's events in the ledger, from now on. */
export function keepLedger(ledger: Ledger, events: GatewayEmitter, clock: () => number = Date.now): void {
  events.on('transport.state', (data) => ledger.transportState(data, clock()));
  events.on('forward.listening', (data) => ledger.forwardListening(data));
  events.on('server.removed', (data) => ledger.serverRemoved(data));
  events.on('forward.removed', (data) => ledger.forwardRemoved(data));
  events.on('forward.waiting', (data) => ledger.forwardWaiting(data));
  events.on('session.start', (data) => ledger.sessionStart(data));
  events.on('session.end', (data) => ledger.sessionEnd(data, clock()));
  events.on('transfer.start', (data) => ledger.transferStart(data, clock()));
  events.on('transfer.end', (data) => ledger.transferEnd(data, clock()));
}

function newServer(now: number): Server {
  return { state: 'idle', since: now, reconnects: 0, lost: false, lastError: null };
}

function forwardStatus(
  { about, clientsTotal, bytesUp, bytesDown }: Forward,
  waiting: WaitingUploads | null,
  { clients, up, down }: Live = { clients: 0, up: 0, down: 0 },
): ForwardStatus {
  const { forward: name, type, direction, server, listen, target, tls, listenTls } = about;
  return {
    name,
    type,
    direction,
    server,
    listen: { host: listen.host, port: listen.port },
    target: targetStatus(target),
    tls,
    listenTls,
    clients,
    clientsTotal,
    bytesUp: bytesUp + up,
    bytesDown: bytesDown + down,
    spool: waiting && spoolStatus(waiting),
  };
}

function targetStatus(target: Target): ForwardStatus['target'] {
  if ('sftp' in target) return { sftp: target.sftp };
  if ('unix' in target) return { unix: target.unix };
  return 'dynamic' in target ? { dynamic: true } : { host: target.host, port: target.port };
}

function spoolStatus({ since, reason, ...waiting }: WaitingUploads): ForwardStatus['spool'] {
  return {
    ...waiting,
    since: since === null ? null : iso(since),
    reason: reason === null ? null : shortened(reason, MAX_MESSAGE),
  };
}

function transferStatus({ info, progress, since, rate }: Transfer, now: number): TransferStatus {
  const { id, session, forward, client, user, verb, path, direction, size } = info;
  const { bytes } = progress;
  const bytesPerSecond = Math.round(rate.read(now, bytes));
  const left = size === null || bytesPerSecond === 0 ? null : Math.max(0, size - bytes) / bytesPerSecond;
  return {
    session,
    id,
    forward,
    client: { host: client.host, port: client.port },
    user: user === null ? null : shortened(user, MAX_USER),
    verb,
    path: shortened(path, MAX_PATH),
    direction,
    started: iso(since),
    bytes,
    size,
    bytesPerSecond,
    secondsLeft: left === null ? null : Math.round(left),
  };
}

/** Returns the first `most` characters, with `…` if there were more. */
function shortened(text: string, most: number): string {
  // Half of a surrogate pair is not a character.
  return text.length <= most ? text : `${text.slice(0, most).replace(/[\ud800-\udbff]$/, '')}…`;
}

function key({ session, id }: TransferInfo): string {
  return `${session}/${id}`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

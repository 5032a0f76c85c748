import { type Endpoint, formatEndpoint } from '../../core/endpoint.ts';
import { GatewayError } from '../../core/errors.ts';
import type { NamedPort } from '../wire/address.ts';
import { parsePortReply, portReply, refusalInOneLine } from '../wire/port-reply.ts';
import { GOING_DOWN } from '../wire/reply.ts';
import { commandLine, errorReply, reply } from '../wire/words.ts';
import type { Author } from './action.ts';
import { clientPort, NO_FAMILY } from './client-port.ts';
import type { DataPortOpener } from './data-port-opener.ts';
import type { Dialogue } from './dialogue.ts';
import type { ActiveVerb, PassiveVerb, PortRequest, PortVerb, Refusal } from './pending.ts';
import type { Prefetch, Prefetched } from './prefetch.ts';
import { LOG_IN_FIRST, type RemotePorts } from './remote-ports.ts';

/**
 * "Not implemented", in the codes that servers use for it; 522 says that the address family is not
 * supported, and with 425 pure-ftpd refuses PASV on a connection that has come over IPv6.
 */
const UNSUPPORTED: ReadonlySet<number> = new Set([425, 500, 501, 502, 504, 522]);

/**
 * How long the server's port is kept for a client that may ask for one, in milliseconds: well below
 * the minute that servers allow for a connection that was agreed upon.
 */
const PREFETCH_LIFE = 30_000;

/**
 * How long the first data port of a session may take to be reached before the server is asked for
 * another kind, in milliseconds: enough for a login of the SSH connection that carries data, and
 * less than clients wait.
 */
const REACH_TIME = 8000;

/**
 * How long the server may take for its reply to a second request after it has answered the first,
 * in milliseconds.
 */
const SECOND_REPLY = 5000;

/** A request that nothing has been tried for. */
const FIRST = { refusal: null, mistaken: false, late: null } as const;

/** The usual reply code for each. */
const CODES: Record<PassiveVerb, number> = { PASV: 227, LPSV: 228, EPSV: 229 };

const NEITHER = reply(425, 'sshferry: the server knows neither EPSV nor PASV; see FtpActive=remote-forward');

/**
 * The commands that ask for a data connection, and the server's replies to them. Longer than 300
 * lines, since every way of one request can lead into every other.
 */
export class PortRequests {
  readonly #dialogue: Dialogue;
  readonly #prefetch: Prefetch;
  readonly #opener: DataPortOpener;
  readonly #remote: RemotePorts;
  /** Whether EPSV ALL is in force (RFC 2428 4). */
  #epsvAll = false;
  /**
   * A passive command that this server has turned out not to know, or whose ports cannot be
   * reached.
   */
  #lacks: 'PASV' | 'EPSV' | null = null;
  /** Whether a data port of this server's has been reached. */
  #reached = false;

  constructor(dialogue: Dialogue, prefetch: Prefetch, opener: DataPortOpener, remote: RemotePorts) {
    this.#dialogue = dialogue;
    this.#prefetch = prefetch;
    this.#opener = opener;
    this.#remote = remote;
  }

  /** The server has taken EPSV ALL, or ended its effect by REIN. */
  setEpsvAll(on: boolean): void {
    this.#epsvAll = on;
  }

  /** PASV, EPSV and LPSV. */
  onPassive(verb: PassiveVerb, argument: string, bytes: Uint8Array): void {
    if (this.#refusedByEpsvAll(verb)) return;
    if (verb === 'EPSV' && argument !== '' && !/^[12]$/.test(argument)) {
      const unknown = /^\d+$/.test(argument);
      return this.#dialogue.replyLocally(
        verb,
        unknown ? NO_FAMILY : reply(501, 'Cannot read the protocol in EPSV'),
      );
    }
    // RFC 2428 names the family of the address that the server is to use: the client's. The
    // server's may be the other.
    const asked = verb === this.#lacks ? otherThan(this.#lacks) : verb;
    const prefetched = this.#prefetch.claim(verb, asked);
    if (prefetched === 'asked') return;
    if (prefetched !== null) {
      return this.#offerKept(prefetched, verb);
    }
    const request: PortRequest = { kind: 'port', verb, asked, client: null, ...FIRST };
    if (asked === verb && !argument) this.#dialogue.forward(request, bytes);
    else this.#dialogue.ask(request, commandLine(asked));
  }

  /**
   * PORT, EPRT and LPRT: the server is asked for a passive port instead, or for nothing, and never
   * sees the client's.
   */
  onActive(verb: ActiveVerb, argument: string): void {
    const { policy } = this.#dialogue;
    if (this.#refusedByEpsvAll(verb)) return;
    const named = clientPort(verb, argument, policy);
    if ('illegal' in named) {
      const text = `${verb} names ${formatEndpoint(named.illegal)}, which is refused`;
      this.#dialogue.log('ftp.bounce', text, 'warn');
    }
    if ('refusal' in named) return this.#dialogue.replyLocally(verb, named.refusal);
    const { client } = named;
    if (policy.active === 'remote-forward') return this.#remote.ask(verb, client);
    const asked = this.#lacks === 'EPSV' ? 'PASV' : 'EPSV';
    const request: PortRequest = { kind: 'port', verb, asked, client, ...FIRST };
    this.#dialogue.ask(request, commandLine(asked));
  }

  #refusedByEpsvAll(verb: PortVerb): boolean {
    if (!this.#epsvAll || verb === 'EPSV') return false;
    this.#dialogue.replyLocally(verb, reply(503, `${verb} is not allowed after EPSV ALL`));
    return true;
  }

  /** The server's whole reply to a request names a port, or should: its lines in Latin-1. */
  onPort(request: PortRequest, code: number, lines: readonly string[]): void {
    const { verb, asked, refusal } = request;
    if (verb === null) return this.#onUnclaimed(request, code, lines);
    const named = parsePortReply(code, lines);
    if (named === null) {
      // proftpd, reached over IPv6, cannot write its address into 227 and names it in part; EPSV
      // has none.
      const what = `cannot read the data port in the server's reply: ${lines.at(-1)}`;
      return this.#onRefusal(request, true, { bytes: reply(425, `sshferry: ${what}`), ours: what });
    }
    const answersFirst = code === CODES[otherThan(asked)] && code !== CODES[asked];
    if (refusal?.ours === null && answersFirst && !request.mistaken) return this.#awaitSecond(request, named);
    request.late = null;
    this.#use(request, named);
  }

  /** The server refuses a request. */
  onRefused(request: PortRequest, code: number, lines: readonly string[]): void {
    if (request.verb === null) return this.#onUnclaimed(request, code, lines);
    const bytes = refusalInOneLine(code, lines);
    this.#onRefusal(request, UNSUPPORTED.has(code), { bytes, ours: null });
  }

  /** The server says 421 in reply to a request: the client gets that, and nothing else is tried. */
  onGoingDown(request: PortRequest, code: number, lines: readonly string[]): void {
    if (request.verb === null) return this.#onUnclaimed(request, code, lines);
    this.#finish(request, refusalInOneLine(code, lines), 'server');
  }

  /**
   * The server answers what it was asked first, so the refusal was a second reply to an earlier
   * command. It has another request before it, whose reply is about to come, and whose port is then
   * the one that counts.
   */
  #awaitSecond(request: PortRequest, named: NamedPort): void {
    request.mistaken = true;
    request.late = named;
    this.#dialogue.after(SECOND_REPLY, () => {
      if (request.late !== named || !this.#dialogue.pending.some((entry) => entry === request)) return;
      if (this.#dialogue.midReply) return this.#awaitSecond(request, named);
      this.useLate(request);
    });
  }

  /** The second reply does not come; if the first has, its port is used. */
  useLate(request: PortRequest): void {
    const { late } = request;
    request.late = null;
    if (late !== null) this.#use(request, late);
  }

  /**
   * Offers the client a port in place of the one that the server has named. The first of a session
   * is offered only once the server's port is reached, while the server can still be asked for
   * another kind.
   */
  #use(request: PortRequest, named: NamedPort): void {
    const { verb, client } = request;
    if (verb === null) return;
    if (client !== null && !this.#dialogue.loggedIn) return this.#finish(request, LOG_IN_FIRST);
    const port = this.#opener.add(client);
    if (port === null) return this.#finish(request, this.#opener.tooMany());
    const { id } = port;
    const dial = this.#dialled(named);
    const reach = !this.#reached;
    this.#dialogue.ports.setNext(port);
    if (client === null) this.#offer(id, dial, verb, reach);
    else this.#dialogue.emit({ type: 'dial', id, to: dial, forMs: null, reach });
    if (client !== null && !reach) return this.#succeed(request, dial);
    this.#opener.whenBound(port, 'server', (result) => {
      if (!('endpoint' in result)) return this.#onUnreached(request, result.error);
      this.#reached ||= reach;
      this.#succeed(request, result.endpoint);
    });
    if (reach && this.#otherMayDo(request))
      this.#dialogue.after(REACH_TIME, () => this.#limitReach(request, id));
  }

  #limitReach(request: PortRequest, id: number): void {
    if (!this.#dialogue.awaits(id) || !this.#otherMayDo(request)) return;
    const text = `the server's data port was not reached within ${REACH_TIME / 1000} s`;
    this.#dialogue.complete(id, { error: new GatewayError('DATA_TIMEOUT', text) });
  }

  /** Tells the client of a port that Prefetch has kept; its further commands wait. */
  #offerKept({ port, dial }: Prefetched, verb: PassiveVerb): void {
    this.#dialogue.ports.setNext(port);
    this.#offer(port.id, dial, verb, false);
    this.#opener.whenBound(port, 'client', (result) => {
      if ('endpoint' in result) return this.#dialogue.replyLocally(verb, portReply(verb, result.endpoint));
      this.#opener.logRefusal(result.error.message);
      this.#dialogue.replyLocally(verb, errorReply(425, result.error));
    });
  }

  #offer(id: number, dial: Endpoint, verb: PortVerb, reach: boolean): void {
    const family = verb === 'PASV' ? 4 : 'any';
    this.#dialogue.emit({ type: 'offer', id, on: 'local', dial, family, reach });
  }

  /** The server's port cannot be reached, or there is none here for the client. */
  #onUnreached(request: PortRequest, error: GatewayError): void {
    // A firewall may let one kind through; what sshd forbids it forbids both.
    const { code, reason, message } = error;
    const ofServer = code === 'CHANNEL_REFUSED' || code === 'CHANNEL_TIMEOUT' || code === 'DATA_TIMEOUT';
    const refusal = { bytes: errorReply(425, error), ours: message };
    this.#onRefusal(request, ofServer && reason !== 'prohibited', refusal);
  }

  /** The reply to a request of Prefetch's that the client has not made its own meanwhile. */
  #onUnclaimed(request: PortRequest, code: number, lines: readonly string[]): void {
    const { pending } = this.#dialogue;
    const tooEarly = pending.head?.kind === 'transfer';
    pending.settle(request);
    if (code === GOING_DOWN) this.#dialogue.send('client', refusalInOneLine(code, lines), 'server');
    const named = parsePortReply(code, lines);
    const line = lines.at(-1) ?? '';
    if (named === null) return this.#prefetch.turnOff(`the server answered ${request.asked} with: ${line}`);
    if (tooEarly) return this.#prefetch.turnOff(`the server answered ${request.asked} during a transfer`);
    if (!this.#prefetch.awaits(request)) return;
    const port = this.#opener.add(null);
    if (port === null) return;
    const dial = this.#dialled(named);
    this.#dialogue.emit({ type: 'dial', id: port.id, to: dial, forMs: PREFETCH_LIFE, reach: false });
    this.#prefetch.keep({ port, dial });
  }

  /**
   * If the server refuses one kind of port, it may accept the other. If not, the client gets the
   * first refusal.
   */
  #onRefusal(request: PortRequest, otherMayDo: boolean, refusal: Refusal): void {
    const { late } = request;
    request.late = null;
    if (late !== null) return this.#use(request, late);
    if (!otherMayDo || !this.#otherMayDo(request)) return this.#refuse(request, refusal);
    const asked = otherThan(request.asked);
    const why = refusal.ours ?? `the server refused ${request.asked}`;
    this.#dialogue.log('ftp.data.other-kind', `trying ${asked}: ${why}`, 'debug');
    this.#dialogue.pending.settle(request);
    this.#dialogue.ask({ ...request, asked, refusal }, commandLine(asked));
  }

  /** Whether the server can be asked for the other kind of port. */
  #otherMayDo(request: PortRequest): boolean {
    const { asked, refusal } = request;
    if (refusal !== null || asked === 'LPSV' || this.#dialogue.hasEnded('server')) return false;
    if (this.#epsvAll && asked === 'EPSV') return false;
    // With later commands under way the second request would come after them, and the replies out
    // of order.
    return !this.#dialogue.pending.hasLaterFromClient(request);
  }

  /** The client gets the first refusal, or the only one. */
  #refuse(request: PortRequest, refusal: Refusal): void {
    const first = request.mistaken ? null : request.refusal;
    const { bytes, ours } = first ?? refusal;
    if (ours !== null) this.#opener.logRefusal(ours);
    const neither = first?.ours === null && refusal.ours === null && request.client !== null;
    if (neither) this.#finish(request, NEITHER);
    else this.#finish(request, bytes, ours === null ? 'server' : 'sshferry');
  }

  #succeed(request: PortRequest, endpoint: Endpoint): void {
    const { verb, asked, refusal, mistaken } = request;
    if (verb === null) return;
    if (refusal !== null && !mistaken) this.#lacks = asked === 'PASV' ? 'EPSV' : 'PASV';
    this.#finish(request, portReply(verb, endpoint));
  }

  #finish(request: PortRequest, bytes: Uint8Array, from: Author = 'sshferry'): void {
    this.#dialogue.pending.settle(request);
    this.#dialogue.send('client', bytes, from);
  }

  /**
   * Returns the address to dial for a data port: the one in the reply only if the policy says so.
   */
  #dialled({ host, port }: NamedPort): Endpoint {
    const { dataHost, target } = this.#dialogue.policy;
    if (typeof dataHost === 'object') return { host: dataHost.address, port };
    return { host: dataHost === 'reply' && host !== null ? host : target.host, port };
  }
}

function otherThan(verb: PassiveVerb): 'PASV' | 'EPSV' {
  return verb === 'EPSV' ? 'PASV' : 'EPSV';
}

import { type Endpoint, formatEndpoint, sameHost } from '../core/endpoint.ts';
import { GatewayError } from '../core/errors.ts';
import type { Side } from './action.ts';
import {
  type AddressError,
  formatEprt,
  formatSix,
  type PortSpan,
  parseEprt,
  parseLprt,
  parsePort,
} from './address.ts';
import { brokenEnd, type DataPort } from './data-ports.ts';
import type { Exchange, Resume } from './exchange.ts';
import type { ActiveVerb, PassiveVerb, PortRequest, PortVerb, RemotePort } from './pending.ts';
import { type PortReply, parsePortReply, rewrittenReply } from './port-reply.ts';
import type { Prefetch, Prefetched } from './prefetch.ts';
import { GOING_DOWN } from './reply.ts';
import { commandLine, errorReply, reply } from './words.ts';

/**
 * "Not implemented", in the codes that servers use for it; 522 says that the address family is not supported, and with 425
 * pure-ftpd refuses PASV on a connection that has come over IPv6.
 */
const UNSUPPORTED: ReadonlySet<number> = new Set([425, 500, 501, 502, 504, 522]);

const NOT_LOGGED_IN = 530;

/** RFC 2428 2. */
const NO_FAMILY = reply(522, 'Network protocol not supported, use (1,2)');

/**
 * How long the server's port is kept for a client that may ask for one, in milliseconds: well below the minute that servers
 * allow for a connection that was agreed upon.
 */
const PREFETCH_LIFE = 30_000;

/** The commands that ask for a data connection, and what the server answers to them. */
export class PortRequests {
  readonly #exchange: Exchange;
  readonly #prefetch: Prefetch;
  /** Whether EPSV ALL is in force (RFC 2428 4). */
  #epsvAll = false;
  /** A passive command that this server has turned out not to know. */
  #lacks: 'PASV' | 'EPSV' | null = null;
  /** The family of the loopback address that this server has taken in PORT or EPRT. */
  #loopback: 4 | 6 | null = null;

  constructor(exchange: Exchange, prefetch: Prefetch) {
    this.#exchange = exchange;
    this.#prefetch = prefetch;
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
      return this.#exchange.answer(
        verb,
        unknown ? NO_FAMILY : reply(501, 'Cannot read the protocol in EPSV'),
      );
    }
    // RFC 2428 names the family of the address that the server is to use: the client's. The server's may be the other.
    const asked = verb === this.#lacks ? otherThan(this.#lacks) : verb;
    const prefetched = this.#prefetch.claim(verb, asked);
    if (prefetched === 'asked') return;
    if (prefetched !== null) {
      return this.#expose(prefetched, verb, 'client', (told) => this.#exchange.answer(verb, told));
    }
    const request: PortRequest = { kind: 'port', verb, asked, client: null, refusal: null };
    this.#exchange.forward(request, asked === verb && !argument ? bytes : commandLine(asked));
  }

  /** PORT, EPRT and LPRT: the server is asked for a passive port instead, or for nothing, and never sees the client's. */
  onActive(verb: ActiveVerb, argument: string): void {
    const { policy } = this.#exchange;
    const answer = (bytes: Uint8Array) => this.#exchange.answer(verb, bytes);
    if (this.#refusedByEpsvAll(verb)) return;
    const named = PARSE[verb](argument);
    // "No address in particular", which lftp sends over ::1, can only mean its own.
    const client = isUnspecified(named) ? { ...named, host: policy.client } : named;
    if (client === 'protocol') return answer(NO_FAMILY);
    if (client === 'syntax') return answer(reply(501, `Cannot read the address in ${verb}`));
    if (policy.active === 'refuse') {
      return answer(reply(502, 'sshferry: active mode is refused here (FtpActive=refuse); use passive mode'));
    }
    // RFC 2577 3: otherwise anybody could be reached in the gateway's name.
    if (!sameHost(client.host, policy.client) || client.port < 1024) {
      this.#exchange.note('ftp.bounce', `${verb} names ${formatEndpoint(client)}, which is refused`, true);
      return answer(reply(500, `Illegal ${verb}: only your own address, and no port below 1024`));
    }
    if (policy.active === 'remote-forward') return this.#askServerToConnect(verb, client);
    const asked = this.#lacks === 'EPSV' ? 'PASV' : 'EPSV';
    this.#exchange.forward({ kind: 'port', verb, asked, client, refusal: null }, commandLine(asked));
  }

  #refusedByEpsvAll(verb: PortVerb): boolean {
    if (!this.#epsvAll || verb === 'EPSV') return false;
    this.#exchange.answer(verb, reply(503, `${verb} is not allowed after EPSV ALL`));
    return true;
  }

  /** The server's whole reply to a request: all its lines, and the last of them in Latin-1. */
  onReply(request: PortRequest, code: number, bytes: Uint8Array, final: string): void {
    const { verb, asked, client } = request;
    if (verb === null) return this.#onUnclaimed(request, { code, bytes, final });
    if (code === GOING_DOWN) {
      this.#exchange.pending.settle(request);
      return this.#exchange.send('client', bytes);
    }
    if (code >= 400) return this.#onRefusal(request, UNSUPPORTED.has(code), bytes);
    const span = parsePortReply(code, final);
    if (span === null) {
      // proftpd, reached over IPv6, cannot write its address into 227 and names it in part; EPSV has none.
      const unread = reply(425, `sshferry: cannot read the data port in the server's reply: ${final}`);
      return this.#onRefusal(request, asked === 'PASV', unread);
    }
    const port = this.#newPort(client);
    if (port === null) return this.#answer(request, this.#tooMany());
    const dial = this.#dialled(span);
    if (client === null) {
      const exposed = { port, dial, portReply: { code, bytes, final, span } };
      return this.#expose(exposed, verb, 'server', (told) => this.#answer(request, told));
    }
    this.#exchange.ports.offer(port);
    this.#exchange.emit({ type: 'dial', id: port.id, to: dial, forMs: null });
    this.#answer(request, reply(200, `${verb} command successful`));
  }

  /** The reply to a request of Prefetch's that the client has not made its own meanwhile. */
  #onUnclaimed(request: PortRequest, { code, bytes, final }: Omit<PortReply, 'span'>): void {
    const { pending } = this.#exchange;
    const tooEarly = pending.head?.kind === 'transfer';
    pending.settle(request);
    if (code === GOING_DOWN) this.#exchange.send('client', bytes);
    const span = parsePortReply(code, final);
    if (span === null) return this.#prefetch.turnOff(`the server answered ${request.asked} with: ${final}`);
    if (tooEarly) return this.#prefetch.turnOff(`the server answered ${request.asked} during a transfer`);
    if (!this.#prefetch.awaits(request)) return;
    const port = this.#newPort(null);
    if (port === null) return;
    const dial = this.#dialled(span);
    this.#exchange.emit({ type: 'dial', id: port.id, to: dial, forMs: PREFETCH_LIFE });
    this.#prefetch.keep({ port, dial, portReply: { code, bytes, final, span } });
  }

  /** A port that the client is told of once there is a listener for it; `side` has to wait until then. */
  #expose(
    { port, dial, portReply }: Prefetched,
    verb: PortVerb,
    side: Side,
    tell: (bytes: Uint8Array) => void,
  ): void {
    const { ports } = this.#exchange;
    ports.offer(port);
    this.#exchange.emit({
      type: 'expose',
      id: port.id,
      on: 'local',
      dial,
      family: verb === 'PASV' ? 4 : 'any',
    });
    this.#exchange.wait(side, port.id, (result) => {
      if ('endpoint' in result) return tell(rewrittenReply(verb, portReply, result.endpoint));
      const error = brokenEnd(port) ?? result.error;
      ports.drop(port, error);
      tell(errorReply(425, error));
    });
  }

  /** Where the server does not know what it was asked, its other command may do; if not, the client gets the first refusal. */
  #onRefusal(request: PortRequest, unsupported: boolean, bytes: Uint8Array): void {
    const { pending } = this.#exchange;
    const { asked, refusal } = request;
    if (refusal !== null) return this.#answer(request, refusal);
    const other = asked === 'EPSV' ? 'PASV' : 'EPSV';
    // With later commands under way the second request would come after them, and the replies out of order.
    const possible = unsupported && asked !== 'LPSV' && !pending.hasFromClientBehind(request);
    if (!possible || this.#exchange.hasEnded('server') || (this.#epsvAll && other !== 'EPSV'))
      return this.#answer(request, bytes);
    pending.settle(request);
    this.#exchange.forward({ ...request, asked: other, refusal: bytes }, commandLine(other));
  }

  #answer(request: PortRequest, bytes: Uint8Array): void {
    const { refusal, asked, client } = request;
    const refused = refusal !== null && bytes === refusal;
    if (refusal !== null && !refused) this.#lacks = asked === 'PASV' ? 'EPSV' : 'PASV';
    const inVain = reply(
      425,
      'sshferry: the server knows neither EPSV nor PASV; see FtpActive=remote-forward',
    );
    this.#exchange.pending.settle(request);
    this.#exchange.send('client', refused && client !== null ? inVain : bytes);
  }

  /** Null where there are as many as may be. */
  #newPort(client: Endpoint | null): DataPort | null {
    const { ports, policy } = this.#exchange;
    return ports.size >= policy.limits.dataConnections ? null : ports.add(client);
  }

  #tooMany(): Uint8Array {
    return reply(425, `sshferry: ${this.#exchange.ports.size} data connections are open already`);
  }

  /** What is dialled for a data port: the address in the reply counts only where the policy says so. */
  #dialled({ host, port }: PortSpan): Endpoint {
    const { dataHost, target } = this.#exchange.policy;
    if (typeof dataHost === 'object') return { host: dataHost.address, port };
    return { host: dataHost === 'reply' && host !== null ? host : target.host, port };
  }

  /** The server is to connect to a listener at its own side; it is told of that instead of the client's. */
  #askServerToConnect(verb: ActiveVerb, client: Endpoint): void {
    const port = this.#newPort(null);
    if (port === null) return this.#exchange.answer(verb, this.#tooMany());
    const family = this.#loopback ?? 4;
    this.#listenThere('client', port, client, family, (result) => {
      if ('error' in result) return this.#exchange.answer(verb, errorReply(425, result.error));
      const entry: RemotePort = { kind: 'remote', verb, client, port, family, refusal: null };
      this.#exchange.forward(entry, portCommand(verb, result.endpoint));
    });
  }

  #listenThere(side: Side, port: DataPort, dial: Endpoint, family: 4 | 6, then: Resume): void {
    this.#exchange.emit({ type: 'expose', id: port.id, on: 'remote', dial, family });
    this.#exchange.wait(side, port.id, (result) => {
      if ('error' in result) this.#exchange.ports.drop(port, result.error);
      then(result);
    });
  }

  /** The server's whole reply to the PORT or EPRT that it was told. */
  onRemoteReply(entry: RemotePort, code: number, bytes: Uint8Array): void {
    const { pending, ports } = this.#exchange;
    const { verb, port, family, refusal } = entry;
    if (code < 300) {
      this.#loopback = family;
      ports.offer(port);
    } else {
      ports.drop(port, new GatewayError('STOPPED', `the server refused ${verb}`));
      // Many servers take only the address that their control connection comes from, and sshd may have come by ::1.
      const inDoubt = this.#loopback === null && refusal === null && code >= 500 && code !== NOT_LOGGED_IN;
      if (inDoubt && !this.#exchange.hasEnded('server') && !pending.hasFromClientBehind(entry))
        return this.#tellOtherLoopback(entry, bytes);
    }
    pending.settle(entry);
    this.#exchange.send('client', code < 300 || refusal === null || code === GOING_DOWN ? bytes : refusal);
  }

  #tellOtherLoopback(refused: RemotePort, refusal: Uint8Array): void {
    const { pending } = this.#exchange;
    pending.settle(refused);
    const { verb, client } = refused;
    const port = this.#newPort(null);
    if (port === null) return this.#exchange.send('client', refusal);
    const entry: RemotePort = { ...refused, port, family: 6, refusal };
    pending.push(entry);
    this.#listenThere('server', port, client, entry.family, (result) => {
      if ('endpoint' in result) return this.#exchange.send('server', portCommand(verb, result.endpoint));
      pending.settle(entry);
      this.#exchange.send('client', refusal);
    });
  }
}

/** What tells a server of a listener: by PORT where that can name it and the client said so, else by EPRT. */
function portCommand(verb: ActiveVerb, listener: Endpoint): Uint8Array {
  const byEprt = verb === 'EPRT' || listener.host.includes(':');
  return commandLine(byEprt ? `EPRT ${formatEprt(listener)}` : `PORT ${formatSix(listener)}`);
}

const PARSE: Record<ActiveVerb, (argument: string) => Endpoint | AddressError> = {
  PORT: parsePort,
  EPRT: parseEprt,
  LPRT: parseLprt,
};

function isUnspecified(named: Endpoint | AddressError): named is Endpoint {
  return typeof named === 'object' && (named.host === '::' || named.host === '0.0.0.0');
}

function otherThan(verb: 'PASV' | 'EPSV'): 'PASV' | 'EPSV' {
  return verb === 'PASV' ? 'EPSV' : 'PASV';
}

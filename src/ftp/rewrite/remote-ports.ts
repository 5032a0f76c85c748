import { addressFamily, type Endpoint } from '../../core/endpoint.ts';
import { GatewayError } from '../../core/errors.ts';
import { formatEprt, formatSix } from '../wire/address.ts';
import { portReply, refusalInOneLine } from '../wire/port-reply.ts';
import { GOING_DOWN } from '../wire/reply.ts';
import { commandLine, errorReply, reply } from '../wire/words.ts';
import type { Side } from './action.ts';
import type { DataPortOpener } from './data-port-opener.ts';
import type { DataPort } from './data-ports.ts';
import type { Dialogue, Resume } from './dialogue.ts';
import type { ActiveVerb, RemotePort } from './pending.ts';

const NOT_LOGGED_IN = 530;

/** The refusal of active mode before a login. */
export const LOG_IN_FIRST = reply(530, 'sshferry: active mode needs a login that the server has accepted');

/**
 * PORT and EPRT with FtpActive=remote-forward: the server connects to a listener at its own side.
 */
export class RemotePorts {
  readonly #dialogue: Dialogue;
  readonly #opener: DataPortOpener;
  /**
   * The family of loopback address that this server is sent in PORT or EPRT, and whether it has
   * accepted one.
   */
  #loopback: { family: 4 | 6; taken: boolean };

  constructor(dialogue: Dialogue, opener: DataPortOpener) {
    this.#dialogue = dialogue;
    this.#opener = opener;
    // A literal address shows over which family sshd reaches the server; for a name IPv4 is the
    // better guess.
    const family = addressFamily(dialogue.policy.target.host) === 6 ? 6 : 4;
    this.#loopback = { family, taken: false };
  }

  /**
   * Binds a listener at the server's side, and sends the server its address in place of the
   * client's.
   */
  ask(verb: ActiveVerb, client: Endpoint): void {
    if (!this.#dialogue.loggedIn) return this.#dialogue.replyLocally(verb, LOG_IN_FIRST);
    const { family } = this.#loopback;
    const port = this.#opener.add(null);
    if (port === null) return this.#dialogue.replyLocally(verb, this.#opener.tooMany());
    port.remote = family;
    this.#listenThere('client', port, client, family, (result) => {
      if ('error' in result) {
        this.#opener.logRefusal(result.error.message);
        return this.#dialogue.replyLocally(verb, errorReply(425, result.error));
      }
      const entry: RemotePort = { kind: 'remote', verb, client, port, family, refusal: null };
      this.#dialogue.ask(entry, portCommand(verb, result.endpoint));
    });
  }

  #listenThere(side: Side, port: DataPort, dial: Endpoint, family: 4 | 6, then: Resume): void {
    this.#dialogue.emit({ type: 'offer', id: port.id, on: 'remote', dial, family });
    this.#opener.whenBound(port, side, then);
  }

  /** The server accepts the PORT or EPRT that it was sent. */
  onListenerAccepted(entry: RemotePort): void {
    this.#accept(entry);
    this.#dialogue.pending.settle(entry);
    this.#dialogue.send('client', portReply(entry.verb, entry.client));
  }

  /** The server refuses the PORT or EPRT that it was sent. */
  onListenerRefused(entry: RemotePort, code: number, lines: readonly string[]): void {
    const { pending, ports } = this.#dialogue;
    const { verb, port, refusal } = entry;
    const bytes = refusalInOneLine(code, lines);
    ports.drop(port, new GatewayError('ABANDONED', `the server refused ${verb}`));
    // Many servers take only the address that their control connection comes from, and sshd may
    // have come by ::1.
    const inDoubt = !this.#loopback.taken && refusal === null && code >= 500 && code !== NOT_LOGGED_IN;
    if (inDoubt && !this.#dialogue.hasEnded('server') && !pending.hasLaterFromClient(entry))
      return this.#tellOtherLoopback(entry, bytes);
    pending.settle(entry);
    this.#dialogue.send('client', refusal === null || code === GOING_DOWN ? bytes : refusal, 'server');
  }

  /**
   * The server has left it unanswered. `begins`: it has begun the transfer after it, so it has
   * accepted the port.
   */
  skip(entry: RemotePort, begins: boolean): void {
    if (begins) return this.#accept(entry);
    this.#dialogue.ports.drop(entry.port, new GatewayError('ABANDONED', 'the server did not answer'));
  }

  #accept({ family, port }: RemotePort): void {
    this.#loopback = { family, taken: true };
    this.#dialogue.ports.setNext(port);
  }

  /**
   * The server has replied 425: it accepts any address, and may not reach this one. A literal
   * target's family is known.
   */
  onUnreachedByServer({ remote }: DataPort): void {
    const isLiteral = addressFamily(this.#dialogue.policy.target.host) !== 0;
    if (remote === this.#loopback.family && !isLiteral) {
      this.#loopback = { family: remote === 4 ? 6 : 4, taken: false };
    }
  }

  #tellOtherLoopback(refused: RemotePort, refusal: Uint8Array): void {
    const { pending } = this.#dialogue;
    pending.settle(refused);
    const { verb, client } = refused;
    const family = refused.family === 4 ? 6 : 4;
    const port = this.#opener.add(null);
    if (port === null) return this.#dialogue.send('client', refusal, 'server');
    port.remote = family;
    const entry: RemotePort = { ...refused, port, family, refusal };
    pending.push(entry);
    this.#listenThere('server', port, client, family, (result) => {
      if ('endpoint' in result) return this.#dialogue.send('server', portCommand(verb, result.endpoint));
      pending.settle(entry);
      this.#dialogue.send('client', refusal, 'server');
    });
  }
}

/**
 * Returns the command that names a listener: PORT if the client used it and it can name the
 * address, else EPRT.
 */
function portCommand(verb: ActiveVerb, listener: Endpoint): Uint8Array {
  const byEprt = verb === 'EPRT' || listener.host.includes(':');
  return commandLine(byEprt ? `EPRT ${formatEprt(listener)}` : `PORT ${formatSix(listener)}`);
}

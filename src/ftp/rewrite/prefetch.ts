import type { Endpoint } from '../../core/endpoint.ts';
import { GatewayError } from '../../core/errors.ts';
import { commandLine } from '../wire/words.ts';
import type { DataPort } from './data-ports.ts';
import type { Dialogue } from './dialogue.ts';
import type { PassiveVerb, PortRequest, Transfer } from './pending.ts';

/** A data port that the server has named, with the address to dial. */
export interface Prefetched {
  readonly port: DataPort;
  readonly dial: Endpoint;
}

const ACTIVE: ReadonlySet<string> = new Set(['PORT', 'EPRT', 'LPRT']);
/** After these commands the next request cannot be foreseen. */
const CHANGES: ReadonlySet<string> = new Set([...ACTIVE, 'USER', 'REIN', 'HOST', 'QUIT']);

/**
 * FtpPrefetch: asks the server for the next data port right after a transfer command, so that the
 * client's own PASV or EPSV can be answered at once: a round trip less for each file.
 *
 * Only vsftpd is asked. It reads no command while it transfers, and reads the command after RETR or
 * STOR when that is over. Others would be disturbed: pyftpdlib ends the running transfer, as RFC
 * 959 lets it; proftpd answers 450, pure-ftpd 500.
 */
export class Prefetch {
  readonly #dialogue: Dialogue;
  #on: boolean;
  /** The client's last passive command, and the one that the server was sent for it. */
  #last: { readonly verb: PassiveVerb; readonly asked: PassiveVerb } | null = null;
  /** Whether a transfer has gone well in that way. */
  #proven = false;
  /** The request that the server has not replied to and the client has not claimed. */
  #request: PortRequest | null = null;
  #kept: Prefetched | null = null;
  /** Whether the server's next transfer would use a port that the client does not know. */
  #unclaimed = false;

  constructor(dialogue: Dialogue) {
    this.#dialogue = dialogue;
    this.#on = dialogue.policy.prefetch;
  }

  /** Any command of the client's, before it is dealt with. */
  onCommand(verb: string, argument: string): void {
    if (ACTIVE.has(verb)) this.#unclaimed = false;
    if (!CHANGES.has(verb) && !(verb === 'EPSV' && argument.toUpperCase() === 'ALL')) return;
    if (this.#proven) this.turnOff(`the client said ${verb}`);
    this.#last = null;
  }

  /** A transfer has gone well. */
  succeeded(): void {
    if (this.#last !== null) this.#proven = true;
  }

  /**
   * The client asks for a passive port, for which the server would be sent `asked`. Returns the
   * port that is kept; 'asked' if the server's reply to a request is on its way and is now the
   * client's; null if the server has to be asked.
   */
  claim(verb: PassiveVerb, asked: PassiveVerb): Prefetched | 'asked' | null {
    const [request, kept, last] = [this.#request, this.#kept, this.#last];
    this.#last = { verb, asked };
    this.#request = null;
    this.#kept = null;
    this.#unclaimed = false;
    const usable = last?.verb === verb && last.asked === asked;
    if (usable && request !== null && !this.#dialogue.pending.hasLaterFromClient(request)) {
      request.verb = verb;
      return 'asked';
    }
    if (usable && kept !== null && !kept.port.over) return kept;
    this.#drop(kept);
    return null;
  }

  /** A transfer command has been sent on. */
  follow(transfer: Transfer): void {
    const { pending, ports } = this.#dialogue;
    if (!this.#on || !this.#proven || this.#last === null) return;
    // The person who turned it on would otherwise look for its effect in vain.
    if (!this.#dialogue.isVsftpd)
      return this.turnOff("it is only for vsftpd, and the server's greeting does not say vsFTPd", 'info');
    // Only after a transfer that has a port, with no other command under way, which may change the
    // server's state.
    if ((transfer.port ?? ports.next) === null || pending.someFromClient((entry) => entry !== transfer))
      return;
    transfer.followed = true;
    this.#unclaimed = true;
    const { asked } = this.#last;
    this.#request = {
      kind: 'port',
      verb: null,
      asked,
      client: null,
      refusal: null,
      mistaken: false,
      late: null,
    };
    this.#dialogue.ask(this.#request, commandLine(asked));
  }

  /** Whether the reply to this is still wanted. */
  awaits(request: PortRequest): boolean {
    return this.#request === request;
  }

  /** Keeps the port that the server has named until the client asks for one. */
  keep(prefetched: Prefetched): void {
    this.#request = null;
    this.#kept = prefetched;
  }

  /** Whether a transfer that has no port of its own would get one that its client does not know. */
  get misleads(): boolean {
    return this.#unclaimed && this.#dialogue.ports.next === null;
  }

  /** No more of it in this session. `level` is for the log. */
  turnOff(why: string, level: 'debug' | 'info' = 'debug'): void {
    if (!this.#on) return;
    this.#on = false;
    this.#request = null;
    this.#drop(this.#kept);
    this.#kept = null;
    this.#dialogue.log('ftp.prefetch.off', `FtpPrefetch is off for this session: ${why}`, level);
  }

  #drop(kept: Prefetched | null): void {
    if (kept === null) return;
    this.#dialogue.ports.drop(kept.port, new GatewayError('ABANDONED', 'prefetched in vain'));
  }
}

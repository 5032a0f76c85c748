import type { Duplex } from 'node:stream';
import type { Endpoint } from '../endpoint.ts';
import { asGatewayError, GatewayError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Listening, ManagedTransport, Peer, StreamOptions, TransportState } from '../transport.ts';
import { within } from '../within.ts';

/** How long a stream waits for a data connection that is being made before it takes the main one, in milliseconds. */
const PATIENCE = 5000;
/** How long no further data connection is tried after one has failed, in milliseconds. */
const PAUSE = 60_000;

/** A data connection and how many streams it carries or is about to. */
interface Member {
  readonly transport: ManagedTransport;
  /** Settles when its first login is over, either way. */
  readonly tried: Promise<void>;
  streams: number;
}

export interface PoolOptions {
  /** Makes one more connection to the very host that the main one reached; must never ask a person. Not started. */
  another(): ManagedTransport;
  /** How many of them there may be; asked when the main connection is ready. */
  size(): number;
  readonly log: Logger;
}

/**
 * A main connection, and further ones for bulk streams, opened when first needed, so that a long transfer delays nothing else:
 * in one SSH connection all streams share one TCP connection and its queues.
 *
 * Everything but bulk streams takes the main connection, whose states are the pool's. A bulk stream takes the least busy data
 * connection; where there is none, or it cannot be opened, it takes the main one too: sshd may limit logins (MaxStartups,
 * limits of the account). Data connections end with the main one, since the next may reach another host behind the same name,
 * where the data ports of this one mean nothing.
 */
export class SshPool implements ManagedTransport {
  readonly #main: ManagedTransport;
  readonly #options: PoolOptions;
  readonly #members = new Set<Member>();
  readonly #ending = new Set<Promise<void>>();
  #notBefore = 0;

  constructor(main: ManagedTransport, options: PoolOptions) {
    this.#main = main;
    this.#options = options;
    main.onState((state) => {
      if (state !== 'ready') for (const member of this.#members) this.#drop(member);
    });
  }

  get state(): TransportState {
    return this.#main.state;
  }

  get dataConnections(): number {
    return [...this.#members].filter(({ transport }) => transport.state === 'ready').length;
  }

  onState(listener: (state: TransportState, error?: GatewayError) => void): void {
    this.#main.onState(listener);
  }

  start(): Promise<void> {
    return this.#main.start();
  }

  async stop(): Promise<void> {
    await this.#main.stop();
    await Promise.all(this.#ending);
  }

  async openStream(to: Endpoint, options: StreamOptions = {}): Promise<Duplex> {
    const member = options.bulk ? this.#choose() : null;
    if (member === null) return this.#main.openStream(to, options);
    member.streams += 1;
    try {
      await within(PATIENCE, member.tried);
      options.signal?.throwIfAborted();
      if (member.transport.state !== 'ready') return await this.#main.openStream(to, options);
      const stream = await member.transport.openStream(to, options);
      member.streams += 1;
      stream.once('close', () => {
        member.streams -= 1;
      });
      return stream;
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof GatewayError) || aboutTarget(error)) throw error;
      this.#options.log.debug({ event: 'ssh.data', err: error.message }, `${error.message}; ${INSTEAD}`);
      return this.#main.openStream(to, options);
    } finally {
      member.streams -= 1;
    }
  }

  listen(bind: Endpoint, onStream: (stream: Duplex, peer: Peer) => void): Promise<Listening> {
    return this.#main.listen(bind, onStream);
  }

  #choose(): Member | null {
    if (this.#main.state !== 'ready') return null;
    // One that is reconnecting is not waited for.
    const usable = [...this.#members].filter(({ transport }) => transport.state !== 'backoff');
    const best = usable.sort((a, b) => a.streams - b.streams)[0] ?? null;
    const more = this.#members.size < this.#options.size() && performance.now() >= this.#notBefore;
    return more && (best === null || best.streams > 0) ? this.#add() : best;
  }

  #add(): Member {
    const transport = this.#options.another();
    const member: Member = {
      transport,
      tried: transport.start().catch((error: unknown) => this.#failed(member, error)),
      streams: 0,
    };
    this.#members.add(member);
    transport.onState((state, error) => {
      if (state === 'failed') this.#failed(member, error);
    });
    return member;
  }

  #failed(member: Member, cause: unknown): void {
    if (!this.#members.has(member)) return;
    const error = asGatewayError(cause, 'SSH_CONNECT', 'a data connection');
    this.#notBefore = error.retryable ? performance.now() + PAUSE : Number.POSITIVE_INFINITY;
    // An attacker in the middle is worth a warning, although the main connection is not affected.
    const level = error.code === 'SSH_HOST_KEY' ? 'warn' : 'debug';
    this.#options.log[level](
      { event: 'ssh.data', err: error.message },
      `no further connection for data: ${error.message}; ${INSTEAD}`,
    );
    this.#drop(member);
  }

  #drop(member: Member): void {
    this.#members.delete(member);
    const ended = member.transport.stop().finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
  }
}

const INSTEAD = 'the main connection carries it instead';

/**
 * Whether it is the target's own answer. What the server itself will not do is asked of the main connection too: that one knows
 * what else was allowed, and can say what to mend.
 */
function aboutTarget({ code, reason }: GatewayError): boolean {
  return code === 'CHANNEL_TIMEOUT' || (code === 'CHANNEL_REFUSED' && reason === 'connect-failed');
}

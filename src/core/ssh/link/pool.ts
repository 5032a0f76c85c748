import type { Duplex } from 'node:stream';
import type { Endpoint } from '../../endpoint.ts';
import { asGatewayError, GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { Destination } from '../../target.ts';
import type { ManagedTransport, StreamOptions } from '../../transport.ts';
import { ManagedTransportDecorator } from '../../transport-decorator.ts';
import { within } from '../../within.ts';

/**
 * How long a stream waits for a data connection to open before it takes the main one, in
 * milliseconds.
 */
const PATIENCE = 5000;
/** How long to wait after a data connection has failed before another is tried, in milliseconds. */
const PAUSE = 60_000;

/** A transport for bulk streams. */
export interface DataTransport extends ManagedTransport {
  /** Streams still open are cut with `reason`; default: `STOPPED`. */
  stop(reason?: GatewayError): Promise<void>;
}

/** A data connection. `streams`: how many it carries or is opening. */
interface Member {
  readonly transport: DataTransport;
  /** Settles when its first login has succeeded or failed. */
  readonly tried: Promise<void>;
  streams: number;
}

export interface PoolOptions {
  /**
   * Returns a further connection, not started, to the same host as the main one. It must never ask
   * a person.
   */
  another(): DataTransport;
  /** Returns how many data connections are allowed. Called when the main connection is ready. */
  size(): number;
  readonly log: Logger;
}

/**
 * A main connection and, for bulk streams, further data connections. So a long transfer delays
 * nothing else: in one SSH connection all streams share one TCP connection and its queues.
 *
 * The pool's state is that of the main connection, which carries everything but bulk streams. A
 * bulk stream takes the least busy data connection. If none can be opened (sshd may limit logins,
 * see MaxStartups), the main one carries it too.
 *
 * Data connections end with the main one, and for the same reason: the next may reach another host
 * behind the same name, where the data ports of this one mean nothing.
 */
export class SshPool extends ManagedTransportDecorator {
  readonly #options: PoolOptions;
  readonly #members = new Set<Member>();
  readonly #ending = new Set<Promise<void>>();
  #notBefore = 0;

  constructor(main: ManagedTransport, options: PoolOptions) {
    super(main);
    this.#options = options;
    main.onState((state, reason) => {
      if (state !== 'ready') for (const member of this.#members) this.#drop(member, reason);
    });
  }

  override get dataConnections(): number {
    return [...this.#members].filter(({ transport }) => transport.state === 'ready').length;
  }

  override async stop(): Promise<void> {
    await super.stop();
    await Promise.all(this.#ending);
  }

  override async openStream(to: Destination | Endpoint, options: StreamOptions = {}): Promise<Duplex> {
    const member = options.bulk ? this.#choose() : null;
    if (member === null) return super.openStream(to, options);
    member.streams += 1;
    try {
      await within(PATIENCE, member.tried);
      options.signal?.throwIfAborted();
      if (member.transport.state !== 'ready') return await super.openStream(to, options);
      const stream = await member.transport.openStream(to, options);
      member.streams += 1;
      stream.once('close', () => {
        member.streams -= 1;
      });
      return stream;
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof GatewayError) || aboutTarget(error) || mayBeReached(to, error)) throw error;
      this.#options.log.debug({ event: 'ssh.data', err: error.message }, `${error.message}; ${INSTEAD}`);
      return super.openStream(to, options);
    } finally {
      member.streams -= 1;
    }
  }

  #choose(): Member | null {
    if (this.state !== 'ready') return null;
    // Do not wait for one that is reconnecting.
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
    const fields = { event: 'ssh.data', err: error.message } as const;
    const text = `no further connection for data: ${error.message}; ${INSTEAD}`;
    if (error.code === 'SSH_HOST_KEY') this.#options.log.warn(fields, text);
    else this.#options.log.debug(fields, text);
    this.#drop(member);
  }

  #drop(member: Member, reason?: GatewayError): void {
    this.#members.delete(member);
    const ended = member.transport.stop(reason).finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
  }
}

const INSTEAD = 'the main connection carries it instead';

/**
 * Returns whether the target itself caused the error. If the SSH server refused, the main
 * connection tries too: it knows what else the server allowed, and its error says what to fix.
 */
function aboutTarget({ code, reason }: GatewayError): boolean {
  return code === 'CHANNEL_TIMEOUT' || (code === 'CHANNEL_REFUSED' && reason === 'connect-failed');
}

/**
 * Returns whether a TCP target may have been reached although the opening failed. An FTP data port
 * takes one connection: it would take that one, which is dead, for an empty file, and leave a second
 * one waiting.
 */
function mayBeReached(to: Destination | Endpoint, { code }: GatewayError): boolean {
  return code === 'SSH_LOST' && ('host' in to || 'tcp' in to);
}

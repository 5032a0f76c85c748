import type { Duplex } from 'node:stream';
import type { Endpoint } from '../../endpoint.ts';
import { asGatewayError, GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { Destination } from '../../target.ts';
import type { Listening, Peer, StreamOptions } from '../../transport.ts';
import type { HopConnection } from '../connection/hop-connection.ts';
import type { SshOptions } from '../options.ts';
import { connectHop, type Hop } from './connect-hop.ts';
import type { SupervisedConnection } from './supervisor.ts';

/**
 * Connects to the last of `hops`, each through the one before (ProxyJump), the first by its
 * ProxyCommand if it has one. Each verifies its own host key and logs in by its own configuration.
 * Rejects as SshConnection.connect does, and then leaves nothing open. The connection ends with any
 * of the hops, and ends all of them.
 */
export async function connectChain(
  hops: readonly Hop[],
  log: Logger,
  signal: AbortSignal,
): Promise<SupervisedConnection> {
  const [first, ...rest] = hops;
  if (first === undefined) throw new GatewayError('CONFIG_INVALID', 'no host to connect to');
  let connection = await connectHop(first, { log, signal, dial: null });
  const before: HopConnection[] = [];
  try {
    for (const hop of rest) {
      const last = connection;
      before.push(last);
      openSession(last, hops.at(-1)?.options.session === true, log);
      const dial = (over: AbortSignal) => reach(last, hop.options, over);
      connection = await connectHop(hop, { log, signal, dial });
    }
  } catch (error) {
    await closeAll(before);
    throw error;
  }
  return before.length === 0 ? connection : new Chain(connection, before);
}

/** The connection at the end of a chain, with the hops that carry it. */
class Chain implements SupervisedConnection {
  readonly closed: Promise<GatewayError | null>;
  readonly #last: HopConnection;
  readonly #before: readonly HopConnection[];

  constructor(last: HopConnection, before: readonly HopConnection[]) {
    this.#last = last;
    this.#before = before;
    // A hop's end is announced before its streams end, so before the connection inside it notices.
    for (const [i, hop] of before.entries()) {
      const inside = before[i + 1] ?? last;
      hop.onEnd((reason) => {
        if (reason !== null) inside.blame(reason);
      });
    }
    this.closed = last.closed.then(async (reason) => {
      await closeAll(before);
      return reason;
    });
  }

  get about() {
    return this.#last.about;
  }

  get state() {
    return this.#last.state;
  }

  openStream(to: Destination | Endpoint, options?: StreamOptions): Promise<Duplex> {
    return this.#last.openStream(to, options);
  }

  listen(bind: Endpoint, onStream: (stream: Duplex, peer: Peer) => void): Promise<Listening> {
    return this.#last.listen(bind, onStream);
  }

  onEnd(listener: (reason: GatewayError | null) => void): void {
    this.#last.onEnd(listener);
  }

  session(): Promise<string | null> {
    return this.#last.session();
  }

  async close(reason?: GatewayError): Promise<void> {
    await this.#last.close(reason);
    await closeAll(this.#before);
  }
}

/**
 * Opens a stream from the hop to the next SSH server. A refusal counts as a failure to connect, and
 * may be retried.
 */
async function reach(hop: HopConnection, next: SshOptions, signal: AbortSignal): Promise<Duplex> {
  const to = { host: next.hostName, port: next.port };
  try {
    return await hop.openStream(to, { signal, timeout: next.connectTimeout * 1000 });
  } catch (cause) {
    signal.throwIfAborted();
    const error = asGatewayError(cause, 'SSH_CONNECT', next.host);
    const { code, where, what, hint } = error;
    if (code === 'CHANNEL_TIMEOUT') throw new GatewayError('SSH_TIMEOUT', what, { where, hint, cause });
    if (code === 'CHANNEL_REFUSED') throw new GatewayError('SSH_CONNECT', what, { where, hint, cause });
    throw error;
  }
}

/** A hop's sshd must not delay small messages either. */
function openSession(connection: HopConnection, wanted: boolean, log: Logger): void {
  if (!wanted) return;
  void connection.session().then((remark) => {
    if (remark !== null) log.debug({ event: 'ssh.session' }, remark);
  });
}

/** The innermost first, so that each can still send its disconnect. */
async function closeAll(connections: readonly HopConnection[]): Promise<void> {
  for (const connection of [...connections].reverse()) await connection.close();
}

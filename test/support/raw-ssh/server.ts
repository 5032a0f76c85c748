import { once } from 'node:events';
import net from 'node:net';
import type { TestContext } from 'vitest';
import { ClientGone, RawSshConnection } from './connection.ts';

/**
 * What a raw server does with one connection, step by step; `number` counts connections from 0. When it settles, the connection is left as
 * it is. A ClientGone that it rejects with is no failure.
 */
export type RawScript = (connection: RawSshConnection, number: number) => Promise<void>;

export interface RawSshServer {
  readonly port: number;
  /** Every connection that was made, oldest first. */
  readonly connections: readonly RawSshConnection[];
  /** Connections that are still there. */
  readonly open: number;
  /** What the next connections get. */
  script: RawScript;
  /** What scripts failed with. */
  readonly failures: readonly unknown[];
}

/**
 * An SSH server on 127.0.0.1 that does exactly what `script` says, at each byte: for tests of what a client makes of a server that does
 * not keep to the protocol. The parts, each of which a script may replace by its own:
 *
 * - `connection.ts`: one connection: any payload, in the clear or encrypted, at any time, in any segment; records what the client says.
 * - `key-exchange.ts`: `exchangeKeys` and `rekey`, with packets put in at each point, one's own host key or none of one's own.
 * - `steps.ts`: `letIn` (userauth), `serve` (connection protocol), `forwarding` (a server that forwards for real).
 * - `messages.ts`: builds every message; `encoding.ts`: for those that it does not know; `framing.ts`: packets and encryption.
 *
 * Ends with the test, which then fails if a script did.
 */
export async function startRawSshServer(
  test: Pick<TestContext, 'onTestFinished'>,
  script: RawScript,
): Promise<RawSshServer> {
  const connections: RawSshConnection[] = [];
  const failures: unknown[] = [];
  const sockets = new Set<net.Socket>();
  const state = { script };
  const server = net.createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    const connection = new RawSshConnection(socket);
    connections.push(connection);
    state.script(connection, connections.length - 1).catch((error) => {
      if (!(error instanceof ClientGone)) failures.push(error);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  test.onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
    if (failures.length > 0) throw failures[0];
  });
  return {
    port: (server.address() as net.AddressInfo).port,
    connections,
    failures,
    get open() {
      return sockets.size;
    },
    get script() {
      return state.script;
    },
    set script(next) {
      state.script = next;
    },
  };
}

import { once } from 'node:events';
import net from 'node:net';
import type { TestContext } from 'vitest';
import { ClientGone, RawSshConnection } from './connection.ts';

/**
 * The script for one connection; `number` counts connections from 0. The connection stays open when
 * the script ends. Rejecting with ClientGone does not count as a failure.
 */
export type RawScript = (connection: RawSshConnection, number: number) => Promise<void>;

export interface RawSshServer {
  readonly port: number;
  /** All connections ever made, oldest first. */
  readonly connections: readonly RawSshConnection[];
  /** How many connections are open. */
  readonly open: number;
  /** The script for the next connections. */
  script: RawScript;
  /** The errors of failed scripts. */
  readonly failures: readonly unknown[];
}

/**
 * Starts an SSH server on 127.0.0.1 that does exactly what `script` says, byte by byte, to test a
 * client against servers that violate the protocol. It uses nothing of ssh2. A script can replace
 * every step by its own:
 *
 * - `connection.ts` sends any payload, in plaintext or encrypted, at any time, in any segment, and
 *   records what the client sends.
 * - `key-exchange.ts` has `exchangeKeys` and `rekey`, which inject packets at any point.
 * - `host-key.ts` makes host keys, including one that the server cannot sign with.
 * - `steps.ts` has `letIn` (user authentication), `serve` (connection protocol) and `forwarding`.
 * - `messages.ts` builds messages, `encoding.ts` their fields, `framing.ts` the packets.
 *
 * A correct server is `exchangeKeys`, then `letIn`, then `serve(connection,
 * forwarding(connection))`. The server stops with the test, and the test fails if a script failed.
 * `keepClosed`: whether `connections` keeps those that are closed, with what they have recorded; a
 * long run has too many.
 */
export async function startRawSshServer(
  test: Pick<TestContext, 'onTestFinished'>,
  script: RawScript,
  { keepClosed = true }: { keepClosed?: boolean } = {},
): Promise<RawSshServer> {
  const connections: RawSshConnection[] = [];
  const failures: unknown[] = [];
  const sockets = new Set<net.Socket>();
  const state = { script };
  let made = 0;
  const server = net.createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    const connection = new RawSshConnection(socket);
    connections.push(connection);
    if (!keepClosed)
      void connection.closed.then(() => connections.splice(connections.indexOf(connection), 1));
    state.script(connection, made++).catch((error) => {
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

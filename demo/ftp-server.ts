import { z } from 'zod';
import { GatewayError } from '../src/core/errors.ts';
import { GatewayEmitter } from '../src/core/events.ts';
import { DirectTransport } from '../src/core/local/tcp-transport.ts';
import { type Logger, silentLogger } from '../src/core/log.ts';
import type { ProtocolPlugin } from '../src/core/plugin.ts';
import { Session } from '../src/core/session.ts';
import { Accounts } from '../src/ftp/server/io/accounts.ts';
import { hashPassword, parsePasswordHash } from '../src/ftp/server/io/password.ts';
import { serveFtp } from '../src/ftp/server/io/serve.ts';
import type { ServeOptions } from '../src/ftp/server/io/serve-options.ts';
import { LOCAL_HASHES, LocalStore } from '../src/ftp/server/local/local-store.ts';
import { errorReply } from '../src/ftp/wire/words.ts';
import { PASSWORD, USER } from './account.ts';
import type { Running } from './serve.ts';

/** What a caller may choose of a server. */
export interface FtpServerOptions extends Partial<ServeOptions> {
  /** Default: 127.0.0.1. */
  readonly host?: string;
  readonly log?: Logger;
  readonly events?: GatewayEmitter;
}

const plugin: ProtocolPlugin<ServeOptions> = {
  name: 'ftp-server',
  schema: z.custom<ServeOptions>(),
  defaultPorts: [],
  run: serveFtp,
  refusal: (error) => errorReply(421, error),
};

/** Serves the directory `root` by FTP on a free port; its data ports are on the same address. */
export async function startFtpServer(root: string, options: FtpServerOptions = {}): Promise<Running> {
  const { host = '127.0.0.1', log = silentLogger, events = new GatewayEmitter(), ...chosen } = options;
  const served: ServeOptions = {
    login: chosen.login ?? { accounts: await demoAccounts(root) },
    charset: null,
    ascii: 'convert',
    keepPartial: true,
    active: true,
    hashes: LOCAL_HASHES,
    data: { acceptTimeout: 60_000, ports: null, advertise: null, anyPeer: false },
    ...{ idleTimeout: 0, loginTimeout: 0 },
    ...chosen,
  };
  const network = new DirectTransport();
  const sessions = new Map<Session, Promise<void>>();
  let lastId = 0;
  const listening = await network.listen({ host, port: 0 }, (client, peer) => {
    const session = new Session({
      id: ++lastId,
      forward: 'files',
      target: listening.endpoint,
      ...{ client, peer, near: network, far: network, log, events },
    });
    sessions.set(
      session,
      session.run(plugin, served).finally(() => sessions.delete(session)),
    );
  });
  return {
    port: listening.endpoint.port,
    async close() {
      await listening.close();
      const runs = [...sessions.values()];
      for (const session of sessions.keys())
        session.end(new GatewayError('STOPPING', 'the server is stopping'));
      await Promise.all(runs);
    },
  };
}

/** The demo's one account. */
async function demoAccounts(root: string): Promise<Accounts> {
  const password = parsePasswordHash(await hashPassword(Buffer.from(PASSWORD)));
  if (password === null) throw new Error('the hash cannot be read');
  const store = await LocalStore.open(root);
  return new Accounts(new Map([[USER, { access: 'read-write', store, password }]]));
}

import type { TestContext } from 'vitest';
import { type FtpServerOptions, startFtpServer } from '../../demo/ftp-server.ts';
import { GatewayEmitter, type GatewayEvents } from '../../src/core/events.ts';
import { LocalStore } from '../../src/ftp/server/local/local-store.ts';
import { type FileStore, StoreError } from '../../src/ftp/server/store.ts';
import { RawClient } from './raw-client.ts';
import { tempFolder } from './temp-folder.ts';

type Test = Pick<TestContext, 'onTestFinished'>;

/** A running server. */
export interface FileServer {
  readonly host: string;
  readonly port: number;
  /** The transfers that it has reported as ended. */
  readonly ended: GatewayEvents['transfer.end'][0][];
  /** A client that has logged in, in TYPE I. */
  client(from?: string): Promise<RawClient>;
  /** Settles when the next transfer has ended. */
  nextEnd(): Promise<GatewayEvents['transfer.end'][0]>;
  close(): Promise<void>;
}

/** Serves a store to any user until the test ends. */
export async function serveStore(
  test: Test,
  store: FileStore,
  options: FtpServerOptions = {},
): Promise<FileServer> {
  const events = new GatewayEmitter();
  const ended: GatewayEvents['transfer.end'][0][] = [];
  events.on('transfer.end', (info) => ended.push(info));
  const login = { any: { access: 'read-write' as const, store } };
  const server = await startFtpServer('/', { login, events, ...options });
  test.onTestFinished(() => server.close());
  const host = options.host ?? '127.0.0.1';
  return {
    host,
    port: server.port,
    ended,
    async client(from) {
      const client = await RawClient.connect(test, { host, port: server.port }, from);
      await client.reply();
      for (const line of ['USER ann', 'PASS x', 'TYPE I']) await client.command(line);
      return client;
    },
    nextEnd: () => new Promise((resolve) => events.once('transfer.end', resolve)),
    close: () => server.close(),
  };
}

/** Serves a folder of the test's own. */
export async function serveFolder(
  test: Test,
  options: FtpServerOptions = {},
): Promise<FileServer & { readonly root: string }> {
  const root = await tempFolder(test);
  return { ...(await serveStore(test, await LocalStore.open(root), options)), root };
}

/** A store that can do only this. */
export function stubStore(methods: Partial<FileStore>): FileStore {
  const refuse = async () => {
    throw new StoreError('unsupported', 'not in this test');
  };
  return {
    hashes: [],
    ...{ stat: refuse, list: refuse, openRead: refuse, openWrite: refuse, makeDirectory: refuse },
    ...{ removeDirectory: refuse, remove: refuse, rename: refuse, setModified: refuse, setMode: refuse },
    ...{ available: refuse, hash: refuse },
    ...methods,
  };
}

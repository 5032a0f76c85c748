import type { TestContext } from 'vitest';
import { startFtp, type TestGateway } from './gateway.ts';
import { RawClient } from './raw-client.ts';
import { type DataListener, type FtpPeer, ScriptedFtpServer } from './scripted-ftp-server.ts';
import type { Wire } from './wire.ts';

type Test = Pick<TestContext, 'onTestFinished'>;
/** How to start the gateway; `host` is the server's address, `from` the client's. */
export type SessionSetup = Omit<Parameters<typeof startFtp>[1], 'target'> & {
  readonly host?: string;
  readonly from?: string;
  /** Whether the client has logged in. Default: true */
  readonly login?: boolean;
};

export interface FtpSession {
  readonly server: ScriptedFtpServer;
  readonly gateway: TestGateway;
  readonly client: RawClient;
  readonly peer: FtpPeer;
}

/** Starts a server, a gateway and a client, which has its greeting and is logged in. */
export async function ftpSession(test: Test, { login, ...setup }: SessionSetup = {}): Promise<FtpSession> {
  const server = await ScriptedFtpServer.start(test, setup.host);
  const gateway = await startFtp(test, { ...setup, target: { host: server.host, port: server.port } });
  return { server, gateway, ...(await anotherSession(test, { server, gateway }, setup.from, login)) };
}

/** Connects one more client of the same gateway. */
export async function anotherSession(
  test: Test,
  { server, gateway }: Pick<FtpSession, 'server' | 'gateway'>,
  from?: string,
  login = true,
): Promise<Pick<FtpSession, 'client' | 'peer'>> {
  const client = await RawClient.connect(test, gateway.endpoint, from);
  const peer = await server.accept();
  peer.reply('220 ready');
  await client.reply();
  if (login) {
    client.send('USER a');
    await peer.expect('USER a', '230 in');
    await client.reply();
  }
  // What a test sees begins here.
  peer.commands.length = 0;
  return { client, peer };
}

/**
 * Has the client ask for a data port. Returns the address to connect to, and the server's listener.
 */
export async function agree(
  { client, peer }: Pick<FtpSession, 'client' | 'peer'>,
  verb: 'PASV' | 'EPSV' = 'EPSV',
): Promise<{ where: { host: string; port: number }; listening: DataListener }> {
  const [where, listening] = await Promise.all([client.passive(verb), peer.passive()]);
  return { where, listening };
}

/** `agree`, and both ends of the data connection connected. The server's is paused. */
export async function openData(session: Pick<FtpSession, 'client' | 'peer'>, verb: 'PASV' | 'EPSV' = 'EPSV') {
  const { where, listening } = await agree(session, verb);
  const data: Wire = await session.client.data(where);
  const far = await listening.accept();
  return { where, listening, data, far };
}

/** Sends a transfer command and has the server begin it. */
export async function begin(
  { client, peer }: Pick<FtpSession, 'client' | 'peer'>,
  command: string,
): Promise<void> {
  client.send(command);
  await peer.expect(command, '150 here');
  const reply = await client.reply();
  if (reply !== '150 here') throw new Error(`expected 150, got ${reply}`);
}

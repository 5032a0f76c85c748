import { describe, expect, it } from 'vitest';
import type { AnyPlugin } from '../../../src/app/plugins.ts';
import { imap } from '../../../src/protocols/imap.ts';
import { pop3 } from '../../../src/protocols/pop3.ts';
import { smtp } from '../../../src/protocols/smtp.ts';
import { tcp } from '../../../src/protocols/tcp.ts';
import { type GatewaySetup, startGateway } from '../../support/gateway.ts';
import { ScriptedFtpServer } from '../../support/scripted-ftp-server.ts';
import { Wire } from '../../support/wire.ts';

type Setup = Omit<GatewaySetup, 'plugin' | 'target'>;
type Test = Parameters<typeof startGateway>[0];

/** How each protocol begins its refusal. */
const WORDS = [
  { plugin: pop3, words: '-ERR [SYS/TEMP] sshferry: ' },
  { plugin: smtp, words: '421 4.3.2 sshferry: ' },
  { plugin: imap, words: '* BYE [UNAVAILABLE] sshferry: ' },
] as const;

async function setUp(test: Test, plugin: AnyPlugin, setup: Setup = {}) {
  const target = await ScriptedFtpServer.start(test);
  const gateway = await startGateway(test, {
    transport: 'ssh',
    ...setup,
    plugin,
    target: { host: target.host, port: target.port },
  });
  const connect = async () => {
    const client = await Wire.connect(gateway.endpoint);
    test.onTestFinished(() => client.destroy());
    return client;
  };
  return { target, gateway, connect };
}

/** Everything that the client gets, as one line, until its connection is closed. */
async function lastWords(client: Wire): Promise<string> {
  const { bytes, ending } = await client.rest();
  expect(ending).toBe('eof');
  const text = bytes.toString('latin1');
  expect(text).toMatch(/^[^\r\n]+\r\n$/);
  client.end();
  return text.trimEnd();
}

describe.each(WORDS)('$plugin.name reports in its own words', ({ plugin, words }) => {
  it('that SSH was lost, at the end of a line', async (test) => {
    const { target, gateway, connect } = await setUp(test, plugin);
    const client = await connect();
    const { control: server } = await target.accept();
    server.write('ready\r\n');
    await client.line();
    gateway.ssh?.killConnections();
    const text = await lastWords(client);
    expect(text.startsWith(words)).toBe(true);
    expect(text).toContain('yourserver');
    expect(await gateway.happened('session.end')).toMatchObject({ error: { code: 'SSH_LOST' } });
  });

  it('nothing within a line: the connection is reset', async (test) => {
    const { target, gateway, connect } = await setUp(test, plugin);
    const client = await connect();
    const { control: server } = await target.accept();
    server.write('half a li');
    await client.take(9);
    gateway.ssh?.killConnections();
    expect(await client.rest()).toEqual({ bytes: Buffer.alloc(0), ending: 'ECONNRESET' });
  });

  it('that SSH is down when the client connects', async (test) => {
    const { gateway, connect } = await setUp(test, plugin, { connectTimeout: 0.1 });
    await gateway.ssh?.close();
    await gateway.happened('transport.state', ({ state }) => state === 'backoff');
    const text = await lastWords(await connect());
    expect(text.startsWith(words)).toBe(true);
    expect(text).toContain('yourserver');
  });

  it('that nothing listens at the target', async (test) => {
    const { connect } = await setUp(test, plugin, { ssh: { allowForward: () => 'connect-failed' } });
    const text = await lastWords(await connect());
    expect(text.startsWith(words)).toBe(true);
    expect(text).toMatch(/cannot connect to 127\.0\.0\.1:\d+|127\.0\.0\.1:\d+.*refused/);
  });

  it('that forwarding is prohibited, and which setting to check', async (test) => {
    const { connect } = await setUp(test, plugin, { ssh: { allowForward: () => 'prohibited' } });
    const text = await lastWords(await connect());
    expect(text.startsWith(words)).toBe(true);
    expect(text).toMatch(
      /yourserver does not allow forwarding to 127\.0\.0\.1:\d+.*(AllowTcpForwarding|PermitOpen)/,
    );
  });

  it('that there are too many clients, and serves again when one has left', async (test) => {
    const { target, gateway, connect } = await setUp(test, plugin, { maxSessions: 1 });
    const first = await connect();
    const { control: server } = await target.accept();
    expect(await lastWords(await connect())).toMatch(
      `${words}${plugin.name}: the limit of 1 connection is reached; try again later`,
    );
    for (const end of [first, server]) end.end();
    await gateway.happened('session.end', ({ error }) => error === undefined);
    await connect();
    (await target.accept()).reply('ready');
  });

  it('that the session was idle', async (test) => {
    const config = { idleTimeout: 0.05 };
    const { target, connect } = await setUp(test, plugin, { config });
    const client = await connect();
    const { control: server } = await target.accept();
    expect(await lastWords(client)).toBe(`${words}nothing was said for 0.05 s`);
    expect(await server.ended()).toBe('ECONNRESET');
  });
});

describe('tcp has no error replies, and resets the connection', () => {
  it.for([
    ['when SSH is lost', {}],
    ['when the target refuses', { ssh: { allowForward: () => 'connect-failed' as const } }],
    ['when the session is idle', { config: { idleTimeout: 0.05 } }],
  ] as const)('%s', async ([, setup], test) => {
    const { target, gateway, connect } = await setUp(test, tcp, setup);
    const client = await connect();
    if (!('ssh' in setup) && !('config' in setup)) {
      (await target.accept()).control.write('some bytes\r\n');
      await client.line();
      gateway.ssh?.killConnections();
    }
    expect(await client.rest()).toEqual({ bytes: Buffer.alloc(0), ending: 'ECONNRESET' });
  });
});

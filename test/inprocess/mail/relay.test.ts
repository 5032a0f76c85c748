import { describe, expect, it, type TestContext } from 'vitest';
import type { AnyPlugin } from '../../../src/app/plugins.ts';
import { imap } from '../../../src/protocols/imap.ts';
import { pop3 } from '../../../src/protocols/pop3.ts';
import { smtp } from '../../../src/protocols/smtp.ts';
import { tcp } from '../../../src/protocols/tcp.ts';
import { eventually, type GatewaySetup, startGateway, TRANSPORTS } from '../../support/gateway.ts';
import { pattern, ScriptedFtpServer } from '../../support/scripted-ftp-server.ts';
import { Wire } from '../../support/wire.ts';

const PLUGINS: readonly AnyPlugin[] = [pop3, smtp, imap, tcp];

/** A client and a server with nothing but the gateway between them. */
async function joined(
  test: Pick<TestContext, 'onTestFinished'>,
  plugin: AnyPlugin,
  setup: Omit<GatewaySetup, 'plugin' | 'target'> = {},
) {
  const target = await ScriptedFtpServer.start(test);
  const gateway = await startGateway(test, {
    ...setup,
    plugin,
    target: { host: target.host, port: target.port },
  });
  const client = await Wire.connect(gateway.endpoint);
  test.onTestFinished(() => client.destroy());
  const { control: server } = await target.accept();
  return { client, server, gateway };
}

/**
 * Bytes that something on the way might take for its own: NUL, a lone LF or CR, 8-bit, Telnet's
 * IAC, a line of a dot.
 */
const ODD = Buffer.from(
  '+OK <1896.697170952@dbc.mtview.ca.us>\r\n\0\n\r\xff\xf4\xe9\r\n.\r\n..\n.',
  'latin1',
);

describe.each(TRANSPORTS)('over %s', (transport) => {
  it.for(PLUGINS)('$name passes every byte both ways, and each side’s end alone', async (plugin, test) => {
    const { client, server, gateway } = await joined(test, plugin, { transport });
    server.write(ODD);
    expect((await client.take(ODD.length)).equals(ODD)).toBe(true);
    client.end(ODD);
    const request = await server.rest();
    expect([request.bytes.equals(ODD), request.ending]).toEqual([true, 'eof']);
    expect(client.ending).toBeNull();
    server.end(ODD);
    const answer = await client.rest();
    expect([answer.bytes.equals(ODD), answer.ending]).toEqual([true, 'eof']);
    const end = await gateway.happened('session.end');
    expect(end).toMatchObject({ bytesUp: ODD.length, bytesDown: 2 * ODD.length });
    expect(end.error).toBeUndefined();
  });

  it('passes pipelined commands as they come', async (test) => {
    const { client, server } = await joined(test, pop3, { transport });
    server.write('+OK ready\r\n');
    await client.line();
    client.write('UIDL\r\nLIST\r\n');
    expect([await server.line(), await server.line()]).toEqual(['UIDL', 'LIST']);
    server.write('+OK\r\n.\r\n+OK\r\n.\r\n');
    expect((await client.take(16)).toString()).toBe('+OK\r\n.\r\n+OK\r\n.\r\n');
  });

  it('passes DATA of 25 MB', async (test) => {
    const { client, server, gateway } = await joined(test, smtp, { transport });
    const message = pattern(25_000_000);
    server.write('354 go on\r\n');
    await client.line();
    client.write(message);
    expect((await server.take(message.length)).equals(message)).toBe(true);
    server.write('250 queued\r\n');
    expect(await client.line()).toBe('250 queued');
    for (const end of [client, server]) end.end();
    await gateway.happened('session.end', (end) => end.bytesUp === message.length);
  });

  it('ends cleanly when QUIT crosses the server’s close: the client reads everything that was sent to it', async (test) => {
    const { client, server, gateway } = await joined(test, smtp, { transport });
    client.socket.pause();
    server.end('421 4.4.2 idle for too long, closing\r\n');
    await eventually(() => expect([...gateway.network.streams][0]?.writableFinished).toBe(true));
    server.reset();
    // More than fits on the way: it has all gone only once the gateway reads what it can no longer
    // pass on.
    await new Promise((resolve) => client.socket.write(Buffer.alloc(16 << 20, 'QUIT\r\n'), resolve));
    client.socket.resume();
    const { bytes, ending } = await client.rest();
    expect([bytes.toString(), ending]).toEqual(['421 4.4.2 idle for too long, closing\r\n', 'eof']);
    client.end();
    const end = await gateway.happened('session.end');
    expect(end.error).toBeUndefined();
  });
});

it('does not treat a loss of SSH after the server’s end as a normal end', async (test) => {
  const { client, server, gateway } = await joined(test, smtp, { transport: 'ssh' });
  server.end('221 bye\r\n');
  await client.line();
  await eventually(() => expect([...gateway.network.streams][0]?.writableFinished).toBe(true));
  gateway.ssh?.killConnections();
  const end = await gateway.happened('session.end');
  expect(end.error?.code).toBe('SSH_LOST');
});

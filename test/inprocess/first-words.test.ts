import net from 'node:net';
import { describe, expect, it } from 'vitest';
import type { AnyPlugin } from '../../src/app/plugins.ts';
import { ftp } from '../../src/ftp/plugin.ts';
import { imap } from '../../src/protocols/imap.ts';
import { pop3 } from '../../src/protocols/pop3.ts';
import { smtp } from '../../src/protocols/smtp.ts';
import { tcp } from '../../src/protocols/tcp.ts';
import { BROWSER_BYTES, CLIENT_HELLO, TURN_ALLOCATE } from '../support/browser-bytes.ts';
import { eventually, type GatewaySetup, startGateway, TRANSPORTS } from '../support/gateway.ts';
import { ScriptedFtpServer } from '../support/scripted-ftp-server.ts';
import { Wire } from '../support/wire.ts';

const GREETED = [
  { plugin: ftp, greeting: '220 ready', refusal: '421 sshferry: ', login: 'USER demo' },
  { plugin: pop3, greeting: '+OK ready', refusal: '-ERR [SYS/TEMP] sshferry: ', login: 'USER demo' },
  { plugin: smtp, greeting: '220 ready', refusal: '421 4.3.2 sshferry: ', login: 'EHLO here' },
  { plugin: imap, greeting: '* OK ready', refusal: '* BYE [UNAVAILABLE] sshferry: ', login: 'a LOGIN x y' },
] as const;
const REQUESTS = Object.entries(BROWSER_BYTES);
const [, POST] = REQUESTS[0] ?? ['', ''];

type Test = Parameters<typeof startGateway>[0];

async function setUp(
  test: Test,
  plugin: AnyPlugin,
  options: Record<string, unknown> = {},
  setup: Partial<GatewaySetup> = {},
) {
  const target = await ScriptedFtpServer.start(test);
  const gateway = await startGateway(test, {
    target: { host: target.host, port: target.port },
    ...setup,
    plugin,
    config: plugin.schema.parse(options),
  });
  const client = await Wire.connect(gateway.endpoint);
  test.onTestFinished(() => client.destroy());
  return { target, gateway, client };
}

/** The one line that a client gets before its connection is closed. */
async function lastLine(client: Wire): Promise<string> {
  const text = (await client.rest()).bytes.toString();
  expect(text).toMatch(/^[^\r\n]+\r\n$/);
  client.end();
  return text;
}

/** All that the server hears until its connection ends. */
async function heard(target: ScriptedFtpServer): Promise<string> {
  const { control } = await target.accept();
  return (await control.rest()).bytes.toString('latin1');
}

describe.each(GREETED)('$plugin.name', ({ plugin, greeting, refusal, login }) => {
  describe.each(TRANSPORTS)('over %s', (transport) => {
    it.for(REQUESTS)('keeps out: %s', async ([, request], test) => {
      const { target, gateway, client } = await setUp(test, plugin, {}, { transport });
      client.write(request);
      const { bytes } = await client.rest();
      expect(bytes.toString()).toMatch(
        /^HTTP\/1\.1 400 Bad Request\r\n.*\r\n\r\nThis port belongs to sshferry/s,
      );
      client.end();
      const { error, bytesUp } = await gateway.happened('session.end');
      expect(error).toMatchObject({ code: 'CLIENT_HTTP' });
      expect(bytesUp).toBe(0);
      if (request.includes('Origin:')) expect(error?.message).toContain('http://127.0.0.1:9000');
      if (gateway.ssh === null || gateway.ssh.channelsOpened > 0) expect(await heard(target)).toBe('');
    });
  });

  it('keeps out a request that comes after the greeting, in pieces', async (test) => {
    const { target, client } = await setUp(test, plugin);
    const server = await target.accept();
    server.reply(greeting);
    expect(await client.line()).toBe(greeting);
    client.write(POST.slice(0, 9));
    client.write(POST.slice(9));
    expect((await client.rest()).bytes.toString()).toMatch(/^HTTP\/1\.1 400 /);
    client.end();
    expect((await server.control.rest()).bytes.toString()).toBe('');
  });

  it.for([
    ['TLS', CLIENT_HELLO, 'CLIENT_TLS'],
    ['commands before the greeting', Buffer.from(`${login}\r\nQUIT\r\n`), 'CLIENT_EARLY'],
  ] as const)('refuses %s in its own words', async ([, words, code], test) => {
    const { gateway, client } = await setUp(test, plugin);
    client.write(words);
    expect(await lastLine(client)).toContain(refusal);
    const { error, bytesUp } = await gateway.happened('session.end');
    expect([error?.code, bytesUp]).toEqual([code, 0]);
  });

  it('refuses an incomplete line when the greeting comes, and sends the refusal instead', async (test) => {
    const { target, gateway, client } = await setUp(test, plugin);
    client.write(TURN_ALLOCATE);
    const server = await target.accept();
    server.reply(greeting);
    expect(await lastLine(client)).toContain(refusal);
    expect((await gateway.happened('session.end')).error).toMatchObject({ code: 'CLIENT_EARLY' });
    expect((await server.control.rest()).bytes.toString()).toBe('');
  });

  it('refuses commands that arrived together with the greeting', async (test) => {
    const { target, gateway, client } = await setUp(test, plugin);
    const server = await target.accept();
    // The greeting is on its way, and nothing of it has reached the client.
    client.write(`${login}\r\n`);
    server.reply(greeting);
    expect(await lastLine(client)).toContain(refusal);
    expect((await gateway.happened('session.end')).error).toMatchObject({ code: 'CLIENT_EARLY' });
  });

  it('passes them if the option allows it, but never an HTTP request', async (test) => {
    const { target, gateway, client } = await setUp(test, plugin, { clientSpeaksFirst: true });
    client.write(`${login}\r\n`);
    const { control } = await target.accept();
    expect(await control.line()).toBe(login);
    control.write(`${greeting}\r\n`);
    expect(await client.line()).toBe(greeting);
    const page = await Wire.connect(gateway.endpoint);
    page.write(POST);
    expect((await page.rest()).bytes.toString()).toMatch(/^HTTP\/1\.1 400 /);
    page.end();
  });

  it('passes Telnet negotiation and line ends before a slow greeting', async (test) => {
    const { target, client } = await setUp(test, plugin);
    const server = await target.accept();
    client.write(Buffer.from('fffb1ffffb20fffd010d0a', 'hex'));
    // It has been read: no word of it comes back before the greeting.
    await new Promise((resolve) => setTimeout(resolve, 100));
    server.reply(greeting);
    expect(await client.line()).toBe(greeting);
    client.write(`${login}\r\n`);
    const said = await server.control.line();
    if (plugin === ftp) expect([said, await client.line()]).toEqual([login, '500 Empty command']);
    else expect(Buffer.from(said, 'latin1').toString('hex')).toBe('fffb1ffffb20fffd01');
  });

  it('passes on the end of a silent client, and text without a line end', async (test) => {
    const { target, client, gateway } = await setUp(test, plugin);
    client.end();
    const server = await target.accept();
    expect(await server.control.ended()).toBe('eof');
    server.reply(greeting);
    server.control.end();
    expect((await client.rest()).bytes.toString()).toBe(`${greeting}\r\n`);

    const second = await Wire.connect(gateway.endpoint);
    const { control } = await target.accept();
    control.write(`${greeting}\r\n`);
    await second.line();
    second.end('QUIT');
    const { bytes } = await control.rest();
    // A command that is not ended is none for FTP.
    expect(bytes.toString()).toBe(plugin === ftp ? '' : 'QUIT');
    control.end();
  });

  it("passes on a server's close without a greeting", async (test) => {
    const { target, client } = await setUp(test, plugin);
    const { control } = await target.accept();
    control.end();
    expect(await client.rest()).toEqual({ bytes: Buffer.alloc(0), ending: 'eof' });
    client.end();
  });

  it('ends when the client breaks the connection before the greeting', async (test) => {
    const { target, client, gateway } = await setUp(test, plugin);
    const { control } = await target.accept();
    client.reset();
    expect(await control.ended()).toBe('ECONNRESET');
    await gateway.happened('session.end');
    await eventually(() => expect(gateway.network.streams.size).toBe(0));
  });
});

it('a client may start with TLS if the target’s port is one for implicit TLS', async (test) => {
  const target = await ScriptedFtpServer.start(test);
  const gateway = await startGateway(test, {
    plugin: imap,
    transport: 'ssh',
    target: { host: 'mail.test', port: 993 },
    ssh: { dial: () => net.connect({ host: target.host, port: target.port, allowHalfOpen: true }) },
  });
  const client = await Wire.connect(gateway.endpoint);
  test.onTestFinished(() => client.destroy());
  client.write(CLIENT_HELLO);
  const { control } = await target.accept();
  expect((await control.take(CLIENT_HELLO.length)).equals(CLIENT_HELLO)).toBe(true);
});

it('tcp is not checked', async (test) => {
  const { target, client } = await setUp(test, tcp);
  client.write(POST);
  const { control } = await target.accept();
  expect((await control.take(POST.length)).toString()).toBe(POST);
});

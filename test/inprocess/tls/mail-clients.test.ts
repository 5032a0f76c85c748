import type net from 'node:net';
import tls from 'node:tls';
import { expect, it, onTestFinished } from 'vitest';
import type { AnyPlugin } from '../../../src/app/plugins.ts';
import { imap } from '../../../src/protocols/imap.ts';
import { pop3 } from '../../../src/protocols/pop3.ts';
import { smtp } from '../../../src/protocols/smtp.ts';
import { tcp } from '../../../src/protocols/tcp.ts';
import type { ListenTlsSettings } from '../../../src/tls/listen-tls.ts';
import { suiteAuthority } from '../../support/certificates.ts';
import { startGateway } from '../../support/gateway.ts';
import { listenTls } from '../../support/listen-tls.ts';
import { describeWith, run } from '../../support/openssh.ts';
import { pattern, ScriptedFtpServer } from '../../support/scripted-ftp-server.ts';
import { Wire } from '../../support/wire.ts';

const TEST = { onTestFinished };
const MAIL = [
  [pop3, '+OK ready', 'STLS', '+OK sshferry: TLS begins now'],
  [imap, '* OK ready', 'a STARTTLS', 'a OK sshferry: TLS begins now'],
  [smtp, '220 ready', 'STARTTLS', '220 2.0.0 sshferry: TLS begins now'],
] as const;

describeWith(['openssl', 'curl'], 'mail clients that speak TLS', () => {
  const own = suiteAuthority();

  /** A client and a server of a test's own, with a gateway between them. */
  async function joined(plugin: AnyPlugin, over: Partial<ListenTlsSettings> = {}) {
    const target = await ScriptedFtpServer.start(TEST);
    const { observed } = await listenTls(TEST, own.issued, over);
    const gateway = await startGateway(TEST, { plugin, target, listenTls: observed });
    const client = await Wire.connect(gateway.endpoint);
    onTestFinished(() => client.destroy());
    return { client, gateway, server: (await target.accept()).control };
  }

  function secure(socket: net.Socket): Wire {
    const secured = tls.connect({ socket, ca: own.authority.cert, servername: 'localhost' });
    onTestFinished(() => void secured.destroy());
    return new Wire(secured);
  }

  it.each(MAIL)(
    '$name begins TLS by its command, and then passes every byte',
    async (plugin, greeting, command, reply) => {
      const { client, server, gateway } = await joined(plugin, { required: true });
      server.write(`${greeting}\r\n`);
      expect(await client.line()).toMatch(greeting);
      client.write(`${command}\r\n`);
      expect(await client.line()).toBe(reply);
      const secured = secure(client.socket);
      const login = { pop3: 'USER a', imap: 'b LOGIN a b', smtp: 'MAIL FROM:<a@b>' }[plugin.name] ?? '';
      const bytes = Buffer.concat([Buffer.from(`${login}\r\n`), pattern(500_000)]);
      secured.write(bytes);
      expect((await server.take(bytes.length)).equals(bytes)).toBe(true);
      server.write(bytes);
      expect((await secured.take(bytes.length)).equals(bytes)).toBe(true);
      secured.end();
      expect(await server.ended()).toBe('eof');
      server.end();
      expect(await secured.ended()).toBe('eof');
      const end = await gateway.happened('session.end');
      expect(end.error).toBeUndefined();
    },
  );

  it.each(MAIL)('$name passes without TLS where that is allowed', async (plugin, greeting) => {
    const { client, server } = await joined(plugin);
    server.write(`${greeting}\r\n`);
    await client.line();
    client.write('b LOGIN a b\r\nmore');
    expect((await server.take(17)).toString()).toBe('b LOGIN a b\r\nmore');
    client.end();
    expect(await server.ended()).toBe('eof');
    server.end('bye');
    expect((await client.rest()).bytes.toString()).toContain('bye');
  });

  it.each(MAIL)('$name ends if more comes in the clear', async (plugin, greeting, command) => {
    const { client, server, gateway } = await joined(plugin);
    server.write(`${greeting}\r\n`);
    await client.line();
    client.write(`${command}\r\nb LOGIN a b\r\n`);
    expect(await client.line()).toContain(
      'sshferry: bytes came in the clear after the command that begins TLS',
    );
    const end = await gateway.happened('session.end');
    expect(end.error?.code).toBe('CLIENT_INJECTION');
    expect((await server.rest()).bytes.toString()).toBe('');
  });

  it('a server that hangs up before the login is reported in the protocol’s words', async () => {
    const { client, server } = await joined(pop3, { required: true });
    server.write('+OK ready\r\n');
    await client.line();
    server.reset();
    expect(await client.line()).toMatch(/^-ERR \[SYS\/TEMP\] sshferry: /);
  });

  it.each([pop3, imap, smtp, tcp])('$name takes TLS with the first byte', async (plugin) => {
    const target = await ScriptedFtpServer.start(TEST);
    const { observed } = await listenTls(TEST, own.issued, { mode: 'implicit' });
    const gateway = await startGateway(TEST, { plugin, target, listenTls: observed });
    const client = await Wire.connect(gateway.endpoint);
    const secured = secure(client.socket);
    const { control: server } = await target.accept();
    server.write('* ready\r\n');
    expect(await secured.line()).toBe('* ready');
    secured.end('x LOGOUT\r\n');
    expect((await server.rest()).bytes.toString()).toBe('x LOGOUT\r\n');
  });

  it('curl sends a letter, which needs TLS', async () => {
    const target = await ScriptedFtpServer.start(TEST);
    const { observed } = await listenTls(TEST, own.issued, { required: true });
    const gateway = await startGateway(TEST, { plugin: smtp, target, listenTls: observed });
    const sent = run('curl', [
      ...['-sS', '--max-time', '20', '--ssl-reqd', '--cacert', own.authority.file, '-T', own.authority.file],
      ...['--mail-from', 'a@b.example', '--mail-rcpt', 'c@d.example'],
      `smtp://127.0.0.1:${gateway.endpoint.port}/me`,
    ]);
    const peer = await target.accept();
    peer.reply('220 ready');
    for (let n = 0; n < 2; n++) await peer.expect('EHLO', '250-mx\r\n250 STARTTLS');
    await peer.expect('MAIL FROM', '250 ok');
    await peer.expect('RCPT TO', '250 ok');
    await peer.expect('DATA', '354 go on');
    for (let line = ''; line !== '.'; ) line = await peer.control.line();
    peer.reply('250 taken');
    await peer.expect('QUIT', '221 bye');
    peer.control.end();
    await sent;
  });
});

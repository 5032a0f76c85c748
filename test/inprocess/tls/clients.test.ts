import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { Client } from 'basic-ftp';
import { describe, expect, it, onTestFinished } from 'vitest';
import { tcpStream } from '../../../src/core/local/tcp-stream.ts';
import { secureContext } from '../../../src/tls/context.ts';
import type { ListenTlsSettings } from '../../../src/tls/listen-tls.ts';
import { TlsClient } from '../../../src/tls/tls-client.ts';
import { suiteAuthority } from '../../support/certificates.ts';
import { serveFolder } from '../../support/file-server.ts';
import { eventually, startFtp } from '../../support/gateway.ts';
import { listenTls } from '../../support/listen-tls.ts';
import { describeWith, run } from '../../support/openssh.ts';
import { RawClient } from '../../support/raw-client.ts';
import { pattern, ScriptedFtpServer, type Stored, serveAll } from '../../support/scripted-ftp-server.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { tlsSettings } from '../../support/tls-settings.ts';
import { Wire } from '../../support/wire.ts';

const TEST = { onTestFinished };
const BYTES = pattern(2_000_017);
const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

const FTPLIB = `
import ftplib, io, ssl, sys, hashlib
host, port, ca, passive, source = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4] == 'passive', sys.argv[5]
ftp = ftplib.FTP_TLS(context=ssl.create_default_context(cafile=ca), timeout=20)
ftp.connect(host, port)
ftp.login('ann', 'x')
ftp.prot_p()
ftp.set_pasv(passive)
with open(source, 'rb') as f: ftp.storbinary('STOR up', f)
got = io.BytesIO()
ftp.retrbinary('RETR up', got.write)
print(ftp.nlst())
print(hashlib.sha256(got.getvalue()).hexdigest())
rest = io.BytesIO()
ftp.retrbinary('RETR up', rest.write, rest=1000000)
print(len(rest.getvalue()))
ftp.quit()
`;

describeWith(['openssl', 'curl', 'lftp', 'python3'], 'FTP clients that speak TLS', () => {
  const own = suiteAuthority();

  /** A gateway with TLS for its clients, before a real FTP server without TLS. */
  async function gateway(over: Partial<ListenTlsSettings> = {}) {
    const server = await serveFolder(TEST);
    const near = await listenTls(TEST, own.issued, over);
    const running = await startFtp(TEST, { target: server, listenTls: near.observed });
    const local = await tempFolder(TEST);
    const source = path.join(local, 'source');
    await writeFile(source, BYTES);
    return { ...near, server, running, endpoint: running.endpoint, local, source };
  }

  const WAYS: [string, Partial<ListenTlsSettings>][] = [
    ['after AUTH TLS', { required: true }],
    ['from the first byte', { mode: 'implicit' }],
  ];
  const VERSIONS = ['1.2', '1.3'];

  describe.each(WAYS)('%s', (_way, over) => {
    const scheme = over.mode === 'implicit' ? 'ftps' : 'ftp';

    // curl 7.88 cannot do TLS in active mode (curl's issue 10666).
    it.each(VERSIONS)('curl, TLS %s', async (version) => {
      const { server, endpoint, local, source, agreed } = await gateway(over);
      const url = `${scheme}://ann:x@127.0.0.1:${endpoint.port}/`;
      const curl = (...args: string[]) =>
        run('curl', [
          ...['-sS', '--max-time', '30', '--ssl-reqd', '--cacert', own.authority.file],
          ...[`--tlsv${version}`, '--tls-max', version],
          ...args,
        ]);
      await curl('-T', source, `${url}up`);
      expect(digest(await readFile(path.join(server.root, 'up')))).toBe(digest(BYTES));
      const to = path.join(local, 'down');
      await curl('-o', to, `${url}up`);
      expect(digest(await readFile(to))).toBe(digest(BYTES));
      await writeFile(to, BYTES.subarray(0, 700_000));
      await curl('-C', '-', '-o', to, `${url}up`);
      expect(digest(await readFile(to))).toBe(digest(BYTES));
      expect(await curl('-l', url)).toContain('up');
      expect(agreed.map(({ resumed }) => resumed)).toEqual([
        false,
        true,
        false,
        true,
        false,
        true,
        false,
        true,
      ]);
      expect(new Set(agreed.map((each) => each.version))).toEqual(new Set([`TLSv${version}`]));
    });

    it.each(['passive', 'active'])('lftp, %s', async (mode) => {
      const { server, endpoint, local, source } = await gateway(over);
      const settings = [
        'set cmd:fail-exit yes; set net:max-retries 1; set net:timeout 20; set xfer:clobber yes',
        `set ssl:ca-file ${own.authority.file}; set ftp:ssl-force yes; set ftp:ssl-protect-data yes`,
        `set ftp:passive-mode ${mode === 'passive'}`,
      ].join('; ');
      const to = path.join(local, 'down');
      const work = `put ${source} -o up; get up -o ${to}; cls -1`;
      const listed = await run('lftp', [
        '-c',
        `${settings}; open -u ann,x ${scheme}://127.0.0.1:${endpoint.port}; ${work}`,
      ]);
      expect(listed).toContain('up');
      expect(digest(await readFile(path.join(server.root, 'up')))).toBe(digest(BYTES));
      expect(digest(await readFile(to))).toBe(digest(BYTES));
    });

    it('basic-ftp', async () => {
      const { server, endpoint, local, source, agreed } = await gateway(over);
      const client = new Client(20_000);
      onTestFinished(() => client.close());
      const secure = over.mode === 'implicit' ? ('implicit' as const) : true;
      await client.access({
        ...endpoint,
        ...{ user: 'ann', password: 'x', secure, secureOptions: { ca: own.authority.cert } },
      });
      await client.uploadFrom(source, 'up');
      expect(digest(await readFile(path.join(server.root, 'up')))).toBe(digest(BYTES));
      await client.downloadTo(path.join(local, 'down'), 'up');
      expect(digest(await readFile(path.join(local, 'down')))).toBe(digest(BYTES));
      expect((await client.list()).map(({ name }) => name)).toEqual(['up']);
      expect(agreed.map(({ resumed }) => resumed)).toEqual([false, true, true, true]);
    });
  });

  it.each(['passive', 'active'])('ftplib of Python, %s', async (mode) => {
    const { server, endpoint, source } = await gateway({ required: true });
    const args = ['127.0.0.1', `${endpoint.port}`, own.authority.file, mode, source];
    const [names, got, rest] = (await run('python3', ['-c', FTPLIB, ...args])).split('\n');
    expect([names, got, rest]).toEqual(["['up']", digest(BYTES), `${BYTES.length - 1_000_000}`]);
    expect(digest(await readFile(path.join(server.root, 'up')))).toBe(digest(BYTES));
  });

  it('curl without TLS, where that is allowed', async () => {
    const { server, endpoint, source } = await gateway();
    await run('curl', ['-sS', '-T', source, `ftp://ann:x@127.0.0.1:${endpoint.port}/up`]);
    expect(digest(await readFile(path.join(server.root, 'up')))).toBe(digest(BYTES));
  });

  /** A client by hand before a small server, up to its login. */
  async function session(over: Partial<ListenTlsSettings> = {}) {
    const stored: Stored[] = [];
    const target = await ScriptedFtpServer.start(TEST);
    serveAll(target, { onStored: (upload) => stored.push(upload) });
    const near = await listenTls(TEST, own.issued, over);
    const running = await startFtp(TEST, { target, listenTls: near.observed });
    const client = await RawClient.connect(TEST, running.endpoint);
    return { ...near, stored, running, client };
  }

  /** TLS over a client's own connection. */
  function secure(socket: net.Socket, options: tls.ConnectionOptions = {}): tls.TLSSocket {
    const secured = tls.connect({ socket, ca: own.authority.cert, servername: 'localhost', ...options });
    onTestFinished(() => void secured.destroy());
    return secured.on('error', () => {});
  }

  /** The rest of a session, in TLS, with data connections that are in TLS as well. */
  async function securedSession(over: Partial<ListenTlsSettings> = {}) {
    const parts = await session(over);
    const { client } = parts;
    expect(await client.reply()).toBe('220 ready');
    expect(await client.command('AUTH TLS')).toBe('234 sshferry: TLS begins now');
    const control = new Wire(secure(client.control.socket));
    const command = async (line: string) => {
      control.write(`${line}\r\n`);
      return control.line();
    };
    for (const line of ['PBSZ 0', 'PROT P', 'USER a', 'PASS b']) expect(await command(line)).toMatch(/^[23]/);
    const data = async () => net.connect({ ...client.where(await command('PASV')), allowHalfOpen: true });
    return { ...parts, control, command, data };
  }

  it.each(['USER evil', 'USER evil\r\n'])(
    'what comes with AUTH TLS never counts as protected: %j',
    async (more) => {
      const { client, running } = await session();
      expect(await client.reply()).toBe('220 ready');
      client.control.write(`AUTH TLS\r\n${more}`);
      expect(await client.reply()).toMatch(
        /^421 sshferry: bytes came in the clear after the command that begins TLS/,
      );
      expect(await client.control.ended()).toBe('eof');
      const end = await running.happened('session.end');
      expect(end.error?.code).toBe('CLIENT_INJECTION');
    },
  );

  it('what comes in the clear instead of a handshake ends the session', async () => {
    const { client, running } = await session();
    await client.reply();
    expect(await client.command('AUTH TLS')).toMatch(/^234 /);
    client.send('USER evil');
    const end = await running.happened('session.end');
    expect(end.error?.code).toBe('CLIENT_TLS_FAILED');
    expect(end.error?.message).toBe('TLS with the client failed: it did not begin TLS');
  });

  it('a handshake without AUTH TLS is refused, with what to do', async () => {
    const { client, running } = await session();
    await client.reply();
    secure(client.control.socket);
    const end = await running.happened('session.end');
    expect(end.error?.message).toMatch(
      /^refused TLS from .*: on this port a command begins TLS; set the client to explicit TLS/,
    );
  });

  it('a web page gets nowhere through TLS', async () => {
    const { client, running } = await session({ mode: 'implicit' });
    const page = new Wire(secure(client.control.socket));
    page.write('POST / HTTP/1.1\r\nOrigin: https://evil.example\r\n\r\nUSER evil\r\n');
    const end = await running.happened('session.end');
    expect(end.error?.code).toBe('CLIENT_HTTP');
    expect((await page.rest()).bytes.toString()).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('a client that does not accept the certificate is reported as such', async () => {
    const { running } = await gateway({ mode: 'implicit' });
    const url = `ftps://ann:x@127.0.0.1:${running.endpoint.port}/`;
    await expect(run('curl', ['-sS', '--max-time', '20', url])).rejects.toThrow(/certificate/);
    const end = await running.happened('session.end');
    expect(end.error?.code).toBe('CLIENT_TLS_FAILED');
    expect(end.error?.message).toMatch(/: it does not (know the authority of|accept) the certificate; /);
  });

  it('a download ends in close_notify, and then in FIN', async () => {
    const { command, control, data } = await securedSession();
    const raw = await data();
    const settings = tlsSettings({ ca: own.authority.file, serverName: 'localhost' });
    const client = new TlsClient(settings, secureContext(settings, {}).context);
    const stream = client.connect(tcpStream(raw), { peer: 'sshferry' });
    expect(await command('RETR 300000')).toMatch(/^150 /);
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(pattern(300_000))).toBe(true);
    expect(stream.truncated).toBe(false);
    expect(await control.line()).toMatch(/^226 /);
  });

  it('an upload that ends in FIN alone, as many clients end theirs, is whole', async () => {
    const { command, control, data, stored } = await securedSession();
    const raw = await data();
    const upload = secure(raw);
    expect(await command('STOR f')).toMatch(/^150 /);
    await new Promise<void>((resolve) => upload.write(pattern(300_000), () => resolve()));
    await eventually(() => expect(raw.writableLength).toBe(0));
    raw.end();
    expect(await control.line()).toMatch(/^226 /);
    expect(stored).toMatchObject([{ complete: true }]);
  });

  it('an upload that is reset is not', async () => {
    const { command, control, data, stored } = await securedSession();
    const raw = await data();
    const upload = secure(raw);
    expect(await command('STOR f')).toMatch(/^150 /);
    await new Promise<void>((resolve) => upload.write(pattern(300_000), () => resolve()));
    raw.resetAndDestroy();
    expect(await control.line()).toMatch(/^426 /);
    expect(stored.filter(({ complete }) => complete)).toEqual([]);
  });

  it.each([
    ['garbage', (raw: net.Socket) => raw.write('no TLS at all\r\n')],
    ['a reset', (raw: net.Socket) => raw.resetAndDestroy()],
    ['an end', (raw: net.Socket) => raw.end()],
  ])('an empty file is not sent if %s comes in place of the handshake', async (_what, act) => {
    const { command, control, data } = await securedSession();
    const raw = await data();
    raw.on('error', () => {});
    const first = await command('RETR 0');
    act(raw);
    expect(first.startsWith('150') ? await control.line() : first).toMatch(/^42[56] /);
  });

  it('AUTH TLS-P, which would protect data without PROT, is not supported', async () => {
    const { client } = await session({ required: true });
    await client.reply();
    expect(await client.command('AUTH TLS-P')).toMatch(/^504 /);
    expect(await client.command('AUTH TLS')).toMatch(/^234 /);
  });

  it('a data connection without TLS after PROT P carries nothing', async () => {
    const { command, control, data } = await securedSession();
    const plain = new Wire(await data());
    plain.write('hello there, without TLS\r\n');
    const first = await command('RETR 1000');
    expect(first.startsWith('150') ? await control.line() : first).toMatch(/^42[56] /);
    expect((await plain.rest()).bytes.includes(pattern(1000))).toBe(false);
  });

  it('ABOR ends a transfer in TLS', async () => {
    const { command, control, data } = await securedSession();
    const download = new Wire(secure(await data()));
    expect(await command('RETR 100000000')).toMatch(/^150 /);
    await download.take(100_000);
    control.write('ABOR\r\n');
    expect(await control.line()).toMatch(/^4/);
  });

  it('a renewed certificate is presented to new connections; older sessions go on', async () => {
    const { tls: forward, command, data, control, running, agreed } = await securedSession();
    const other = await own.authority.issue({ names: ['localhost', 'new.example.com'] });
    const next = await listenTls(TEST, other);
    expect(forward.renewal(forward)).toBeNull();
    forward.renewal(next.tls)?.();
    const second = await RawClient.connect(TEST, running.endpoint);
    await second.reply();
    expect(await second.command('AUTH TLS')).toMatch(/^234 /);
    const fresh = secure(second.control.socket);
    await once(fresh, 'secureConnect');
    expect(fresh.getPeerCertificate().subjectaltname).toContain('new.example.com');
    const download = new Wire(secure(await data()));
    expect(await command('RETR 1000')).toMatch(/^150 /);
    expect((await download.rest()).bytes.equals(pattern(1000))).toBe(true);
    expect(await control.line()).toMatch(/^226 /);
    expect(agreed).toHaveLength(3);
  });
});

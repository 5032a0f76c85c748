import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { AnyPlugin } from '../../../src/app/plugins.ts';
import type { Endpoint } from '../../../src/core/endpoint.ts';
import { imap } from '../../../src/protocols/imap.ts';
import { pop3 } from '../../../src/protocols/pop3.ts';
import { smtp } from '../../../src/protocols/smtp.ts';
import { tcp } from '../../../src/protocols/tcp.ts';
import type { TlsSettings } from '../../../src/tls/settings.ts';
import { type Authority, endOfSuite, type Issued, makeAuthority } from '../../support/certificates.ts';
import { deferred } from '../../support/deferred.ts';
import { startGateway, TRANSPORTS } from '../../support/gateway.ts';
import { describeWith } from '../../support/openssh.ts';
import { pattern } from '../../support/scripted-ftp-server.ts';
import { listenTcp } from '../../support/tcp.ts';
import { forwardTls } from '../../support/tls-settings.ts';
import { tlsTarget } from '../../support/tls-target.ts';
import { Wire } from '../../support/wire.ts';

const NAME = 'ftp.example.com';
const TEST = { onTestFinished };
/** Types of TLS records (RFC 5246 6.2.1). */
const [ALERT, APPLICATION_DATA] = [21, 23];

/** Returns the types of the TLS records in these bytes. */
function recordTypes(bytes: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) types.push(bytes[at] ?? 0);
  return types;
}

describeWith(['openssl'], 'a target that speaks TLS', () => {
  const suite = endOfSuite();
  let authority: Authority;
  let good: Issued;
  beforeAll(async () => {
    authority = await makeAuthority(suite);
    good = await authority.issue({ names: [NAME] });
  });
  const trusted = (over: Partial<TlsSettings> = {}) => ({ ca: authority.file, ...over });

  describe.each(TRANSPORTS)('over %s', (transport) => {
    async function clientOfTcp(onConnection: (socket: tls.TLSSocket, raw: net.Socket) => void) {
      const target = await tlsTarget(TEST, good, onConnection);
      const secure = forwardTls('tcp', trusted());
      const { endpoint } = await startGateway(TEST, { transport, plugin: tcp, target, tls: secure });
      return Wire.connect(endpoint);
    }

    it('gets the client’s bytes, gives its own, and each side ends alone', async () => {
      const said = deferred<Buffer>();
      const client = await clientOfTcp(async (socket) => {
        const chunks: Buffer[] = [];
        for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(chunk);
        said.resolve(Buffer.concat(chunks));
        socket.end(pattern(3_000_000));
      });
      client.write(pattern(2_000_000));
      client.end();
      expect((await said.promise).equals(pattern(2_000_000))).toBe(true);
      const { bytes, ending } = await client.rest();
      expect(ending).toBe('eof');
      expect(bytes.equals(pattern(3_000_000))).toBe(true);
    });

    it('that ends without close_notify resets a client whose protocol is not known', async () => {
      const client = await clientOfTcp((socket, raw) => socket.write('half', () => raw.end()));
      expect((await client.rest()).ending).toBe('ECONNRESET');
    });

    it('is not told the end of a client that was cut', async () => {
      // In TLS 1.2, the type of a record can be seen: an alert would be close_notify.
      const options = { ...good, tls: { maxVersion: 'TLSv1.2' } } as const;
      const server = await tlsTarget(TEST, options, (socket) => socket.resume().write('go'));
      const records: Buffer[] = [];
      const closed = deferred<void>();
      const target = await listenTcp(TEST, (near) => {
        const far = net.connect(server).on('error', () => {});
        near.on('data', (chunk) => records.push(chunk)).pipe(far);
        far.pipe(near);
        // Node shows a reset that comes together with data as an end.
        near.on('end', () => closed.resolve()).on('close', () => closed.resolve());
      });
      const secure = forwardTls('tcp', trusted());
      const { endpoint } = await startGateway(TEST, { transport, plugin: tcp, target, tls: secure });
      const client = await Wire.connect(endpoint);
      await client.take(2);
      client.write('half an upload');
      client.socket.resetAndDestroy();
      await closed.promise;
      const types = recordTypes(Buffer.concat(records));
      expect(types).toContain(APPLICATION_DATA);
      expect(types).not.toContain(ALERT);
    });
  });

  async function clientOf(plugin: AnyPlugin, target: Endpoint, over: Partial<TlsSettings>) {
    const secure = forwardTls(plugin.name, over);
    const { endpoint, happened } = await startGateway(TEST, { plugin, target, tls: secure });
    const client = await Wire.connect(endpoint);
    onTestFinished(() => client.destroy());
    return { client, happened };
  }

  /** A POP3 client of a target, and how many bytes reached that by TLS. */
  async function pop3Client(issued: Issued, over: Partial<TlsSettings>, options: tls.TlsOptions = {}) {
    let reached = 0;
    const target = await tlsTarget(TEST, { ...issued, tls: options }, (socket) => {
      socket.on('data', (chunk) => {
        reached += chunk.length;
      });
      socket.write('+OK ready\r\n');
    });
    return { ...(await clientOf(pop3, target, over)), reached: () => reached };
  }

  it.each([
    ['expired', { names: [NAME], from: -30, to: -1 }, 'issue', /it has expired/],
    ['not yet valid', { names: [NAME], from: 2, to: 30 }, 'issue', /not valid yet/],
    ['for another name', { names: ['other.example.com'] }, 'issue', /for another name.*other\.example\.com/],
    ['self-signed', { names: [NAME] }, 'selfSigned', /signed by itself/],
  ] as const)(
    'with a certificate that is %s is refused in the client’s words',
    async (_what, options, by, why) => {
      const { client, happened, reached } = await pop3Client(await authority[by](options), trusted());
      expect(await client.line()).toMatch(/^-ERR \[SYS\/TEMP\] /);
      const { error } = await happened('session.end');
      expect(error).toMatchObject({ code: 'TLS_CERTIFICATE', message: expect.stringMatching(why) });
      expect(reached()).toBe(0);
    },
  );

  it('whose authority is not known is refused, and accepted by the pin that the message names', async () => {
    const refused = await pop3Client(good, {});
    expect(await refused.client.line()).toMatch(/^-ERR /);
    const { error } = await refused.happened('session.end');
    const pin = /TlsPin=(\S+)/.exec(error?.message ?? '')?.[1] ?? '';
    expect(error?.message).toMatch(/not trusted here/);
    expect(await (await pop3Client(good, { pin })).client.line()).toBe('+OK ready');
    // The same authority, the same name, another key.
    const other = await pop3Client(await authority.issue({ names: [NAME] }), trusted({ pin }));
    expect(await other.client.line()).toMatch(/^-ERR /);
    expect((await other.happened('session.end')).error?.message).toMatch(/not the pinned one/);
  });

  it('names the pin as openssl(1) and curl(1) compute it', async () => {
    const openssl = (input: string | Buffer, ...args: string[]) =>
      execFileSync('openssl', args, { input, stdio: ['pipe', 'pipe', 'ignore'] });
    const key = openssl(good.cert, 'x509', '-pubkey', '-noout').toString();
    const der = openssl(key, 'pkey', '-pubin', '-outform', 'der');
    const pin = `sha256//${createHash('sha256').update(der).digest('base64')}`;
    expect(await (await pop3Client(good, { pin })).client.line()).toBe('+OK ready');
  });

  it('is accepted by its address, by another name that is asked for, or unverified', async () => {
    const greeted = async (issued: Issued, over: Partial<TlsSettings>) =>
      (await pop3Client(issued, over)).client.line();
    const byAddress = await authority.issue({ names: ['127.0.0.1'] });
    expect(await greeted(byAddress, trusted({ serverName: '127.0.0.1' }))).toBe('+OK ready');
    const other = await authority.issue({ names: ['other.example.com'] });
    expect(await greeted(other, trusted({ serverName: 'other.example.com' }))).toBe('+OK ready');
    expect(await greeted(other, { verify: false })).toBe('+OK ready');
  });

  it('that speaks only an old version is refused, unless that is allowed', async () => {
    const old: tls.TlsOptions = {
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    };
    const { client, happened } = await pop3Client(good, trusted(), old);
    expect(await client.line()).toMatch(/^-ERR /);
    expect((await happened('session.end')).error).toMatchObject({
      code: 'TLS_FAILED',
      hint: expect.stringContaining('TlsMinVersion=1.0'),
    });
    const allowed = await pop3Client(good, trusted({ minVersion: '1.0' }), old);
    expect(await allowed.client.line()).toBe('+OK ready');
  });

  it('that speaks no TLS is refused, and the message asks for the type', async () => {
    const target = await listenTcp(TEST, (socket) => socket.write('+OK in the clear\r\n'));
    const { client, happened } = await clientOf(pop3, target, trusted());
    expect(await client.line()).toMatch(/^-ERR /);
    expect((await happened('session.end')).error).toMatchObject({
      code: 'TLS_FAILED',
      message: expect.stringMatching(/did not answer in TLS; is the type/),
    });
  });

  /** A target that talks in the clear, as `talk` does, and then begins TLS. */
  function upgrading(
    talk: (wire: Wire, socket: net.Socket) => Promise<void>,
    onSecure: (socket: tls.TLSSocket) => void,
  ): Promise<Endpoint> {
    const secureContext = tls.createSecureContext(good);
    return listenTcp(TEST, (socket) => {
      void talk(new Wire(socket), socket).then(() => {
        socket.removeAllListeners('data');
        const secure = new tls.TLSSocket(socket, { isServer: true, secureContext });
        secure.on('error', () => {}).once('secure', () => onSecure(secure));
      });
    });
  }
  const upgrade = () => trusted({ mode: 'upgrade' });

  it.each([
    ['POP3', pop3, '+OK ready <1.2@mail>', [], 'STLS', '+OK go', '+OK ready <1.2@mail>'],
    [
      'IMAP',
      imap,
      '* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi',
      [],
      'sshferry STARTTLS',
      'sshferry OK go',
      '* OK hi',
    ],
    ['SMTP', smtp, '220 mail', ['250-mail', '250 STARTTLS'], 'STARTTLS', '220 go', '220 mail'],
  ] as const)(
    'by its own command (%s) greets the client when TLS stands, and then hears it',
    async (_name, plugin, greeting, ehlo, command, go, shown) => {
      const target = await upgrading(
        async (wire, socket) => {
          socket.write(`${greeting}\r\n`);
          if (ehlo.length > 0) {
            expect(await wire.line()).toBe('EHLO [127.0.0.1]');
            socket.write(`${ehlo.join('\r\n')}\r\n`);
          }
          expect(await wire.line()).toBe(command);
          socket.write(`${go}\r\n`);
        },
        (secure) => secure.once('data', (chunk) => secure.write(`echo ${chunk}`)),
      );
      const { client } = await clientOf(plugin as AnyPlugin, target, upgrade());
      expect(await client.line()).toBe(shown);
      client.write('first words\r\n');
      expect(await client.line()).toBe('echo first words');
    },
  );

  it('that sends more than its go-ahead in the clear is refused: it may be an attacker’s', async () => {
    const target = await listenTcp(TEST, (socket) => {
      socket.write('+OK ready\r\n');
      socket.once('data', () => socket.write('+OK go\r\n+OK injected\r\n'));
    });
    const { client, happened } = await clientOf(pop3, target, upgrade());
    expect(await client.line()).toMatch(/^-ERR (?!.*injected)/);
    expect((await happened('session.end')).error).toMatchObject({
      code: 'TLS_REFUSED',
      message: expect.stringContaining('14 bytes in the clear'),
    });
  });

  it('that does not offer TLS gets nothing of the client', async () => {
    const said: string[] = [];
    const target = await listenTcp(TEST, (socket) => {
      socket.write('220 mail\r\n');
      socket.on('data', (chunk) => {
        said.push(String(chunk));
        socket.write('250 mail\r\n');
      });
    });
    const { client } = await clientOf(smtp, target, upgrade());
    expect(await client.line()).toMatch(/^421 4\.3\.2 .*does not offer STARTTLS/);
    expect(said).toEqual(['EHLO [127.0.0.1]\r\n']);
  });
});

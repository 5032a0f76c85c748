import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { TlsSettings } from '../../../src/tls/settings.ts';
import { type Authority, endOfSuite, type Issued, makeAuthority } from '../../support/certificates.ts';
import { startFtp } from '../../support/gateway.ts';
import { describeWith } from '../../support/openssh.ts';
import { RawClient } from '../../support/raw-client.ts';
import { pattern, type Stored } from '../../support/scripted-ftp-server.ts';
import { type TlsFtpOptions, tlsFtpServer } from '../../support/tls-ftp-server.ts';
import { forwardTls } from '../../support/tls-settings.ts';
import { Wire } from '../../support/wire.ts';

const TEST = { onTestFinished };

describeWith(['openssl'], 'an FTP server that demands TLS', () => {
  const suite = endOfSuite();
  let authority: Authority;
  let good: Issued;
  beforeAll(async () => {
    authority = await makeAuthority(suite);
    good = await authority.issue({ names: ['ftp.example.com'] });
  });

  /** A plain client before such a server, through SSH. */
  async function session(options: Partial<TlsFtpOptions> = {}, over: Partial<TlsSettings> = {}) {
    const stored: Stored[] = [];
    const server = await tlsFtpServer(TEST, {
      ...good,
      onStored: (upload) => stored.push(upload),
      ...options,
    });
    const settings = {
      mode: options.implicit ? 'implicit' : 'upgrade',
      ca: authority.file,
      ...over,
    } as const;
    const tls = forwardTls('ftp', settings);
    const gateway = await startFtp(TEST, { transport: 'ssh', dataConnections: 1, target: server, tls });
    const client = await RawClient.connect(TEST, gateway.endpoint);
    return { server, stored, client, gateway };
  }

  async function loggedIn(options: Partial<TlsFtpOptions> = {}, over: Partial<TlsSettings> = {}) {
    const parts = await session(options, over);
    expect(await parts.client.reply()).toBe('220 ready');
    expect(await parts.client.command('USER a')).toBe('331 password');
    expect(await parts.client.command('PASS secret')).toBe('230 in');
    return parts;
  }

  async function download(client: RawClient, bytes: number) {
    const data = await client.data(await client.passive());
    expect(await client.command(`RETR ${bytes}`)).toMatch(/^150 /);
    const got = await data.rest();
    data.end();
    return { ...got, reply: await client.reply() };
  }

  async function upload(client: RawClient, bytes: Buffer) {
    const data = await client.data(await client.passive());
    expect(await client.command('STOR f')).toMatch(/^150 /);
    data.write(bytes);
    data.end();
    return client.reply();
  }

  describe.each([
    ['TLS 1.3, after AUTH', {}],
    ['TLS 1.2, after AUTH', { maxVersion: 'TLSv1.2' }],
    ['TLS from the first byte', { implicit: true }],
  ] as [string, Partial<TlsFtpOptions>][])('%s', (_name, options) => {
    it('serves a plain client; nothing of it goes before TLS, and data continues the session', async () => {
      const { client, server, stored } = await loggedIn(options);
      for (const bytes of [10, 1_000_000]) {
        const got = await download(client, bytes);
        expect(got).toMatchObject({ ending: 'eof', reply: '226 done' });
        expect(got.bytes.equals(pattern(bytes))).toBe(true);
      }
      expect(await upload(client, pattern(700_000))).toBe('226 stored');
      expect(stored).toMatchObject([{ name: 'f', complete: true }]);
      expect(stored[0]?.bytes.equals(pattern(700_000))).toBe(true);
      expect(server.reused).toEqual([true, true, true]);
      expect(server.said.clear).toEqual(options.implicit ? [] : ['AUTH TLS']);
      expect(server.said.secret.slice(0, 4)).toEqual(['PBSZ 0', 'PROT P', 'USER a', 'PASS secret']);
    });
  });

  it('that takes PROT only after the login is asked again then', async () => {
    const { client, server } = await loggedIn({ protection: { before: 503, after: 200 } });
    expect((await download(client, 5000)).reply).toBe('226 done');
    const asked = server.said.secret.slice(0, 6);
    expect(asked).toEqual(['PBSZ 0', 'PROT P', 'USER a', 'PASS secret', 'PBSZ 0', 'PROT P']);
  });

  it('that takes TLS only once the transfer has begun serves a client that takes its time before it', async () => {
    const { client } = await loggedIn({ refusesEarlyTls: true });
    const data = await client.data(await client.passive());
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(await client.command('RETR 5000')).toMatch(/^150 /);
    expect((await data.rest()).bytes.equals(pattern(5000))).toBe(true);
    data.end();
    expect(await client.reply()).toBe('226 done');
  });

  it('does not get REIN, which would end TLS', async () => {
    const { client, server } = await loggedIn();
    expect(await client.command('REIN')).toMatch(/^502 /);
    expect(server.said.secret).not.toContain('REIN');
    expect((await download(client, 5000)).reply).toBe('226 done');
  });

  it('that closes at once: a client that reads slowly gets every byte', async () => {
    const { client } = await loggedIn({ closes: true });
    const data = await client.unread(await client.passive());
    expect(await client.command('RETR 5000000')).toMatch(/^150 /);
    // The server has closed by then, and most bytes wait in sshferry.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { bytes, ending } = await new Wire(data).rest();
    expect(ending).toBe('eof');
    expect(bytes.equals(pattern(5_000_000))).toBe(true);
    data.end();
    expect(await client.reply()).toBe('226 done');
  });

  it('that will not protect data is refused, before the login and after it', async () => {
    const before = await session({ protection: { before: 536, after: 536 } });
    expect(await before.client.reply()).toMatch(/^421 .*PROT P/);
    const after = await session({ protection: { before: 503, after: 536 } });
    expect(await after.client.reply()).toBe('220 ready');
    await after.client.command('USER a');
    expect(await after.client.command('PASS secret')).toMatch(/^421 .*PROT P/);
  });

  it('that will not protect data may have it in the clear if that is allowed', async () => {
    const options = { protection: { before: 536, after: 536 }, data: 'no TLS' } as const;
    const { client } = await loggedIn(options, { clearData: true });
    const got = await download(client, 5000);
    expect(got).toMatchObject({ ending: 'eof', reply: '226 done' });
    expect(got.bytes.equals(pattern(5000))).toBe(true);
  });

  it('whose download ends without close_notify is believed by its reply', async () => {
    const { client } = await loggedIn({ truncates: true });
    const got = await download(client, 100_000);
    expect(got).toMatchObject({ ending: 'eof', reply: '226 done' });
    expect(got.bytes.equals(pattern(100_000))).toBe(true);
  });

  it('whose data comes with a certificate that is not accepted: no byte of an upload, and no 226', async () => {
    const other = await authority.selfSigned({ names: ['ftp.example.com'] });
    const options = { data: 'other certificate', otherCertificate: other } as const;
    const { client, stored, gateway } = await loggedIn(options);
    // The server notices as well, and may be the first to say so.
    expect(await upload(client, pattern(100_000))).toMatch(/^42[56] /);
    expect((await gateway.happened('transfer.end')).error).toMatchObject({ code: 'TLS_CERTIFICATE' });
    expect(stored.filter(({ bytes }) => bytes.length > 0)).toEqual([]);
  });

  it('whose data comes without TLS: no byte of it reaches the client, and no 226', async () => {
    const { client } = await loggedIn({ data: 'no TLS' });
    const got = await download(client, 5000);
    expect(got.bytes).toHaveLength(0);
    expect(got.reply).toMatch(/^426 .*TLS/);
  });

  it('is not told the end of an upload that its client cut, or that SSH lost', async () => {
    for (const how of ['client', 'ssh'] as const) {
      const { client, stored, gateway } = await loggedIn();
      const data = await client.data(await client.passive());
      expect(await client.command('STOR f')).toMatch(/^150 /);
      data.write(pattern(300_000));
      await new Promise((resolve) => setTimeout(resolve, 100));
      if (how === 'client') data.socket.resetAndDestroy();
      else gateway.ssh?.killConnections();
      await expect.poll(() => stored.length, { timeout: 10_000 }).toBe(1);
      expect(stored).toMatchObject([{ complete: false }]);
    }
  });
});

import { once } from 'node:events';
import net from 'node:net';
import { duplexPair } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import tls from 'node:tls';
import { expect, it, onTestFinished, vi } from 'vitest';
import { tcpStream } from '../../../src/core/local/tcp-stream.ts';
import { secureContext } from '../../../src/tls/context.ts';
import { TlsClient, TlsSession } from '../../../src/tls/tls-client.ts';
import { TlsServer } from '../../../src/tls/tls-server.ts';
import type { TlsStream } from '../../../src/tls/tls-stream.ts';
import { makeAuthority } from '../../support/certificates.ts';
import { describeWith } from '../../support/openssh.ts';
import { pattern } from '../../support/scripted-ftp-server.ts';
import { tlsSettings } from '../../support/tls-settings.ts';

/** Returns all bytes up to the end. Takes longer for each chunk than they take to arrive. */
async function readSlowly(stream: TlsStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk);
    await delay(5);
  }
  return Buffer.concat(chunks);
}

describeWith(['openssl'], 'a TLS stream', () => {
  it.each([50_000, 100_000, 200_000, 1_000_000])(
    'whose connection has closed after its end still has all of %i bytes to read',
    async (bytes) => {
      const authority = await makeAuthority({ onTestFinished });
      const issued = await authority.issue({ names: ['ftp.example.com'] });
      const [theirs, inner] = duplexPair();
      const settings = tlsSettings({ ca: authority.file });
      const stream = new TlsClient(settings, secureContext(settings, {}).context).connect(inner, {
        peer: 'it',
      });
      const server = new tls.TLSSocket(theirs, {
        isServer: true,
        secureContext: tls.createSecureContext(issued),
      });
      await stream.secured;
      // As for a download from vsftpd: this side ends first.
      stream.end();
      server.resume().end(pattern(bytes));
      await Promise.race([once(inner, 'close'), delay(200)]);
      expect((await readSlowly(stream)).equals(pattern(bytes))).toBe(true);
      expect(stream.truncated).toBe(false);
    },
  );

  // So much is with the receiving system before the reset, which would drop what is yet to be sent.
  it.each([1000, 20_000, 50_000])(
    'of a client that closed after its close_notify, with a reset, has all of %i bytes to read, and ends',
    async (bytes) => {
      const authority = await makeAuthority({ onTestFinished });
      const issued = await authority.issue({ names: ['localhost'] });
      const listening = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
      listening.listen(0, '127.0.0.1');
      onTestFinished(() => void listening.close());
      await once(listening, 'listening');
      const { port } = listening.address() as net.AddressInfo;
      const raw = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      const [accepted] = (await once(listening, 'connection')) as [net.Socket];
      const identity = { ...issued, names: ['localhost'], validTo: new Date(Date.now() + 1e9) };
      const stream = new TlsServer(identity, '1.2').accept(tcpStream(accepted), 'the client');
      const settings = tlsSettings({ ca: authority.file, serverName: 'localhost' });
      const session = new TlsSession();
      const client = new TlsClient(settings, secureContext(settings, {}).context).connect(tcpStream(raw), {
        peer: 'it',
        session,
      });
      await stream.secured;
      // All that the server has to write is with the client, so that only reads meet the reset.
      await vi.waitFor(() => expect(session.latest).not.toBeNull());
      client.end(pattern(bytes));
      await once(raw, 'finish');
      raw.resetAndDestroy();
      expect((await readSlowly(stream)).equals(pattern(bytes))).toBe(true);
      expect(stream.truncated).toBe(false);
      stream.end();
      if (!stream.closed) await once(stream, 'close');
    },
  );
});

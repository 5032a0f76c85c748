import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import tls from 'node:tls';
import { expect, it, onTestFinished } from 'vitest';
import { secureContext } from '../../../src/tls/context.ts';
import { TlsClient } from '../../../src/tls/tls-client.ts';
import { makeAuthority } from '../../support/certificates.ts';
import { describeWith } from '../../support/openssh.ts';
import { pattern } from '../../support/scripted-ftp-server.ts';
import { tlsSettings } from '../../support/tls-settings.ts';

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
      const chunks: Buffer[] = [];
      for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
        chunks.push(chunk);
        await delay(5);
      }
      expect(Buffer.concat(chunks).equals(pattern(bytes))).toBe(true);
      expect(stream.truncated).toBe(false);
    },
  );
});

import { chmod, writeFile } from 'node:fs/promises';
import { expect, it, onTestFinished } from 'vitest';
import { readIdentity } from '../../../src/tls/server-identity.ts';
import { endOfSuite, makeAuthority } from '../../support/certificates.ts';
import { identityFiles } from '../../support/listen-tls.ts';
import { describeWith, run } from '../../support/openssh.ts';

const TEST = { onTestFinished };
const NAMES = ['printer.example.com', '127.0.0.1'];

describeWith(['openssl'], 'the certificate for clients', () => {
  const suite = endOfSuite();
  const authority = makeAuthority(suite);

  async function files(days: { from?: number; to?: number } = {}) {
    return identityFiles(TEST, await (await authority).issue({ names: NAMES, ...days }));
  }
  const reading = (paths: { cert: string; key: string }) => () => readIdentity(paths, new Date());

  it('is read with its names and its end; a chain may follow it', async () => {
    const paths = await files({ to: 20 });
    const { cert } = readIdentity(paths, new Date());
    await writeFile(paths.cert, cert + (await authority).cert);
    expect(readIdentity(paths, new Date())).toMatchObject({ names: NAMES });
  });

  it('has to exist', async () => {
    const paths = await files();
    expect(reading({ ...paths, cert: '/nowhere/cert.pem' })).toThrow(
      'listenTls.cert: /nowhere/cert.pem: ENOENT: no such file or directory',
    );
    expect(reading({ ...paths, key: '/nowhere/key.pem' })).toThrow('listenTls.key: /nowhere/key.pem: ENOENT');
  });

  it('has to be PEM', async () => {
    const paths = await files();
    expect(reading({ ...paths, cert: paths.key })).toThrow(
      'the file holds no certificate; expected a PEM file',
    );
    await writeFile(paths.key, 'nothing');
    expect(reading(paths)).toThrow('the file holds no private key; expected a PEM file');
  });

  it('needs its own key', async () => {
    const [paths, others] = await Promise.all([files(), files()]);
    expect(reading({ cert: paths.cert, key: others.key })).toThrow(
      `the key does not belong to the first certificate of ${paths.cert}`,
    );
  });

  it('needs a key without a passphrase', async () => {
    const paths = await files();
    await run('openssl', [
      'pkey',
      '-in',
      paths.key,
      '-aes256',
      '-passout',
      'pass:x',
      '-out',
      `${paths.key}.new`,
    ]);
    await chmod(`${paths.key}.new`, 0o600);
    expect(reading({ ...paths, key: `${paths.key}.new` })).toThrow(
      'the key has a passphrase, which sshferry cannot ask for',
    );
  });

  it('needs a key that other users cannot read', async () => {
    const paths = await files();
    await chmod(paths.key, 0o644);
    expect(reading(paths)).toThrow(`other users can use the key; run chmod go= ${paths.key}`);
    await chmod(paths.key, 0o640);
    if (process.getuid?.() === 0) expect(reading(paths)).not.toThrow();
    else expect(reading(paths)).toThrow('other users can use the key');
  });

  it('has to be valid now', async () => {
    expect(reading(await files({ from: -10, to: -1 }))).toThrow(
      /the certificate expired on \d{4}-\d\d-\d\d; renew it/,
    );
    expect(reading(await files({ from: 2, to: 9 }))).toThrow(
      /the certificate is not valid before \d{4}-\d\d-\d\d/,
    );
  });
});

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'vitest';
import type { ListenTls } from '../../src/core/client-tls.ts';
import { type Logger, silentLogger } from '../../src/core/log.ts';
import { ForwardListenTls, type ListenTlsSettings } from '../../src/tls/listen-tls.ts';
import { readIdentity } from '../../src/tls/server-identity.ts';
import type { Issued } from './certificates.ts';
import { tempFolder } from './temp-folder.ts';

/** The files of a certificate, in a folder that goes with the test. */
export async function identityFiles(
  test: Pick<TestContext, 'onTestFinished'>,
  { cert, key }: Issued,
): Promise<{ cert: string; key: string }> {
  const dir = await tempFolder(test);
  const files = { cert: path.join(dir, 'cert.pem'), key: path.join(dir, 'key.pem') };
  await Promise.all([writeFile(files.cert, cert), writeFile(files.key, key, { mode: 0o600 })]);
  return files;
}

/** What TLS with clients was agreed upon: whether it resumed a session, for each connection. */
export interface Agreed {
  readonly version: string;
  readonly resumed: boolean;
}

/** TLS with clients, by such settings, and what it has agreed upon so far. */
export async function listenTls(
  test: Pick<TestContext, 'onTestFinished'>,
  issued: Issued,
  over: Partial<ListenTlsSettings> = {},
): Promise<{ tls: ForwardListenTls; observed: ListenTls; agreed: Agreed[] }> {
  const settings = { mode: 'upgrade', required: false, minVersion: '1.2', ...over } as const;
  const tls = new ForwardListenTls(settings, readIdentity(await identityFiles(test, issued), new Date()));
  const agreed: Agreed[] = [];
  const log: Logger = {
    ...silentLogger,
    debug: (fields) => {
      if (fields.event === 'client-tls.ready') agreed.push(fields as unknown as Agreed);
    },
    child: () => log,
  };
  const observed: ListenTls = {
    mode: tls.mode,
    required: tls.required,
    describe: () => tls.describe(),
    accept: (client) => tls.accept(client, log),
  };
  return { tls, observed, agreed };
}

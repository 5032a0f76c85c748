import { mkdir } from 'node:fs/promises';
import type { StorePath } from '../../src/ftp/server/path.ts';
import { SftpServerFiles } from '../../src/ftp/server/sftp/sftp-server-files.ts';
import { SftpStore, type SftpStoreOptions } from '../../src/ftp/server/sftp/sftp-store.ts';
import type { FileSource } from '../../src/ftp/server/store.ts';
import { type RealOptions, realClient } from './real-sftp.ts';

/** A store over `in`, a folder of OpenSSH's sftp-server; `out` is beside it. */
export async function realStore(options: Partial<SftpStoreOptions> = {}, real: RealOptions = {}) {
  const served = await realClient(real);
  const [root, outside] = [`${served.folder}/in`, `${served.folder}/out`];
  await Promise.all([mkdir(root), mkdir(outside)]);
  const files = new SftpServerFiles(served.client);
  const store = new SftpStore(files, { folder: root, ...options });
  return { ...served, files, store, root, outside };
}

/** A path of a test as a store has it. */
export function at(path: string): StorePath {
  return Buffer.from(path).toString('latin1') as StorePath;
}

/** Reads all of a file. */
export async function contentOf(source: FileSource): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for (let piece = await source.read(); piece !== null; piece = await source.read()) pieces.push(piece);
  await source.close();
  return Buffer.concat(pieces);
}

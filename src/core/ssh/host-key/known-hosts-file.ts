import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { hashName, type KnownHostsEntry, keyTypeOf, parseKnownHosts } from './known-hosts.ts';

/**
 * Reads several known_hosts files in order. A file that does not exist is empty; one that cannot be
 * read is reported to `onError` and skipped, as ssh does.
 */
export async function readKnownHosts(
  files: readonly string[],
  onError: (file: string, error: Error) => void,
): Promise<KnownHostsEntry[]> {
  const entries: KnownHostsEntry[] = [];
  for (const file of files) {
    try {
      entries.push(...parseKnownHosts(await readFile(file, 'latin1'), file));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') onError(file, error as Error);
    }
  }
  return entries;
}

/**
 * Appends one line for each name, in one write. Creates the file (0600) and its directory (0700) if
 * needed. Never joins the new line to an unfinished last one. Rejects with the file system's error.
 */
export async function appendKnownHost(
  file: string,
  names: readonly string[],
  key: Buffer,
  { hash }: { hash: boolean },
): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const suffix = `${keyTypeOf(key)} ${key.toString('base64')}\n`;
  const lines = hash
    ? names.map((name) => `${hashName(name, randomBytes(20))} ${suffix}`)
    : [`${names.join(',')} ${suffix}`];
  const handle = await open(file, 'a+', 0o600);
  try {
    const { size } = await handle.stat();
    const last = Buffer.alloc(1);
    if (size > 0) await handle.read(last, 0, 1, size - 1);
    const unfinished = size > 0 && last[0] !== 0x0a;
    await handle.write(`${unfinished ? '\n' : ''}${lines.join('')}`);
  } finally {
    await handle.close();
  }
}

import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { FtpPeer } from './peers.ts';
import type { Place } from './place.ts';
import { run } from './programs.ts';
import type { TreeRow } from './rows.ts';
import { digest } from './transfers.ts';

/**
 * Runs the work of a row once through `peer`, from the folder `source`, and returns the seconds.
 * Rejects if the other end does not have the same files.
 */
export async function carryTree(place: Place, peer: FtpPeer, row: TreeRow, source: string): Promise<number> {
  const parent = row.direction === 'RETR' ? place.spare : place.files;
  const target = path.join(parent, `tree-${peer}`);
  await mkdir(target);
  const names = await readdir(source);
  const { base, argv } = place.route(peer);
  const started = performance.now();
  if (row.client === 'curl') {
    const files = names.flatMap((name) =>
      row.direction === 'RETR'
        ? ['-o', path.join(target, name), `${base}${path.basename(source)}/${name}`]
        : ['-T', path.join(source, name), `${base}${path.basename(target)}/${name}`],
    );
    await run('curl', ['-sS', ...argv, ...files]);
  } else {
    const mirror =
      row.direction === 'RETR'
        ? `mirror ${path.basename(source)} ${target}`
        : `mirror -R ${source} ${path.basename(target)}`;
    const settings = 'set net:max-retries 1; set ftp:ssl-allow no; set cmd:fail-exit yes';
    await run('lftp', ['--norc', '-c', `${settings}; open -u anonymous,bench ${base}; ${mirror}`]);
  }
  const seconds = (performance.now() - started) / 1000;
  for (const name of names) {
    const [sent, got] = await Promise.all([source, target].map((folder) => digest(path.join(folder, name))));
    if (sent !== got) throw new Error(`${row.direction} by way of ${peer}: other bytes arrived of ${name}`);
  }
  await rm(target, { recursive: true });
  return seconds;
}

/** Makes the files of a row in `folder`, for as long as `use` takes. */
export async function withTree<T>(
  folder: string,
  { files, size }: TreeRow,
  use: () => Promise<T>,
): Promise<T> {
  await mkdir(folder);
  for (let i = 0; i < files; i++) await writeFile(path.join(folder, `file-${i}`), randomBytes(size));
  try {
    return await use();
  } finally {
    await rm(folder, { recursive: true });
  }
}

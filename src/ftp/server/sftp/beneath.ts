import { type Attributes, type FileType, fileType } from '../../../sftp/codec/attributes.ts';
import { isMissing, SftpError } from '../../../sftp/errors.ts';
import type { SftpSession } from '../../../sftp/session/session.ts';
import type { StorePath } from '../path.ts';
import { StoreError } from '../store.ts';

/** Links that one path may follow: as many as in the Linux kernel. */
const MAX_LINKS = 40;
/** Steps of one walk: links, and ".." in their targets. */
const MAX_STEPS = 200;
const MAX_DEPTH = 256;

/** A path on the server. No part of it is a link, unless the last name was to be kept. */
export interface Place {
  readonly path: Buffer;
  /** The attributes of what has the path; null if nothing has. */
  readonly attributes: Attributes | null;
}

/** How a path is looked up. */
export interface WalkOptions {
  /** The real path of the folder, one byte a character, without a slash at its end. */
  readonly root: string;
  /** Whether a last name that is a link stands for its target or for the link. */
  readonly last: 'follow' | 'keep';
  readonly signal?: AbortSignal | undefined;
}

/**
 * Finds a file below a folder, and never above it. SFTP has no lookup that refuses links: all
 * directories on the way are looked up in one round trip, links are read and followed here, and the
 * result is a path without links. The directory of the file must exist, the file need not. Rejects
 * with `permission` if a link leads out of the folder.
 */
export async function walkBeneath(
  session: SftpSession,
  file: StorePath,
  options: WalkOptions,
): Promise<Place> {
  let names = namesOf(file);
  let links = 0;
  for (let step = 0; step < MAX_STEPS; step++) {
    const found = await lookUp(session, names, options);
    if ('path' in found) return found;
    links += found.links;
    names = found.names;
    if (links > MAX_LINKS || names.length > MAX_DEPTH) break;
  }
  throw new StoreError('permission', 'Too many symbolic links');
}

/** Looks the names up until one is a link or "..": then the names to look up instead. */
async function lookUp(
  session: SftpSession,
  names: readonly string[],
  { root, last, signal }: WalkOptions,
): Promise<Place | { readonly names: string[]; readonly links: number }> {
  const up = names.indexOf('..');
  const plain = up === -1 ? names : names.slice(0, up);
  const path = (count: number) => Buffer.from([root, ...names.slice(0, count)].join('/') || '/', 'latin1');
  if (plain.length === 0 && up === -1)
    return { path: path(0), attributes: await session.stat(path(0), { signal }) };
  const found = await Promise.allSettled(plain.map((_, i) => session.lstat(path(i + 1), { signal })));
  for (const [i, result] of found.entries()) {
    const isLast = i === names.length - 1;
    if (result.status === 'rejected') {
      if (isLast && isMissing(result.reason)) return { path: path(i + 1), attributes: null };
      throw result.reason;
    }
    const type = fileType(result.value);
    const follow = !isLast || last === 'follow';
    const target = follow ? await linkTarget(session, path(i + 1), type, signal) : null;
    if (target !== null)
      return { names: [...resolved(target, names.slice(0, i), root), ...names.slice(i + 1)], links: 1 };
    if (isLast) return { path: path(i + 1), attributes: result.value };
    if (type !== 'directory' && type !== 'unknown') throw new StoreError('not-directory', 'Not a directory');
  }
  if (up === 0) throw outside();
  return { names: [...names.slice(0, up - 1), ...names.slice(up + 1)], links: 0 };
}

/** Returns the target of a link; null for another file. A server that states no types is asked. */
async function linkTarget(
  session: SftpSession,
  path: Buffer,
  type: FileType,
  signal: AbortSignal | undefined,
): Promise<Buffer | null> {
  if (type !== 'link' && type !== 'unknown') return null;
  try {
    return await session.readlink(path, { signal });
  } catch (error) {
    if (type === 'unknown' && error instanceof SftpError) return null;
    throw error;
  }
}

/** Returns the names of a link's target, from the folder; they may hold "..". */
function resolved(bytes: Buffer, directory: readonly string[], root: string): string[] {
  const target = bytes.toString('latin1');
  if (!target.startsWith('/')) return [...directory, ...namesOf(target)];
  if (target !== root && !target.startsWith(`${root}/`)) throw outside();
  return namesOf(target.slice(root.length));
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

function outside(): StoreError {
  return new StoreError('permission', 'A symbolic link that leads out of the folder');
}

import { z } from 'zod';
import { ROOT, resolvePath, type StorePath } from '../path.ts';

/**
 * An upload or a new folder that a client got a success for, and that the server has yet to get.
 */
export interface Entry {
  /** Names its files in the spool. */
  readonly id: string;
  /** Entries are delivered in this order. */
  readonly order: number;
  readonly kind: 'file' | 'folder';
  /** The folder of the account, below that of the forward. */
  readonly folder: string;
  /** Below the folder of the account. */
  readonly path: StorePath;
  /** Whether a file may replace another one of its name. */
  readonly mode: 'replace' | 'create';
  /** The length of the file; 0 for a folder. */
  readonly bytes: number;
  /** When the client got the success, in milliseconds since 1970. */
  readonly since: number;
}

const ID = /^[0-9a-f]{16}$/;

const count = z.int().nonnegative();
const record = z.object({
  format: z.literal(1),
  order: count,
  kind: z.enum(['file', 'folder']),
  folder: z.string(),
  path: z.string(),
  mode: z.enum(['replace', 'create']),
  bytes: count,
  since: count,
});

/** Whether this can be the id of an entry. */
export function isEntryId(text: string): boolean {
  return ID.test(text);
}

/** Returns an entry as its file in the spool: JSON, with the name for people. */
export function writeEntry({ id: _, ...entry }: Entry): string {
  const name = Buffer.from(fullPath(entry), 'latin1').toString();
  return `${JSON.stringify({ format: 1, name, ...entry })}\n`;
}

/** Reads the file of an entry; null if it is damaged. */
export function readEntry(id: string, text: string): Entry | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  const { success, data } = record.safeParse(json);
  if (!success || !isEntryId(id)) return null;
  const { format: _, path, ...entry } = data;
  const resolved = resolvePath(ROOT, path);
  const isBytes = /^[\0-\xff]*$/.test(path);
  const isBelow = resolvePath(ROOT, entry.folder) === entry.folder;
  if (!isBytes || !isBelow || resolved !== path || resolved === ROOT) return null;
  return { id, ...entry, path: resolved };
}

/** Returns the path of an entry below the folder of the forward, one byte a character. */
export function fullPath({ folder, path }: Pick<Entry, 'folder' | 'path'>): string {
  const above = Buffer.from(folder, 'utf8').toString('latin1');
  return [above, path].filter(Boolean).join('/');
}

/** Returns the paths of the folders above a path, without the root. */
export function ancestors(path: string): string[] {
  const names = path.split('/');
  return names.slice(1).map((_, i) => names.slice(0, i + 1).join('/'));
}

declare const brand: unique symbol;

/**
 * The path of a file in a store: names joined by "/", without a leading "/", "." or ".."; empty for
 * the root. Each character is one byte (Latin-1). Only this file makes one, so a store is never
 * asked about anything outside its root.
 */
export type StorePath = string & { readonly [brand]: true };

/** The store's root, which the client sees as "/". */
export const ROOT = '' as StorePath;

/** Bytes of a whole path. POSIX systems allow 4096. */
const MAX_PATH = 4096;
/** Names in a path. */
const MAX_DEPTH = 256;

/**
 * Returns the path of `name` in the directory `from`, as RFC 3659 6 (TVFS) reads names: "/"
 * separates, an empty name and "." mean nothing, ".." is the parent, and the root is its own
 * parent. Null if no file can have the name: it holds NUL, CR or LF, or is too long or too deep.
 */
export function resolvePath(from: StorePath, name: string): StorePath | null {
  if (/[\0\r\n]/.test(name) || name.length > MAX_PATH) return null;
  const names = name.startsWith('/') || from === ROOT ? [] : from.split('/');
  for (const part of name.split('/')) {
    if (part === '..') names.pop();
    else if (part !== '' && part !== '.') names.push(part);
  }
  const path = names.join('/');
  return names.length > MAX_DEPTH || path.length > MAX_PATH ? null : (path as StorePath);
}

/** Returns the path of the entry `name` of a directory, as the store lists it. */
export function childOf(directory: StorePath, name: string): StorePath {
  return (directory === ROOT ? name : `${directory}/${name}`) as StorePath;
}

/** Returns the directory that holds `path`; the root is its own. */
export function parentOf(path: StorePath): StorePath {
  return path.slice(0, Math.max(0, path.lastIndexOf('/'))) as StorePath;
}

/** Returns the last name of `path`; empty for the root. */
export function nameOf(path: StorePath): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Returns the new path of `path`, which is `from` or below it, after `from` is renamed to `to`. */
export function movedPath(path: StorePath, from: StorePath, to: StorePath): StorePath {
  return (to + path.slice(from.length)) as StorePath;
}

/** Returns the path as a client names it, in the store's bytes. */
export function absolute(path: StorePath): string {
  return `/${path}`;
}

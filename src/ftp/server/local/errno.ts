import { StoreError, type StoreReason } from '../store.ts';

const REASONS: Readonly<Record<string, readonly [StoreReason, string]>> = {
  ENOENT: ['not-found', 'No such file or directory'],
  EACCES: ['permission', 'Permission denied'],
  EPERM: ['permission', 'Operation not permitted'],
  EROFS: ['permission', 'Read-only file system'],
  EEXIST: ['exists', 'File exists'],
  ENOTEMPTY: ['not-empty', 'Directory not empty'],
  EISDIR: ['is-directory', 'Is a directory'],
  ENOTDIR: ['not-directory', 'Not a directory'],
  ENAMETOOLONG: ['bad-name', 'File name too long'],
  EINVAL: ['bad-name', 'Invalid argument'],
  EILSEQ: ['bad-name', 'Not a possible file name'],
  ENOSPC: ['no-space', 'No space left on device'],
  EDQUOT: ['quota', 'Disk quota exceeded'],
  EFBIG: ['quota', 'File too large'],
  EBUSY: ['busy', 'Busy'],
  ETXTBSY: ['busy', 'Text file busy'],
  EXDEV: ['unsupported', 'Not on the same file system'],
  EMFILE: ['unavailable', 'Too many open files'],
  ENFILE: ['unavailable', 'Too many open files'],
  ELOOP: ['permission', 'A symbolic link that is not followed'],
};

/** Returns the name of an error of node:fs, such as ENOENT; empty if it has none. */
export function errnoOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** Returns what `work` returns; rejects with a StoreError if it fails. */
export async function attempt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fromErrno(error);
  }
}

/** Returns an error of node:fs as a StoreError, without the path that its message holds. */
export function fromErrno(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const [reason, words] = REASONS[errnoOf(error)] ?? ['failed', errnoOf(error) || 'Input or output error'];
  return new StoreError(reason, words, { cause: error });
}

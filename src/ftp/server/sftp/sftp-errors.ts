import { GatewayError } from '../../../core/errors.ts';
import { SftpError, SftpSessionError } from '../../../sftp/errors.ts';
import { explainFailure } from '../../../sftp/explain.ts';
import { type FailureReason, failureReason } from '../../../sftp/reason.ts';
import type { SftpSession } from '../../../sftp/session/session.ts';
import { StoreError, type StoreReason } from '../store.ts';

/** The reason of a StoreError for each reason of the SFTP client, and its words. */
const REASONS: Readonly<Record<FailureReason, readonly [StoreReason, string]>> = {
  'not-found': ['not-found', 'No such file or directory'],
  denied: ['permission', 'Permission denied'],
  exists: ['exists', 'File exists'],
  'not-empty': ['not-empty', 'Directory not empty'],
  'is-directory': ['is-directory', 'Is a directory'],
  'not-a-file': ['permission', 'Not a plain file'],
  'no-space': ['no-space', 'No space left on the server'],
  quota: ['quota', 'Quota exceeded'],
  'read-only': ['permission', 'Read-only file system'],
  'bad-name': ['bad-name', 'Not a possible file name on the server'],
  'beyond-end': ['bad-offset', 'The position is after the end of the file'],
  changed: ['changed', 'The file changed while it was transferred'],
  moved: ['not-found', 'The folder of the file was renamed during the transfer'],
  unsupported: ['unsupported', 'Not supported by the server'],
  unreachable: ['unavailable', 'The connection to the SFTP server was lost; try again later'],
  failure: ['failed', 'The SFTP server failed'],
};

/**
 * Returns any error of the SFTP client as a StoreError. `reason`: what the server said when asked.
 */
export function storeError(error: unknown, reason: FailureReason = failureReason(error)): StoreError {
  if (error instanceof StoreError) return error;
  if (error instanceof GatewayError) return new StoreError('unavailable', error.message, { cause: error });
  if (error instanceof SftpSessionError && error.end === 'not-sftp') {
    return new StoreError('unavailable', error.message, { cause: error });
  }
  const [why, words] = REASONS[reason];
  return new StoreError(why, `${words}${ownWords(error, reason)}`, { cause: error });
}

/**
 * Returns the server's own words for a failure that has no reason of its own. Words with a slash
 * may name a path outside the folder, which clients must not learn.
 */
function ownWords(error: unknown, reason: FailureReason): string {
  const words = reason === 'failure' && error instanceof SftpError ? error.words : '';
  return words === '' || /[/\\]/.test(words) ? '' : `: ${words}`;
}

/** Works; rejects with StoreErrors only. */
export async function attempt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storeError(error);
  }
}

/** Works, and asks the server for the reason of a failure that it does not explain. */
export async function explained<T>(
  session: SftpSession,
  path: Buffer,
  target: Buffer | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storeError(error, await explainFailure(session, error, path, target));
  }
}

/** The rights of an account. `upload-only`: store new files, and neither see nor change others. */
export type Access = 'read-write' | 'read-only' | 'upload-only';

/** The operations that access distinguishes. */
export type Operation =
  /** Learn that a file exists, its size and times. */
  | 'see'
  | 'read'
  /** Make a file or directory of a name that is free. */
  | 'create'
  /** Replace, append to or resume a file. */
  | 'overwrite'
  | 'remove'
  | 'rename'
  /** Set the time or mode of a file. */
  | 'change';

const READING: ReadonlySet<Operation> = new Set(['see', 'read']);
/**
 * The operations that an uploader may use on a file that it stored in this session: clients rename
 * it and set its time.
 */
const OWN: ReadonlySet<Operation> = new Set(['see', 'rename', 'change']);

/** Whether `access` permits the operation; `own` if this session created the file. */
export function permits(access: Access, operation: Operation, own: boolean): boolean {
  switch (access) {
    case 'read-write':
      return true;
    case 'read-only':
      return READING.has(operation);
    case 'upload-only':
      return operation === 'create' || (own && OWN.has(operation));
  }
}

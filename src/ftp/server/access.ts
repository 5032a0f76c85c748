/** What an account may do. `upload-only`: bring new files, and neither see nor change what others brought. */
export type Access = 'read-write' | 'read-only' | 'upload-only';

/** What a command does to files, as far as access depends on it. */
export type Operation =
  /** Learn that a file exists, its size and times. */
  | 'see'
  | 'read'
  /** Make a file or directory whose name is free. */
  | 'create'
  /** Replace, append to or resume a file. */
  | 'overwrite'
  | 'remove'
  | 'rename'
  /** Set the time or mode of a file. */
  | 'change';

const READING: ReadonlySet<Operation> = new Set(['see', 'read']);
/** What an uploader may do with a file that it brought in this session. Clients rename it and set its time. */
const OWN: ReadonlySet<Operation> = new Set(['see', 'rename', 'change']);

/** Whether `access` permits the operation; `own` says that this session made the file. */
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

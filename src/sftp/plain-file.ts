import { type Attributes, fileType } from './codec/attributes.ts';
import { SftpTransferError } from './errors.ts';

/** Throws if this is not a plain file. An unknown type passes: opening the file shows it. */
export function requireFile(attributes: Attributes): void {
  const type = fileType(attributes);
  if (type === 'directory') throw new SftpTransferError('is-directory', 'this is a folder');
  if (type === 'other') throw new SftpTransferError('not-a-file', 'this is not a plain file');
}

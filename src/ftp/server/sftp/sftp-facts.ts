import { type Attributes, fileType } from '../../../sftp/codec/attributes.ts';
import type { FileFacts } from '../store.ts';
import type { Owners } from './owners.ts';

/**
 * Returns the facts of a file's attributes. SFTP version 3 knows nothing that identifies a file.
 */
export function factsFrom(attributes: Attributes, owners: Owners): FileFacts {
  const { size, mtime, permissions, uid, gid } = attributes;
  const type = fileType(attributes);
  return {
    // A server that does not say has files only.
    type: type === 'unknown' ? 'file' : type,
    size: size ?? 0,
    modified: mtime === undefined ? null : mtime * 1000,
    mode: permissions === undefined ? null : permissions & 0o7777,
    owner: owners.user(uid),
    group: owners.group(gid),
    unique: null,
  };
}

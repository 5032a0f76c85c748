import type { SftpClient } from '../../../sftp/client.ts';
import { Changes } from './changes.ts';
import { Owners } from './owners.ts';
import { PrimedFiles } from './primed-files.ts';
import { ReadSequence } from './read-sequence.ts';
import { RecentAttributes } from './recent-attributes.ts';
import { RenameLock } from './rename-lock.ts';
import { SameName } from './same-name.ts';
import { SftpUploads } from './sftp-uploads.ts';
import { VerifiedPaths } from './verified-paths.ts';

/**
 * The parts that the stores over one SFTP client share: locks, and caches of a moment. A change
 * through one store is seen by all of them.
 */
export class SftpServerFiles {
  readonly client: SftpClient;
  readonly uploads: SftpUploads;
  readonly renames = new RenameLock();
  readonly sameName = new SameName();
  readonly owners = new Owners();
  readonly changes = new Changes(() => this.#forget());
  readonly recent = new RecentAttributes(this.changes);
  readonly sequence = new ReadSequence();
  readonly primed: PrimedFiles;
  /** Directories whose paths held no link. */
  readonly directories = new VerifiedPaths(this.renames);
  /** Files that were uploaded a moment ago, and so are plain files. */
  readonly uploaded = new VerifiedPaths(this.renames);

  constructor(client: SftpClient) {
    this.client = client;
    this.uploads = new SftpUploads(client, this.changes);
    this.primed = new PrimedFiles(client, this.changes, (used) => this.sequence.fetched(used));
  }

  #forget(): void {
    this.recent.clear();
    this.primed.clear();
  }
}

import type { Attributes } from '../../../sftp/codec/attributes.ts';
import { Extension } from '../../../sftp/codec/protocol.ts';
import { SftpError } from '../../../sftp/errors.ts';
import type { SftpSession } from '../../../sftp/session/session.ts';

/** Names kept at most; a server with more users than that shows numbers. */
const MOST = 10_000;

/** The names of the server's users and groups, by number, kept once they are known. */
export class Owners {
  readonly #users = new Map<number, string>();
  readonly #groups = new Map<number, string>();

  user(uid: number | undefined): string | null {
    return uid === undefined ? null : (this.#users.get(uid) ?? `${uid}`);
  }

  group(gid: number | undefined): string | null {
    return gid === undefined ? null : (this.#groups.get(gid) ?? `${gid}`);
  }

  /** Asks for the names that these files need and that are not known yet. */
  async learn(session: SftpSession, files: readonly Attributes[], signal?: AbortSignal): Promise<void> {
    if (!session.supports(Extension.USERS_GROUPS_BY_ID)) return;
    const uids = unknown(this.#users, files, ({ uid }) => uid);
    const gids = unknown(this.#groups, files, ({ gid }) => gid);
    if (uids.length + gids.length === 0) return;
    try {
      const { users, groups } = await session.ownerNames(uids, gids, { signal });
      // A number without a name is its own name, and is not asked for again.
      for (const [i, uid] of uids.entries()) this.#users.set(uid, text(users[i]) ?? `${uid}`);
      for (const [i, gid] of gids.entries()) this.#groups.set(gid, text(groups[i]) ?? `${gid}`);
    } catch (error) {
      if (!(error instanceof SftpError)) throw error;
    }
  }
}

function unknown(
  known: ReadonlyMap<number, string>,
  files: readonly Attributes[],
  id: (attributes: Attributes) => number | undefined,
): number[] {
  if (known.size >= MOST) return [];
  const ids = new Set(files.map(id).filter((value) => value !== undefined));
  return [...ids].filter((value) => !known.has(value));
}

function text(name: Buffer | null | undefined): string | null {
  return name ? name.toString('latin1') : null;
}

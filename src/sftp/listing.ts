import type { NameEntry } from './codec/answers.ts';
import type { SftpSession } from './session/session.ts';

/** READDIRs under way at once. OpenSSH answers each with 100 entries at most. */
const UNDER_WAY = 8;
const SLASH = 0x2f;

/**
 * Lists a folder, in parts as they come. Entries whose names could not be those of files in it are
 * omitted: a name with a slash would lead elsewhere.
 */
export async function* listFolder(
  session: SftpSession,
  path: Buffer,
  signal?: AbortSignal,
): AsyncGenerator<readonly NameEntry[], void> {
  const handle = await session.opendir(path, { signal });
  try {
    const answers: Promise<readonly NameEntry[] | null>[] = [];
    // One at first: a small folder is whole with it, and its end comes with the second.
    for (let most = 2; ; most = UNDER_WAY) {
      while (answers.length < most) {
        const answer = session.readdir(handle, { signal });
        answer.catch(() => {});
        answers.push(answer);
      }
      const entries = await answers.shift();
      if (!entries) return;
      yield entries.filter(({ name }) => isName(name));
    }
  } finally {
    session.closeHandle(handle).catch(() => {});
  }
}

function isName(name: Buffer): boolean {
  return name.length > 0 && !name.includes(0) && !name.includes(SLASH);
}

import { isForeign, isOpenToOthers, readChecked } from '../../core/checked-file.ts';
import { ProbeFailure } from '../../core/probe/failure.ts';

/** A .netrc's entry for one machine. */
export interface NetrcEntry {
  readonly machine: string;
  readonly login: string | null;
  readonly password: string | null;
}

/**
 * Returns the entries of a .netrc, read as ftp(1) and curl do: words separated by blanks and line
 * ends, `"quoted"` words with backslashes. It skips lines that begin with `#`, and `macdef` up to
 * an empty line. It also skips `default`: a check sends no password to a host that the file does
 * not name.
 */
export function parseNetrc(text: string): NetrcEntry[] {
  const entries: { machine: string; login: string | null; password: string | null }[] = [];
  let entry: (typeof entries)[number] | null = null;
  const words = text.replace(/^\s*#.*$/gm, '').replace(/(^|\s)macdef\b[\s\S]*?(\n\s*\n|$)/g, '$1\n');
  const tokens = [...words.matchAll(/"((?:\\[\s\S]|[^"\\])*)"|(\S+)/g)].map(
    ([, quoted, bare]) => quoted?.replace(/\\([\s\S])/g, '$1') ?? bare ?? '',
  );
  for (let i = 0; i < tokens.length; i++) {
    switch (tokens[i]) {
      case 'machine':
        entry = { machine: tokens[++i] ?? '', login: null, password: null };
        entries.push(entry);
        break;
      case 'default':
        entry = null;
        break;
      case 'login':
        if (entry) entry.login = tokens[++i] ?? null;
        else i += 1;
        break;
      case 'password':
        if (entry) entry.password = tokens[++i] ?? null;
        else i += 1;
        break;
      case 'account':
        i += 1;
        break;
    }
  }
  return entries;
}

/**
 * Returns the first entry for one of `machines`, tried in order, and for `login` if that is given;
 * null if there is none. Rejects, as ftp(1) does, if a password would come from a file that is open
 * to other users or belongs to one.
 */
export async function findNetrc(
  file: string,
  machines: readonly string[],
  login: string | null,
): Promise<NetrcEntry | null> {
  const read = await readChecked(file).catch(() => null);
  if (read === null) return null;
  const exposed = isOpenToOthers(read.stats) || isForeign(read.stats);
  const entries = parseNetrc(read.bytes.toString('utf8'));
  const fits = (entry: NetrcEntry, machine: string) =>
    entry.machine.toLowerCase() === machine.toLowerCase() && (login === null || entry.login === login);
  const found = machines
    .map((machine) => entries.find((entry) => fits(entry, machine)))
    .find((entry) => entry !== undefined);
  if (found === undefined) return null;
  if (found.password !== null && !isAnonymous(found.login) && exposed) {
    throw new ProbeFailure(
      'NO_PASSWORD',
      `${file} holds a password for ${found.machine} and belongs or is open to other users, so it is not used; fix it with: chmod 600 ${file}`,
    );
  }
  return found;
}

/** Whether the user name is one of anonymous FTP (RFC 1635). */
export function isAnonymous(user: string | null): boolean {
  return user !== null && /^(anonymous|ftp)$/i.test(user);
}

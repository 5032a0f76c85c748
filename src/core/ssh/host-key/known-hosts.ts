import { createHash, createHmac } from 'node:crypto';
import { matchesPatternList } from '../config/patterns.ts';

/** One usable line of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). */
export interface KnownHostsEntry {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  readonly marker: 'revoked' | 'cert-authority' | null;
  /** The first field as written: patterns with commas, or one hashed name. */
  readonly hosts: string;
  readonly keyType: string;
  readonly key: Buffer;
}

/**
 * The result of a lookup. `entry` is the line that matched; for `changed`, the line that
 * contradicts.
 */
export type KnownHostsVerdict =
  | { readonly status: 'unknown' }
  | { readonly status: 'match' | 'changed' | 'revoked'; readonly entry: KnownHostsEntry };

/**
 * Parses a known_hosts file. Skips comments, empty lines and invalid lines silently, as OpenSSH
 * does: a damaged line must not hide the good ones.
 */
export function parseKnownHosts(text: string, file: string): KnownHostsEntry[] {
  const entries: KnownHostsEntry[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const entry = parseLine(raw, file, index + 1);
    if (entry !== null) entries.push(entry);
  }
  return entries;
}

function parseLine(raw: string, file: string, line: number): KnownHostsEntry | null {
  const fields = raw.split(/[ \t\r]+/).filter((field) => field !== '');
  if (fields.length === 0 || fields[0]?.startsWith('#')) return null;
  let marker: KnownHostsEntry['marker'] = null;
  if (fields[0]?.startsWith('@')) {
    const word = fields.shift();
    if (word === '@revoked') marker = 'revoked';
    else if (word === '@cert-authority') marker = 'cert-authority';
    else return null;
  }
  const [hosts, keyType, base64] = fields;
  if (hosts === undefined || keyType === undefined || base64 === undefined) return null;
  const key = decodeKey(keyType, base64);
  return key === null ? null : { file, line, marker, hosts, keyType, key };
}

/** Returns the key blob if it is valid base64 and has the type that the line names. */
function decodeKey(keyType: string, base64: string): Buffer | null {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return null;
  const blob = Buffer.from(base64, 'base64');
  return keyTypeOf(blob) === keyType ? blob : null;
}

/** Returns the type of a public key blob (RFC 4253 6.6), or null if it is invalid. */
export function keyTypeOf(blob: Buffer): string | null {
  if (blob.length < 4) return null;
  const length = blob.readUInt32BE(0);
  if (length === 0 || length > 64 || blob.length < 4 + length) return null;
  return blob.toString('latin1', 4, 4 + length);
}

/** Returns `SHA256:` and the base64 digest without padding, as ssh-keygen -l prints it. */
export function fingerprint(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** Returns a host as known_hosts writes it: bare for port 22, else `[host]:port`; in lower case. */
export function knownHostsName(host: string, port: number): string {
  const name = host.toLowerCase();
  return port === 22 ? name : `[${name}]:${port}`;
}

/** Returns a known_hosts name hashed with `salt` (20 bytes): `|1|salt|HMAC-SHA1`. */
export function hashName(name: string, salt: Buffer): string {
  const digest = createHmac('sha1', salt).update(name.toLowerCase()).digest('base64');
  return `|1|${salt.toString('base64')}|${digest}`;
}

/** Returns whether the line's first field matches a name that `knownHostsName` returned. */
export function matchesHost(entry: KnownHostsEntry, name: string): boolean {
  const { hosts } = entry;
  if (!hosts.startsWith('|')) return matchesPatternList(hosts, name.toLowerCase());
  const salt = /^\|1\|([A-Za-z0-9+/=]+)\|/.exec(hosts)?.[1];
  if (salt === undefined) return false;
  const bytes = Buffer.from(salt, 'base64');
  return bytes.length === 20 && hashName(name, bytes) === hosts;
}

/**
 * Looks a host key up, as check_hostkeys_by_key_or_type in OpenSSH's hostfile.c does. Tries `names`
 * in order, a later one only if the earlier are unknown. Pass `[host]:port`, then the bare host,
 * which can confirm a key but never contradict it (as in check_host_key of sshconnect.c).
 *
 * A host that is known only with a key of another type is `changed`, as in OpenSSH since 8.5 at the
 * latest. `@cert-authority` lines do not count: certificates are not supported. `@revoked` under
 * any of the names counts, which is stricter than OpenSSH.
 */
export function lookup(
  entries: readonly KnownHostsEntry[],
  names: readonly string[],
  key: Buffer,
): KnownHostsVerdict {
  for (const name of names) {
    const revoked = entries.find(
      (entry) => entry.marker === 'revoked' && entry.key.equals(key) && matchesHost(entry, name),
    );
    if (revoked) return { status: 'revoked', entry: revoked };
  }
  for (const [index, name] of names.entries()) {
    const known = entries.filter((entry) => entry.marker === null && matchesHost(entry, name));
    const match = known.find((entry) => entry.key.equals(key));
    if (match) return { status: 'match', entry: match };
    const other = known.find((entry) => entry.keyType === keyTypeOf(key)) ?? known[0];
    if (other && index === 0) return { status: 'changed', entry: other };
  }
  return { status: 'unknown' };
}

/** Returns the key types of the first name that is known: those to offer first. */
export function knownTypes(entries: readonly KnownHostsEntry[], names: readonly string[]): string[] {
  for (const name of names) {
    const types = entries.filter((entry) => entry.marker === null && matchesHost(entry, name));
    if (types.length > 0) return [...new Set(types.map((entry) => entry.keyType))];
  }
  return [];
}

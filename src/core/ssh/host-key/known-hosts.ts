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

/** What known_hosts says about a key. `entry` is the line that matched, for `changed` the one that contradicts. */
export type KnownHostsVerdict =
  | { readonly status: 'unknown' }
  | { readonly status: 'match' | 'changed' | 'revoked'; readonly entry: KnownHostsEntry };

/**
 * Reads a known_hosts file. Comments, empty lines and lines that OpenSSH would not understand are left out in silence,
 * as there: a damaged line must not hide the good ones.
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

/** The key blob, if it is well-formed base64 and names the type that the line does. */
function decodeKey(keyType: string, base64: string): Buffer | null {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return null;
  const blob = Buffer.from(base64, 'base64');
  return keyTypeOf(blob) === keyType ? blob : null;
}

/** The type in front of a public key blob (RFC 4253 6.6), or null if it holds none. */
export function keyTypeOf(blob: Buffer): string | null {
  if (blob.length < 4) return null;
  const length = blob.readUInt32BE(0);
  if (length === 0 || length > 64 || blob.length < 4 + length) return null;
  return blob.toString('latin1', 4, 4 + length);
}

/** `SHA256:` and the base64 digest without padding, as ssh-keygen -l prints it. */
export function fingerprint(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** How known_hosts writes a host: bare on port 22, `[host]:port` on any other; lower case. */
export function knownHostsName(host: string, port: number): string {
  const name = host.toLowerCase();
  return port === 22 ? name : `[${name}]:${port}`;
}

/** A known_hosts name hashed with `salt` (20 bytes): `|1|salt|HMAC-SHA1`. */
export function hashName(name: string, salt: Buffer): string {
  const digest = createHmac('sha1', salt).update(name.toLowerCase()).digest('base64');
  return `|1|${salt.toString('base64')}|${digest}`;
}

/** Whether the line's first field matches a name as `knownHostsName` writes it. */
export function matchesHost(entry: KnownHostsEntry, name: string): boolean {
  const { hosts } = entry;
  if (!hosts.startsWith('|')) return matchesPatternList(hosts, name.toLowerCase());
  const salt = /^\|1\|([A-Za-z0-9+/=]+)\|/.exec(hosts)?.[1];
  if (salt === undefined) return false;
  const bytes = Buffer.from(salt, 'base64');
  return bytes.length === 20 && hashName(name, bytes) === hosts;
}

/**
 * Looks a host key up, as check_hostkeys_by_key_or_type in OpenSSH's hostfile.c does. `names` are tried in order, the
 * later ones only while nothing is known of the earlier: give `[host]:port`, then the bare host (which can confirm a key but
 * never contradict it, as in check_host_key of sshconnect.c).
 *
 * A host that is known by a key of another type alone is `changed`: so OpenSSH decides too, since version 8.5 at the
 * latest. `@cert-authority` lines do not count: there are no certificates here. `@revoked` under any of the names does,
 * which is stricter than OpenSSH.
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

/** The key types known under the first of the names that is known at all: those to offer first. */
export function knownTypes(entries: readonly KnownHostsEntry[], names: readonly string[]): string[] {
  for (const name of names) {
    const types = entries.filter((entry) => entry.marker === null && matchesHost(entry, name));
    if (types.length > 0) return [...new Set(types.map((entry) => entry.keyType))];
  }
  return [];
}

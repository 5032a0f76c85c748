import type { Stats } from 'node:fs';
import { isOpenToOthers, readChecked } from '../../checked-file.ts';
import type { Logger } from '../../log.ts';
import { localUser } from '../config/local-user.ts';
import { fingerprint } from '../host-key/known-hosts.ts';
import type { SshOptions } from '../options.ts';
import { type BaseAgent, createAgent, type ParsedKey, parseKey } from '../ssh2/library.ts';
import { publicKeyOfFile } from './keyfile.ts';

/** A key that may be offered to the server. */
export type Identity = {
  /** For messages: `~/.ssh/id_ed25519`, or `agent key <comment>`. */
  readonly label: string;
} & (
  | { readonly type: 'agent'; readonly agent: BaseAgent; readonly publicKey: ParsedKey }
  | { readonly type: 'file'; readonly key: ParsedKey }
  /** `publicKey` is null if it is unknown before decryption. `unlocked` is the decrypted key. */
  | {
      readonly type: 'encrypted';
      readonly path: string;
      readonly content: Buffer;
      readonly publicKey: ParsedKey | null;
      unlocked: ParsedKey | null;
    }
);

/**
 * Returns the keys to offer, in ssh's order (pubkey_prepare in OpenSSH's sshconnect2.c): configured
 * keys that the agent holds, then the agent's other keys unless IdentitiesOnly, then key files.
 * Asks no passphrase: that follows when the server has accepted the key. Logs and skips files that
 * cannot be used. Never rejects.
 */
export async function prepareIdentities(options: SshOptions, log: Logger): Promise<Identity[]> {
  if (!options.pubkeyAuthentication) return [];
  const agentKeys = await keysOfAgent(options.identityAgent, options.connectTimeout, log);
  const configured: Identity[] = [];
  const files: Identity[] = [];
  const matched = new Set<number>();
  for (const file of options.identityFile) {
    const found = await loadFile(file, options.identityFileExplicit, agentKeys, log);
    if (found === null) continue;
    const index = agentKeys.findIndex(
      (key) => found.publicKey !== null && sameKey(key.publicKey, found.publicKey),
    );
    const held = agentKeys[index];
    if (held) {
      if (!matched.has(index)) configured.push({ ...held, label: `${shortPath(file)} (agent)` });
      matched.add(index);
    } else if (found.identity) {
      files.push(found.identity);
    }
  }
  const others = options.identitiesOnly ? [] : agentKeys.filter((_, index) => !matched.has(index));
  return [...configured, ...others, ...files];
}

type AgentIdentity = Extract<Identity, { type: 'agent' }>;

/** `timeout` is in seconds. */
async function keysOfAgent(socket: string | null, timeout: number, log: Logger): Promise<AgentIdentity[]> {
  if (socket === null) return [];
  const agent = createAgent(socket);
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      const text = `the agent at ${socket} did not answer within ${timeout} s; continuing without it`;
      log.warn({ event: 'ssh.agent', socket }, text);
      resolve([]);
    }, timeout * 1000);
    agent.getIdentities((error, keys) => {
      clearTimeout(timer);
      if (error) {
        log.debug({ event: 'ssh.agent', socket }, `no agent at ${socket}: ${error.message}`);
        resolve([]);
        return;
      }
      resolve(
        (keys ?? []).flatMap((entry) => {
          const key = parsePublic(entry);
          return key === null ? [] : [agentIdentity(agent, key)];
        }),
      );
    });
  });
}

function agentIdentity(agent: BaseAgent, publicKey: ParsedKey): AgentIdentity {
  const name = publicKey.comment === '' ? fingerprint(publicKey.getPublicSSH()) : publicKey.comment;
  return { type: 'agent', label: `agent key ${name}`, agent, publicKey };
}

/** ssh2 returns an Error or nothing for entries that it cannot use (FIDO keys, certificates). */
function parsePublic(entry: unknown): ParsedKey | null {
  const raw = isEntry(entry) ? entry.pubKey : entry;
  if (!Buffer.isBuffer(raw) && typeof raw !== 'string' && !isParsed(raw)) return null;
  const key = parseKey(raw);
  if (key instanceof Error) return null;
  if (isEntry(entry) && typeof entry.comment === 'string' && key.comment === '') key.comment = entry.comment;
  return key;
}

function isEntry(value: unknown): value is { pubKey: unknown; comment?: unknown } {
  return typeof value === 'object' && value !== null && 'pubKey' in value;
}

function isParsed(value: unknown): value is ParsedKey {
  return typeof value === 'object' && value !== null && 'getPublicSSH' in value;
}

interface LoadedFile {
  /**
   * Null if the private key cannot be used. Its public half may still identify a key in the agent.
   */
  readonly identity: Identity | null;
  readonly publicKey: ParsedKey | null;
}

async function loadFile(
  file: string,
  explicit: boolean,
  agentKeys: readonly AgentIdentity[],
  log: Logger,
): Promise<LoadedFile | null> {
  const warn = (text: string) => log.warn({ event: 'ssh.identity', file }, text);
  let content: Buffer;
  try {
    const { bytes, stats } = await readChecked(file);
    content = bytes;
    const publicOnly = parsePublicFile(content);
    // `-i key.pub` selects a key that the agent holds.
    if (publicOnly) {
      if (explicit && !agentKeys.some((key) => sameKey(key.publicKey, publicOnly))) {
        warn(
          `${file} is a public key, and no agent holds its private half: name the private key's file, or add it with ssh-add`,
        );
      }
      return { identity: null, publicKey: publicOnly };
    }
    if (exposed(stats)) {
      warn(unprotected(file, stats));
      return { identity: null, publicKey: await publicKeyOfFile(file, content) };
    }
  } catch (error) {
    const publicKey = await publicKeyOfFile(file, null);
    const held = publicKey !== null && agentKeys.some((key) => sameKey(key.publicKey, publicKey));
    if (explicit && !held) warn(`identity file ${file} not accessible: ${systemReason(error)}`);
    return publicKey === null ? null : { identity: null, publicKey };
  }
  const label = shortPath(file);
  const key = parseKey(content);
  if (!(key instanceof Error)) {
    return { identity: { type: 'file', label, key }, publicKey: key };
  }
  const publicKey = await publicKeyOfFile(file, content);
  if (/encrypted/i.test(key.message)) {
    return {
      identity: { type: 'encrypted', label, path: file, content, publicKey, unlocked: null },
      publicKey,
    };
  }
  const text = `${file} is skipped: ${unusable(content, key)}`;
  if (explicit) warn(text);
  else log.debug({ event: 'ssh.identity', file }, text);
  return { identity: null, publicKey };
}

function parsePublicFile(content: Buffer): ParsedKey | null {
  const key = parseKey(content);
  return key instanceof Error || key.isPrivateKey() ? null : key;
}

function sameKey(a: ParsedKey, b: ParsedKey): boolean {
  return a.getPublicSSH().equals(b.getPublicSSH());
}

/**
 * Like sshkey_perm_ok in OpenSSH's authfile.c: other users must not be able to read the key of its
 * owner.
 */
function exposed(stats: Stats): boolean {
  return process.getuid !== undefined && stats.uid === process.getuid() && isOpenToOthers(stats);
}

function unprotected(file: string, { mode }: Stats): string {
  const octal = (mode & 0o777).toString(8).padStart(4, '0');
  return (
    `permissions ${octal} for ${file} are too open: it is required that private key files are NOT accessible by others; ` +
    `this private key is ignored. Fix it with: chmod 600 ${file}`
  );
}

function unusable(content: Buffer, error: Error): string {
  return /sk-(ssh|ecdsa)/.test(error.message) || content.includes('sk-ssh-')
    ? 'ssh2 does not support keys on a security token (FIDO, sk-); -o SshEngine=openssh does'
    : error.message;
}

function systemReason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EACCES') return 'permission denied';
  return message;
}

/** Returns the path with `~` for the home directory. */
export function shortPath(file: string): string {
  const { home } = localUser();
  return file.startsWith(`${home}/`) ? `~${file.slice(home.length)}` : file;
}

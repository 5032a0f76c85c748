import { shortPath } from '../auth/identity.ts';
import { peekKeyFile } from '../auth/key-file.ts';
import type { SshOptions } from '../options.ts';
import { parseKey } from '../ssh2/library.ts';
import type { LoginFacts } from './master-log.ts';

/**
 * Returns the labels of the encrypted keys without which a login failed: ssh does not say that a key
 * is encrypted. Those are keys that the server has accepted and that no agent holds, and, unless ssh
 * could ask for passphrases, keys that it cannot offer before they are decrypted. Never rejects.
 */
export async function lockedKeys(
  { identityFile, pubkeyAuthentication }: SshOptions,
  { keys, acceptedFiles, methodsLeft }: LoginFacts,
  couldAsk: boolean,
): Promise<string[]> {
  if (!pubkeyAuthentication || !methodsLeft.includes('publickey')) return [];
  const wanted = identityFile.filter(
    (file) => acceptedFiles.includes(file) || !(couldAsk || keys.includes(file)),
  );
  const locked = await Promise.all(wanted.map(isEncrypted));
  return wanted.filter((_, index) => locked[index]).map(shortPath);
}

async function isEncrypted(file: string): Promise<boolean> {
  const bytes = await peekKeyFile(file);
  if (bytes === null) return false;
  const key = parseKey(bytes);
  return key instanceof Error && /encrypted/i.test(key.message);
}

import { readFile } from 'node:fs/promises';
import { type ParsedKey, parseKey } from '../ssh2/library.ts';

const MAGIC = Buffer.from('openssh-key-v1\0', 'latin1');

/**
 * Returns the public half of a private key file, without its passphrase: from the clear header of
 * OpenSSH's own format (PROTOCOL.key), else from `<file>.pub`, else null. `content` is null if the
 * file itself is unreadable.
 */
export async function publicKeyOfFile(file: string, content: Buffer | null): Promise<ParsedKey | null> {
  const blob = content === null ? null : headerPublicKey(content);
  if (blob !== null) return parse(blob);
  try {
    return parse(await readFile(`${file}.pub`));
  } catch {
    return null;
  }
}

/** Skips cipher, kdf, kdf options and count, and returns the first public key blob after them. */
function headerPublicKey(content: Buffer): Buffer | null {
  const armour = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/.exec(
    content.toString('latin1'),
  );
  if (!armour?.[1]) return null;
  const data = Buffer.from(armour[1].replace(/\s+/g, ''), 'base64');
  if (!data.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  let at = MAGIC.length;
  const string = (): Buffer | null => {
    if (data.length < at + 4) return null;
    const length = data.readUInt32BE(at);
    if (data.length < at + 4 + length) return null;
    const value = data.subarray(at + 4, at + 4 + length);
    at += 4 + length;
    return value;
  };
  for (let field = 0; field < 3; field++) if (string() === null) return null;
  at += 4;
  return string();
}

function parse(text: Buffer): ParsedKey | null {
  const key = parseKey(text);
  return key instanceof Error ? null : key;
}

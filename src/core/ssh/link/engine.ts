import { access } from 'node:fs/promises';
import path from 'node:path';
import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { peekKeyFile } from '../auth/key-file.ts';
import { localUser } from '../config/local-user.ts';
import { authorityFor } from '../host-key/host-key.ts';
import { opensshVersion } from '../openssh/version.ts';
import type { SshOptions } from '../options.ts';

/** ssh's default files for keys on a security token (FIDO). */
const TOKEN_FILES = ['.ssh/id_ecdsa_sk', '.ssh/id_ed25519_sk'];

/** The engine of one login; `version` is that of OpenSSH's ssh, such as 9.2. */
export type LoginEngine = { readonly name: 'ssh2' } | { readonly name: 'openssh'; readonly version: number };

const SSH2: LoginEngine = { name: 'ssh2' };

/** Returns OpenSSH's ssh as the engine. Rejects as `opensshVersion` does. */
export async function opensshEngine(): Promise<LoginEngine> {
  return { name: 'openssh', version: await opensshVersion() };
}

/**
 * Returns the engine for a login. For SshEngine=auto it is ssh2, unless the login needs what only
 * OpenSSH's ssh supports. If no usable ssh is installed, warns and returns ssh2, unless ssh2 lacks
 * configured algorithms; then rejects as `opensshVersion` does, as for SshEngine=openssh.
 */
export async function chooseEngine(options: SshOptions, log: Logger): Promise<LoginEngine> {
  const { engine = 'auto', host, openssh } = options;
  if (engine === 'ssh2') return SSH2;
  if (engine === 'openssh') return opensshEngine();
  const need = await needOf(options);
  if (need === null) return SSH2;
  try {
    const chosen = await opensshEngine();
    const why = `OpenSSH's ssh logs in to ${host}: ${need} needs it`;
    log.debug({ event: 'ssh.engine', engine: 'openssh' }, why);
    return chosen;
  } catch (error) {
    const none = error instanceof GatewayError && error.code === 'SSH_UNSUPPORTED';
    if (!none || openssh?.lacking) throw error;
    log.warn(
      { event: 'ssh.engine', engine: 'ssh2' },
      `${error.what}; ssh2 logs in to ${host}, without ${need}`,
    );
    return SSH2;
  }
}

/** Returns what of this login only OpenSSH's ssh supports; null if ssh2 can do it. */
async function needOf(options: SshOptions): Promise<string | null> {
  const { openssh } = options;
  if (openssh) {
    if (openssh.lacking !== null) return openssh.lacking;
    if (openssh.certificateFile.length > 0) return `CertificateFile ${openssh.certificateFile[0]}`;
    if (openssh.pkcs11Provider !== null) return `PKCS11Provider ${openssh.pkcs11Provider}`;
    if (openssh.securityKeyProvider !== null) return `SecurityKeyProvider ${openssh.securityKeyProvider}`;
    if (openssh.gssapiAuthentication) return 'GSSAPIAuthentication';
  }
  return (options.pubkeyAuthentication ? await keyNeed(options) : null) ?? (await authorityFor(options));
}

async function keyNeed({ identityFile, identityFileExplicit }: SshOptions): Promise<string | null> {
  let found = false;
  for (const file of identityFile) {
    const certificate = `${file.replace(/\.pub$/, '')}-cert.pub`;
    if (await exists(certificate)) return `the certificate ${certificate}`;
    if (!(await exists(file))) continue;
    found = true;
    if (await isOnToken(file)) return `the key ${file} on a security token`;
  }
  if (identityFileExplicit || found) return null;
  for (const name of TOKEN_FILES) {
    const file = path.join(localUser().home, name);
    if (await exists(file)) return `the key ${file} on a security token`;
  }
  return null;
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

/** Whether a file holds the handle, or the public half, of a key on a security token. */
async function isOnToken(file: string): Promise<boolean> {
  const bytes = await peekKeyFile(file);
  if (bytes === null) return false;
  const text = bytes.toString('latin1');
  const armour = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/.exec(text)?.[1];
  const content = armour === undefined ? text : Buffer.from(armour, 'base64').toString('latin1');
  return /sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com/.test(content);
}

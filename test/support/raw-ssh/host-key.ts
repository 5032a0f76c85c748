import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { Writer } from './encoding.ts';

/** An ed25519 host key. */
export interface RawHostKey {
  /** The public key on the wire (RFC 8709 4). */
  readonly blob: Buffer;
  /** Its part of a known_hosts line, after the host. */
  readonly line: string;
  readonly fingerprint: string;
  sign(data: Buffer): Buffer;
}

export function newHostKey(): RawHostKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return hostKey(publicKey, (data) => sign(null, data, privateKey));
}

/** Returns a host key with the public key of `key`, but without its private key. */
export function stolenHostKey(key: RawHostKey): RawHostKey {
  return { ...key, sign: newHostKey().sign };
}

function hostKey(publicKey: KeyObject, signRaw: (data: Buffer) => Buffer): RawHostKey {
  const { x = '' } = publicKey.export({ format: 'jwk' });
  const blob = new Writer().string('ssh-ed25519').string(Buffer.from(x, 'base64url')).done();
  const digest = createHash('sha256').update(blob).digest('base64').replace(/=+$/, '');
  return {
    blob,
    line: `ssh-ed25519 ${blob.toString('base64')}`,
    fingerprint: `SHA256:${digest}`,
    sign: (data) => new Writer().string('ssh-ed25519').string(signRaw(data)).done(),
  };
}

import { createRequire } from 'node:module';

/**
 * Returns whether ssh2 has its native addon, which halves the cost of encryption. Everything works
 * without it, more slowly. ssh2 has no public way to ask; this reads its module
 * lib/protocol/crypto.js.
 */
export function nativeCrypto(): boolean {
  const crypto: { bindingAvailable: boolean } = createRequire(import.meta.url)('ssh2/lib/protocol/crypto.js');
  return crypto.bindingAvailable;
}

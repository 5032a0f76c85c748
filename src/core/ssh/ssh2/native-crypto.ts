import { createRequire } from 'node:module';

/**
 * Whether ssh2 has its native addon, which halves the cost of encryption. ssh2 tells nobody but its own protocol module
 * (lib/protocol/crypto.js), which is read here; without the addon everything works, more slowly.
 */
export function nativeCrypto(): boolean {
  const crypto: { bindingAvailable: boolean } = createRequire(import.meta.url)('ssh2/lib/protocol/crypto.js');
  return crypto.bindingAvailable;
}

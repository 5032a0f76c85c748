import ssh2 from 'ssh2';

/**
 * An ed25519 key pair in OpenSSH's format. ssh2's own generation now and then writes a key that
 * ssh2 cannot read.
 */
export function newKeyPair(): { private: string; public: string } {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519');
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error)) return pair;
  }
}

import { once } from 'node:events';
import net from 'node:net';
import { silentLogger } from '../../src/core/log.ts';
import type { HostKeyCheck, HostVerifier } from '../../src/core/ssh/host-key/host-key.ts';
import type { Prompter, SshOptions } from '../../src/core/ssh/options.ts';
import { SshConnection } from '../../src/core/ssh/ssh2/connection.ts';
import type { ConnectionDeps } from '../../src/core/ssh/ssh2/connection-deps.ts';
import { DelayedChannel } from './delayed-channel.ts';

export { silentLogger as silentLog };

/** Options for a server on this machine: user `demo`, no agent, no files read. */
export function testOptions(over: Partial<SshOptions> & { port: number }): SshOptions {
  return {
    host: 'yourserver',
    hostName: '127.0.0.1',
    user: 'demo',
    addressFamily: 'any',
    bindAddress: null,
    hostKeyAlias: null,
    userKnownHostsFile: [],
    globalKnownHostsFile: [],
    strictHostKeyChecking: 'yes',
    hashKnownHosts: false,
    identityFile: [],
    identityFileExplicit: false,
    identitiesOnly: false,
    identityAgent: null,
    batchMode: false,
    preferredAuthentications: ['publickey', 'keyboard-interactive', 'password'],
    pubkeyAuthentication: true,
    passwordAuthentication: true,
    kbdInteractiveAuthentication: true,
    numberOfPasswordPrompts: 1,
    connectTimeout: 10,
    connectionAttempts: 1,
    tcpKeepAlive: true,
    serverAliveInterval: 0,
    serverAliveCountMax: 3,
    ciphers: null,
    kexAlgorithms: null,
    macs: null,
    hostKeyAlgorithms: null,
    pubkeyAcceptedAlgorithms: null,
    compression: false,
    session: false,
    proxyJump: null,
    proxyCommand: null,
    exitOnForwardFailure: false,
    ...over,
  };
}

/** A person who answers every question with `answer`. */
export function typing(answer: string): Prompter {
  return { interactive: true, ask: async () => answer, tell() {} };
}

/** Accepts every host key but for what is given here: for tests that are about something else. */
export function hostVerifier(over: Partial<HostKeyCheck> = {}): HostVerifier {
  const check: HostKeyCheck = {
    algorithms: ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'rsa-sha2-512'],
    judge: () => ({ status: 'accepted' }),
    ask: async () => true,
    proven: async () => {},
    ...over,
  };
  return { prepare: async () => check };
}

/** Logs in to a test server with the password `demo`. */
/** A dial to a port of this machine over a line that is `oneWay` milliseconds long each way. */
export function dialLate(port: number, oneWay: number): NonNullable<ConnectionDeps['dial']> {
  return async () => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new DelayedChannel(socket, { oneWay, window: 256 * 1024 * 1024 });
  };
}

export function connectTo(
  port: number,
  options: Partial<SshOptions> = {},
  deps: Partial<ConnectionDeps> = {},
): Promise<SshConnection> {
  return SshConnection.connect(testOptions({ ...options, port }), {
    prompter: typing('demo'),
    log: silentLogger,
    verifier: hostVerifier(),
    identities: [],
    ...deps,
  });
}

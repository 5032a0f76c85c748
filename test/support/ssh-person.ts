import type { Prompter, SshOptions } from '../../src/core/ssh/options.ts';

/** Options of a login to you@yourserver, port 22, that reads no file. */
export function sshOptions(changes: Partial<SshOptions> = {}): SshOptions {
  return {
    host: 'yourserver',
    hostName: 'yourserver',
    port: 22,
    user: 'you',
    addressFamily: 'any',
    bindAddress: null,
    hostKeyAlias: null,
    userKnownHostsFile: [],
    globalKnownHostsFile: [],
    strictHostKeyChecking: 'ask',
    hashKnownHosts: false,
    identityFile: [],
    identityFileExplicit: true,
    identitiesOnly: false,
    identityAgent: null,
    batchMode: false,
    preferredAuthentications: ['publickey', 'keyboard-interactive', 'password'],
    pubkeyAuthentication: true,
    passwordAuthentication: true,
    kbdInteractiveAuthentication: true,
    numberOfPasswordPrompts: 3,
    connectTimeout: 30,
    connectionAttempts: 1,
    tcpKeepAlive: true,
    serverAliveInterval: 15,
    serverAliveCountMax: 3,
    ciphers: null,
    kexAlgorithms: null,
    macs: null,
    hostKeyAlgorithms: null,
    pubkeyAcceptedAlgorithms: null,
    compression: false,
    session: true,
    proxyJump: null,
    proxyCommand: null,
    exitOnForwardFailure: false,
    ...changes,
  };
}

/**
 * A person who types these answers in turn (an Error cancels), or no terminal if null; records what
 * was shown.
 */
export class ScriptedPrompter implements Prompter {
  readonly interactive: boolean;
  readonly asked: Array<{ question: string; echo: boolean }> = [];
  told = '';
  readonly #answers: Array<string | Error>;

  constructor(answers: Array<string | Error> | null) {
    this.interactive = answers !== null;
    this.#answers = [...(answers ?? [])];
  }

  async ask(question: string, { echo }: { echo: boolean }): Promise<string> {
    this.asked.push({ question, echo });
    const answer = this.#answers.shift();
    if (answer === undefined) throw new Error(`unexpected question: ${question}`);
    if (answer instanceof Error) throw answer;
    return answer;
  }

  tell(text: string): void {
    this.told += text;
  }
}

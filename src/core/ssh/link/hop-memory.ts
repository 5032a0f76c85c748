import type { Logger } from '../../log.ts';
import { type Identity, prepareIdentities } from '../auth/identity.ts';
import { isPassphraseQuestion } from '../auth/unlock.ts';
import { otherHost } from '../connection/login-failures.ts';
import type { LoginProgress, OnProgress } from '../connection/progress.ts';
import { createHostVerifier, type HostVerifier } from '../host-key/host-key.ts';
import type { SameHost } from '../openssh/deps.ts';
import type { Prompter, SshOptions } from '../options.ts';
import type { Hop } from './connect-hop.ts';
import { chooseEngine, type LoginEngine, opensshEngine } from './engine.ts';

/**
 * One SSH server of a chain, and what is kept of a login there for the next one: keys, host key,
 * address.
 */
export class HopMemory implements Hop {
  readonly options: SshOptions;
  readonly mayFallBack = true;
  /** Whether a person had to answer more than a passphrase question, and would have to again. */
  neededPerson = false;
  readonly #prompter: Prompter;
  readonly #log: Logger;
  readonly #progress: OnProgress;
  #prepared: Promise<{ verifier: HostVerifier; identities: readonly Identity[] }> | null = null;
  /** The host that was reached last. */
  #reached: { readonly key: Buffer; readonly address: string | null } | null = null;

  /** The same by OpenSSH's ssh. */
  #shown: SameHost | null = null;
  #address: string | null = null;
  /** The engine of the last login that succeeded. */
  #engine: LoginEngine | null = null;
  /** Whether ssh2 and the server had nothing in common. */
  #fellBack = false;
  /** The passphrases that OpenSSH's ssh has used, by its questions. */
  readonly #passphrases = new Map<string, string>();

  constructor(options: SshOptions, prompter: Prompter, log: Logger, progress: OnProgress) {
    this.options = options;
    this.#prompter = prompter;
    this.#log = log;
    this.#progress = progress;
  }

  engine(): Promise<LoginEngine> {
    return this.#fellBack ? opensshEngine() : chooseEngine(this.options, this.#log);
  }

  succeeded(engine: LoginEngine, fallback: boolean): void {
    this.#engine = engine;
    this.#fellBack ||= fallback;
  }

  openssh(): ReturnType<Hop['openssh']> {
    return {
      prompter: this.#prompter,
      log: this.#log,
      passphrases: this.#passphrases,
      needsPerson: () => {
        this.neededPerson = true;
      },
      progress: (progress) => {
        this.#remember(progress);
        this.#progress(progress);
      },
    };
  }

  async credentials() {
    this.#prepared ??= this.#prepare().catch((error) => {
      this.#prepared = null;
      throw error;
    });
    const { verifier, identities } = await this.#prepared;
    return {
      prompter: this.#watched(),
      log: this.#log,
      verifier: this.#remembering(verifier),
      identities,
      progress: this.#progress,
    };
  }

  /** Returns the hop for one more login to the same host, which never involves a person. */
  again(): Hop {
    const { options } = this;
    const address = this.#reached?.address ?? null;
    const sameHost = this.#shown;
    return {
      options: address === null ? options : { ...options, hostName: address },
      // Only the engine that reached the host knows its key and address.
      mayFallBack: false,
      engine: () => (this.#engine === null ? this.engine() : Promise.resolve(this.#engine)),
      succeeded: () => {},
      openssh: () => ({
        ...this.openssh(),
        prompter: SILENT_PROMPTER,
        needsPerson: () => {},
        sameHost,
        progress: () => {},
      }),
      credentials: async () => {
        const { verifier, ...rest } = await this.credentials();
        return {
          ...rest,
          prompter: SILENT_PROMPTER,
          verifier: this.#sameHost(verifier),
          progress: () => {},
        };
      },
    };
  }

  async #prepare() {
    return {
      verifier: createHostVerifier(this.options, this.#prompter, this.#log),
      identities: await prepareIdentities(this.options, this.#log),
    };
  }

  /** Notes the host that OpenSSH's ssh has reached, for further logins to it. */
  #remember(progress: LoginProgress): void {
    if (progress.stage === 'connected') this.#address = progress.address;
    if (progress.stage === 'verified')
      this.#shown = { fingerprint: progress.fingerprint, address: this.#address };
  }

  #watched(): Prompter {
    const prompter = this.#prompter;
    return {
      get interactive() {
        return prompter.interactive;
      },
      ask: (question, how) => {
        this.neededPerson ||= !isPassphraseQuestion(question);
        return prompter.ask(question, how);
      },
      tell: (text) => prompter.tell(text),
    };
  }

  #remembering(verifier: HostVerifier): HostVerifier {
    return {
      prepare: async () => {
        const check = await verifier.prepare();
        return {
          algorithms: check.algorithms,
          judge: (key) => check.judge(key),
          ask: (key, address, signal) => check.ask(key, address, signal),
          proven: (key, address) => {
            this.#reached = { key, address };
            return check.proven(key, address);
          },
        };
      },
    };
  }

  /**
   * Accepts only the key that the main connection's host has proven, if known_hosts still allows
   * it.
   */
  #sameHost(verifier: HostVerifier): HostVerifier {
    const other = otherHost(this.options);
    return {
      prepare: async () => {
        const check = await verifier.prepare();
        return {
          algorithms: check.algorithms,
          judge: (key) =>
            this.#reached?.key.equals(key) ? check.judge(key) : { status: 'refused', error: other },
          ask: async () => other,
          proven: async () => {},
        };
      },
    };
  }
}

/** For a login that must not ask a person, or show a banner again. */
const SILENT_PROMPTER: Prompter = {
  interactive: false,
  ask: () => Promise.reject(new Error('a data connection asks no questions')),
  tell() {},
};

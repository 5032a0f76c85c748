import { GatewayError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { ManagedTransport } from '../transport.ts';
import { type Identity, prepareIdentities } from './auth/identity.ts';
import { isPassphraseQuestion } from './auth/unlock.ts';
import type { OnProgress } from './connection/progress.ts';
import { createHostVerifier, type HostVerifier } from './host-key/host-key.ts';
import { connectChain, type Hop } from './link/chain.ts';
import { SshPool } from './link/pool.ts';
import { SshSupervisor } from './link/supervisor.ts';
import type { Prompter, SshOptions } from './options.ts';

/**
 * The network behind one SSH login, reached through its jump hosts or ProxyCommand where it has such, and kept up; further
 * connections carry bulk data. Nothing is read or dialled before `start`. Keys and the accepted host key are kept over
 * reconnects, so that a passphrase is asked for once. `progress` is told of each host on the way, but not of data connections.
 */
export function sshTransport(
  options: SshOptions,
  prompter: Prompter,
  log: Logger,
  progress: OnProgress = () => {},
): ManagedTransport {
  const logins = [...(options.jumpHosts ?? []), options].map(
    (hop) => new Login(hop, prompter, log, progress),
  );
  const supervise = (hops: readonly Hop[], to: SshOptions) =>
    new SshSupervisor((signal) => connectChain(hops, log, signal), to, log);
  return new SshPool(supervise(logins, options), {
    size: () => options.dataConnections ?? (logins.some(({ neededPerson }) => neededPerson) ? 0 : 1),
    another: () =>
      supervise(
        logins.map((login) => login.again()),
        { ...options, connectionAttempts: 1 },
      ),
    log,
  });
}

/** One SSH login of a chain, and what is kept of it for the next. */
class Login implements Hop {
  readonly options: SshOptions;
  /** Whether a person had to answer more than for a passphrase, and would have to again. */
  neededPerson = false;
  readonly #prompter: Prompter;
  readonly #log: Logger;
  readonly #progress: OnProgress;
  #prepared: Promise<{ verifier: HostVerifier; identities: readonly Identity[] }> | null = null;
  /** The host that was reached last. */
  #reached: { readonly key: Buffer; readonly address: string | null } | null = null;

  constructor(options: SshOptions, prompter: Prompter, log: Logger, progress: OnProgress) {
    this.options = options;
    this.#prompter = prompter;
    this.#log = log;
    this.#progress = progress;
  }

  async login() {
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

  /** The same login once more, to the same host, without a word to the person. */
  again(): Hop {
    const { options } = this;
    const address = this.#reached?.address ?? null;
    return {
      options: address === null ? options : { ...options, hostName: address },
      login: async () => {
        const { verifier, ...login } = await this.login();
        return { ...login, prompter: NOBODY, verifier: this.#sameHost(verifier), progress: () => {} };
      },
    };
  }

  async #prepare() {
    return {
      verifier: createHostVerifier(this.options, this.#prompter, this.#log),
      identities: await prepareIdentities(this.options, this.#log),
    };
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

  /** Accepts only the key that the main connection's host has proven, if known_hosts still allows it. */
  #sameHost(verifier: HostVerifier): HostVerifier {
    const other = new GatewayError(
      'SSH_HOST_KEY',
      `the host key of ${this.options.host} differs from that of the main connection`,
    );
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

/** For a login at which no person is to be asked, or told a banner again. */
const NOBODY: Prompter = {
  interactive: false,
  ask: () => Promise.reject(new Error('nobody is asked for a data connection')),
  tell() {},
};

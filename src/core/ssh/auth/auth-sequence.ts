import type { GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { stripControls } from '../../text/control-characters.ts';
import type { Prompter, SshOptions } from '../options.ts';
import type { AnyAuthMethod, AuthHandlerMiddleware, Prompt } from '../ssh2/library.ts';
import { authFailure, keyText } from './failure.ts';
import type { Identity } from './identity.ts';
import { KeyAgent, signByAgent, signByKey } from './key-agent.ts';
import type { CanSign } from './signature-algorithms.ts';
import { canAsk, unlock } from './unlock.ts';

/** The authentication of one connection. */
export interface Authentication {
  /** For ssh2's `authHandler`. */
  readonly handler: AuthHandlerMiddleware;
  /**
   * Returns the error to report (`SSH_AUTH`) after a login that ended with `error`: one of level
   * `client-authentication`, or the server's disconnect between handshake and `ready`.
   */
  failure(error: Error): GatewayError;
  /** The method that was tried last, in words; after the login, the one that succeeded. */
  readonly last: string;
}

export interface AuthInput {
  readonly options: SshOptions;
  readonly identities: readonly Identity[];
  readonly prompter: Prompter;
  readonly log: Logger;
  /** Aborts when the connection ends. Closes a prompt that is still open. */
  readonly signal: AbortSignal;
  /** Called before and after an agent signs. The agent may ask a person for a PIN or a touch. */
  readonly signing?: (on: boolean) => void;
  /** Default: every key can sign. */
  readonly canSign?: CanSign;
}

type Method = 'publickey' | 'keyboard-interactive' | 'password';
type Next = (method: AnyAuthMethod | false) => void;

/**
 * Authenticates as ssh does (RFC 4252; sshconnect2.c). `none` asks which methods the server
 * accepts. Then come those methods of PreferredAuthentications, one key at a time, with
 * NumberOfPasswordPrompts tries at each prompt. Several factors in a row work, because each answer
 * of the server lists the methods that are still required.
 *
 * The caller must:
 * - set `readyTimeout: 0` and use a timer that pauses while a prompt is open (`observePrompter`) or
 *   an agent signs (`signing`): ssh2's own includes the time a person takes;
 * - ignore ssh2's `error` events of level `agent`: a key did not sign, and the next one follows;
 * - end the connection on `change password`, on which ssh2 would wait forever: the password has
 *   expired.
 */
export function createAuthHandler(input: AuthInput): Authentication {
  const sequence = new AuthSequence(input);
  const handler = (left: readonly string[] | null, _partial: boolean | null, next: Next): void => {
    sequence.next(left).then(next, (error) => sequence.giveUp(error, next));
  };
  return {
    // ssh2 accepts false for "nothing left", and passes null at first. Its types lack both.
    handler: handler as unknown as AuthHandlerMiddleware,
    failure: (error) => sequence.failure(error),
    get last() {
      return sequence.last;
    },
  };
}

/** Chooses the next method of one login. */
class AuthSequence {
  last = 'nothing';
  readonly #input: AuthInput;
  readonly #identities: Identity[];
  readonly #methods: readonly Method[];
  readonly #keys: string[] = [];
  readonly #locked: string[] = [];
  readonly #unusable: string[] = [];
  readonly #rounds: Record<'keyboard-interactive' | 'password', number> = {
    'keyboard-interactive': 0,
    password: 0,
  };
  #left: readonly string[] = [];
  #answers = 0;
  #gaveUp = false;
  /** A signature was sent, and ssh2 has not passed the server's answer on. */
  #stale = false;
  /** Whether the last keyboard-interactive round had a question. */
  #asked = true;

  constructor(input: AuthInput) {
    this.#input = input;
    this.#identities = [...input.identities];
    this.#methods = wantedMethods(input.options);
  }

  async next(left: readonly string[] | null): Promise<AnyAuthMethod | false> {
    const username = this.#input.options.user;
    // After an agent's signature, ssh2 drops the server's list of methods (client.js,
    // USERAUTH_FAILURE), which shows partial success. `none` asks for it again; sshd does not count
    // it as a failure.
    if (left === null || this.#stale) {
      this.#stale = false;
      return { type: 'none', username };
    }
    this.#left = left;
    if (this.#gaveUp) return false;
    for (const method of this.#methods) {
      if (!left.includes(method)) continue;
      const attempt = await this.#attempt(method);
      if (attempt !== null) {
        this.#input.log.debug({ event: 'ssh.auth', method }, `trying ${method}`);
        this.last = method === 'publickey' ? keyText(this.#keys.at(-1) ?? '') : method;
        return attempt;
      }
    }
    return false;
  }

  giveUp(error: unknown, next: Next): void {
    this.#gaveUp = true;
    this.#input.log.debug({ event: 'ssh.auth', err: error }, 'gave up the login');
    next(false);
  }

  failure(error: Error): GatewayError {
    const { options, prompter } = this.#input;
    return authFailure(
      options,
      {
        methodsLeft: this.#left,
        keys: this.#keys,
        locked: this.#locked,
        unusable: this.#unusable,
        answers: this.#answers,
        canAsk: canAsk(options, prompter),
        gaveUp: this.#gaveUp,
      },
      error,
    );
  }

  #attempt(method: Method): Promise<AnyAuthMethod | null> {
    switch (method) {
      case 'publickey':
        return this.#publicKey();
      case 'keyboard-interactive':
        return Promise.resolve(this.#keyboardInteractive());
      case 'password':
        return this.#password();
    }
  }

  async #publicKey(): Promise<AnyAuthMethod | null> {
    for (let identity = this.#identities.shift(); identity; identity = this.#identities.shift()) {
      if (!this.#canSign(identity)) {
        this.#unusable.push(identity.label);
        continue;
      }
      const method = await this.#offer(identity);
      if (method === null) continue;
      this.#keys.push(identity.label);
      return method;
    }
    return null;
  }

  /** Returns true for a key whose type is unknown until it is unlocked. */
  #canSign(identity: Identity): boolean {
    const { canSign = () => true } = this.#input;
    const key = identity.type === 'file' ? identity.key : identity.publicKey;
    return key === null || canSign(key.type);
  }

  async #offer(identity: Identity): Promise<AnyAuthMethod | null> {
    const { options, prompter, signal } = this.#input;
    const username = options.user;
    switch (identity.type) {
      case 'file':
        return { type: 'publickey', username, key: identity.key };
      case 'agent': {
        const { agent, publicKey } = identity;
        const sign = signByAgent(agent, publicKey);
        const { signing = () => {} } = this.#input;
        const signer = this.#signer(publicKey, (data, how) => {
          signing(true);
          return sign(data, how).finally(() => signing(false));
        });
        return { type: 'agent', username, agent: signer };
      }
      case 'encrypted': {
        if (identity.unlocked) return { type: 'publickey', username, key: identity.unlocked };
        if (identity.publicKey === null) {
          const key = await unlock(identity, options, prompter, signal);
          if (key === null) this.#locked.push(identity.label);
          return key && { type: 'publickey', username, key };
        }
        const agent = this.#signer(identity.publicKey, async (data, how) => {
          const key = await unlock(identity, options, prompter, signal).catch((error) => {
            this.#gaveUp = true;
            throw error;
          });
          if (key === null) {
            this.#locked.push(identity.label);
            throw new Error(`${identity.label} stayed locked`);
          }
          return signByKey(key, data, how);
        });
        return { type: 'agent', username, agent };
      }
    }
  }

  #signer(
    publicKey: ConstructorParameters<typeof KeyAgent>[0],
    sign: ConstructorParameters<typeof KeyAgent>[1],
  ) {
    return new KeyAgent(publicKey, async (data, how) => {
      const signature = await sign(data, how);
      this.#stale = true;
      return signature;
    });
  }

  #keyboardInteractive(): AnyAuthMethod | null {
    const { options, prompter } = this.#input;
    // A server that rejects it without a question does not really support it.
    if (!canAsk(options, prompter) || !this.#asked || !this.#take('keyboard-interactive')) return null;
    this.#asked = false;
    return {
      type: 'keyboard-interactive',
      username: options.user,
      prompt: (name, instructions, _language, prompts, finish) => {
        this.#asked = true;
        this.#answerAll(name, instructions, prompts).then(finish, () => {
          this.#gaveUp = true;
          // Fails this round, so that ssh2 calls `next`, which then ends the login.
          if (!this.#input.signal.aborted) finish(prompts.map(() => ''));
        });
      },
    };
  }

  async #answerAll(name: string, instructions: string, prompts: readonly Prompt[]): Promise<string[]> {
    const { options, prompter, signal } = this.#input;
    for (const text of [name, instructions]) {
      const line = stripControls(text).trimEnd();
      if (line !== '') prompter.tell(`(${options.user}@${options.host}) ${line}\n`);
    }
    const answers: string[] = [];
    for (const { prompt, echo } of prompts) {
      const question = `(${options.user}@${options.host}) ${stripControls(prompt)}`;
      answers.push(await prompter.ask(question, { echo: echo === true, signal }));
    }
    if (answers.length > 0) this.#answers++;
    return answers;
  }

  async #password(): Promise<AnyAuthMethod | null> {
    const { options, prompter, signal } = this.#input;
    if (!canAsk(options, prompter) || !this.#take('password')) return null;
    if (this.#rounds.password > 1) prompter.tell('Permission denied, please try again.\n');
    const question = `${options.user}@${options.host}'s password: `;
    const password = await prompter.ask(question, { echo: false, signal });
    this.#answers++;
    return { type: 'password', username: options.user, password };
  }

  #take(method: 'keyboard-interactive' | 'password'): boolean {
    return this.#rounds[method]++ < this.#input.options.numberOfPasswordPrompts;
  }
}

function wantedMethods(options: SshOptions): Method[] {
  const enabled: Record<string, boolean> = {
    publickey: options.pubkeyAuthentication,
    'keyboard-interactive': options.kbdInteractiveAuthentication,
    password: options.passwordAuthentication,
  };
  return options.preferredAuthentications.filter((name): name is Method => enabled[name] === true);
}

import { GatewayError } from '../../errors.ts';
import { isPassphraseQuestion } from '../auth/unlock.ts';
import type { Prompter } from '../options.ts';
import type { AskpassQuestion } from './askpass.ts';

/**
 * OpenSSH 8.6 and later begin the server's questions with `(user@host) `. With an earlier one, a
 * server could ask for a passphrase in ssh's words, so none is given unasked.
 */
const MARKS_QUESTIONS = 8.6;

export interface QuestionsOptions {
  readonly prompter: Prompter;
  /** OpenSSH's version, such as 9.2. */
  readonly version: number;
  /** The passphrases of earlier logins to this host, by question. Lives as long as the transport. */
  readonly passphrases: Map<string, string>;
  /** A further login would need a person again. */
  readonly needsPerson: () => void;
  /** Whether the host key is still unverified. */
  readonly hostUnknown: () => boolean;
  /** The person has cancelled a question, or cannot be asked. */
  readonly cancelled: (reason: GatewayError) => void;
}

/** Answers the questions of one master by sshferry's own prompter. */
export class Questions {
  /** How often a person has answered a question that was not for a passphrase. */
  answers = 0;
  /** Whether a person was asked about the host key. */
  askedHostKey = false;
  readonly #options: QuestionsOptions;
  /** The passphrases of this login, to be remembered if it succeeds. */
  readonly #given = new Map<string, string>();

  constructor(options: QuestionsOptions) {
    this.#options = options;
  }

  /** See Answerer. */
  async answer(question: AskpassQuestion): Promise<string | null> {
    const { prompter, cancelled } = this.#options;
    if (question.hint === 'none') {
      this.#options.needsPerson();
      prompter.tell(`${question.text.trimEnd()}\n`);
      return untilWithdrawn(question.signal);
    }
    const known = this.#known(question.text);
    if (known !== null) return known;
    try {
      return await this.#ask(question);
    } catch (cause) {
      if (question.signal.aborted) return null;
      const hostKey = this.#options.hostUnknown() && isHostKeyQuestion(question.text);
      const why = cause instanceof Error ? cause.message : String(cause);
      cancelled(
        hostKey
          ? new GatewayError('SSH_HOST_KEY', `the host key could not be verified: ${why}`, { cause })
          : new GatewayError('SSH_AUTH', 'login cancelled at the prompt', { cause }),
      );
      // ssh would send a refusal to the server, as an empty password.
      return untilWithdrawn(question.signal);
    }
  }

  /** The login has succeeded: its passphrases were right. */
  succeeded(): void {
    for (const [question, passphrase] of this.#given) this.#options.passphrases.set(question, passphrase);
  }

  async #ask({ hint, text, signal }: AskpassQuestion): Promise<string | null> {
    const { prompter, version, hostUnknown, needsPerson } = this.#options;
    const hostKey = hostUnknown() && isHostKeyQuestion(text);
    this.askedHostKey ||= hostKey;
    // ssh writes an accepted host key to known_hosts, and an unlocked key's passphrase is kept.
    const kept = hostKey || (version >= MARKS_QUESTIONS && isPassphraseQuestion(text));
    if (!kept || hint === 'confirm') needsPerson();
    if (hint === 'confirm') {
      const answer = await prompter.ask(`${text.trimEnd()} (yes/no) `, { echo: true, signal });
      return /^y(es)?$/i.test(answer.trim()) ? 'yes' : null;
    }
    // The question comes last; before it, ssh explains.
    const line = text.lastIndexOf('\n') + 1;
    if (line > 0) prompter.tell(text.slice(0, line));
    // ssh does not say whether the answer may be shown. The answer about the host key surely may.
    const answer = await prompter.ask(text.slice(line), { echo: hostKey, signal });
    if (isPassphraseQuestion(text)) this.#given.set(text, answer);
    else if (!hostKey) this.answers += 1;
    return answer;
  }

  /** Returns a passphrase that was right before, once for each login. */
  #known(text: string): string | null {
    const { version, passphrases } = this.#options;
    if (version < MARKS_QUESTIONS || !isPassphraseQuestion(text) || this.#given.has(text)) return null;
    const passphrase = passphrases.get(text);
    if (passphrase === undefined) return null;
    this.#given.set(text, passphrase);
    return passphrase;
  }
}

function isHostKeyQuestion(text: string): boolean {
  return /\(yes\/no|type 'yes'/.test(text);
}

function untilWithdrawn(signal: AbortSignal): Promise<null> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(null);
    else signal.addEventListener('abort', () => resolve(null), { once: true });
  });
}

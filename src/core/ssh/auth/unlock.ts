import type { Prompter, SshOptions } from '../options.ts';
import { type ParsedKey, parseKey } from '../ssh2/library.ts';
import type { Identity } from './identity.ts';

const QUESTION = 'Enter passphrase for key';

/**
 * Returns whether a question is for a passphrase. That is asked once for all connections, other
 * questions at each login.
 */
export function isPassphraseQuestion(question: string): boolean {
  return question.startsWith(QUESTION);
}

/**
 * Decrypts a key file. Asks for its passphrase up to NumberOfPasswordPrompts times; an empty answer
 * skips the key, as in ssh. Returns null if it stays locked. Rejects if the person cancels. The key
 * derivation (bcrypt) blocks the event loop for some tenths of a second, once: the key is kept.
 */
export async function unlock(
  identity: Extract<Identity, { type: 'encrypted' }>,
  options: SshOptions,
  prompter: Prompter,
  signal: AbortSignal,
): Promise<ParsedKey | null> {
  if (identity.unlocked) return identity.unlocked;
  if (!canAsk(options, prompter)) return null;
  for (let attempt = 0; attempt < options.numberOfPasswordPrompts; attempt++) {
    const passphrase = await prompter.ask(`${QUESTION} '${identity.path}': `, {
      echo: false,
      signal,
    });
    if (passphrase === '') return null;
    const key = parseKey(identity.content, passphrase);
    if (!(key instanceof Error)) {
      identity.unlocked = key;
      return key;
    }
  }
  return null;
}

/** Returns whether a person can be asked. */
export function canAsk(options: SshOptions, prompter: Prompter): boolean {
  return prompter.interactive && !options.batchMode;
}

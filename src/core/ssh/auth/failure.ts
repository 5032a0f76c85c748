import { formatEndpoint } from '../../endpoint.ts';
import { GatewayError } from '../../errors.ts';
import type { SshOptions } from '../options.ts';

/** What is known when a login has failed. */
export interface AuthAttempts {
  /** What the server would still take, as it said last. */
  readonly methodsLeft: readonly string[];
  /** Labels of the keys that were offered, in order. */
  readonly keys: readonly string[];
  /** Labels of encrypted keys that stayed locked. */
  readonly locked: readonly string[];
  /** Labels of keys that were not offered, for want of a signature algorithm that both sides accept. */
  readonly unusable: readonly string[];
  /** How often a password or keyboard-interactive was answered. */
  readonly answers: number;
  readonly canAsk: boolean;
  /** The person broke off at a prompt. */
  readonly gaveUp: boolean;
}

/** Puts a failed login into one line: who, what the server takes, what was tried, what to do. Code `SSH_AUTH`. */
export function authFailure(options: SshOptions, attempts: AuthAttempts, error: Error): GatewayError {
  const who = account(options);
  const cause = { cause: error };
  if (/too many authentication failures/i.test(error.message)) {
    return new GatewayError(
      'SSH_AUTH',
      `${who}: too many authentication failures: the server gave up after ${triedText(attempts)}; ` +
        'name the right key and nothing else: -i FILE -o IdentitiesOnly=yes',
      cause,
    );
  }
  if (attempts.gaveUp) {
    return new GatewayError('SSH_AUTH', `${who}: login broken off at the prompt`, cause);
  }
  const methods = attempts.methodsLeft.length === 0 ? '' : ` (${attempts.methodsLeft.join(',')})`;
  return new GatewayError(
    'SSH_AUTH',
    `${who}: permission denied${methods}: tried ${triedText(attempts)}; ${remedy(options, attempts)}`,
    cause,
  );
}

/** A key's label in a sentence. */
export function keyText(label: string): string {
  return label.startsWith('agent key ') ? label : `key ${label}`;
}

function triedText({ keys, answers }: AuthAttempts): string {
  const tried = keys.map(keyText);
  if (answers > 0) tried.push(answers === 1 ? '1 answer at a prompt' : `${answers} answers at prompts`);
  return tried.length === 0 ? 'nothing' : tried.join(', ');
}

function remedy(options: SshOptions, attempts: AuthAttempts): string {
  const { methodsLeft, keys, locked, unusable, answers, canAsk } = attempts;
  if (locked.length > 0) {
    return canAsk
      ? `${locked.join(', ')} stayed locked: no right passphrase was given`
      : `${locked.join(', ')} is encrypted and there is no terminal to ask for its passphrase on: add it to an agent with ssh-add`;
  }
  if (answers > 0) return 'check the password and the user name';
  if (unusable.length > 0) {
    return (
      `${unusable.map(keyText).join(', ')} not offered: PubkeyAcceptedAlgorithms allows no signature algorithm that the server supports; ` +
      'update the server, or allow RSA signatures with SHA-1, which are weak: -o PubkeyAcceptedAlgorithms=+ssh-rsa'
    );
  }
  const asks = methodsLeft.some((method) => method === 'password' || method === 'keyboard-interactive');
  if (asks && !canAsk) {
    const key = keys.length === 0 ? 'use a key' : 'use a key that is in ~/.ssh/authorized_keys there';
    return options.batchMode
      ? `a password cannot be asked for with BatchMode=yes: ${key}`
      : `there is no terminal to ask for a password on: start it from one, or ${key}`;
  }
  if (methodsLeft.includes('publickey')) {
    return keys.length === 0
      ? 'there is no key to offer: name one with -i, or add one to an agent with ssh-add'
      : `add the public half of one of them to ~/.ssh/authorized_keys of ${options.user} on the server, or name another with -i`;
  }
  return asks
    ? 'PreferredAuthentications, PasswordAuthentication or KbdInteractiveAuthentication leaves out what the server takes'
    : 'the server takes no method that sshferry has (publickey, keyboard-interactive, password)';
}

/** `user@host`, with the port where it is not the usual one: two hops may be on one host. */
function account({ user, host, port }: SshOptions): string {
  return port === 22 ? `${user}@${host}` : `${user}@${formatEndpoint({ host, port })}`;
}

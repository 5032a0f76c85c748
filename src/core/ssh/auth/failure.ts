import { formatEndpoint } from '../../endpoint.ts';
import { GatewayError } from '../../errors.ts';
import type { SshOptions } from '../options.ts';

/** Why Kerberos has not logged in; `other`: the reason is not known. */
export type KerberosFailure = 'no-ticket' | 'expired' | 'unknown-host' | 'no-kdc' | 'other';

/** The attempts of a login that failed. */
export interface AuthAttempts {
  /** The methods that the server still accepts, from its last answer. */
  readonly methodsLeft: readonly string[];
  /** Labels of the keys that were offered, in order. */
  readonly keys: readonly string[];
  /** Labels of encrypted keys that stayed locked. */
  readonly locked: readonly string[];
  /**
   * Labels of keys that were not offered, because no signature algorithm is accepted by both sides.
   */
  readonly unusable: readonly string[];
  /** How often a password or keyboard-interactive was answered. */
  readonly answers: number;
  readonly canAsk: boolean;
  /** Default: Kerberos was not tried. */
  readonly kerberos?: KerberosFailure | null;
  /** The person cancelled a prompt. */
  readonly gaveUp: boolean;
}

/**
 * Returns the error for a failed login (`SSH_AUTH`): who, the methods that remain, what was tried,
 * what to do.
 */
export function authFailure(options: SshOptions, attempts: AuthAttempts, error: Error): GatewayError {
  const who = account(options);
  const cause = { cause: error };
  if (/too many authentication failures/i.test(error.message)) {
    return new GatewayError(
      'SSH_AUTH',
      `too many authentication failures: the server gave up after ${triedText(attempts)}`,
      { where: who, hint: 'offer only the right key: -i FILE -o IdentitiesOnly=yes', ...cause },
    );
  }
  if (attempts.gaveUp) {
    return new GatewayError('SSH_AUTH', 'login cancelled at the prompt', { where: who, ...cause });
  }
  const methods = attempts.methodsLeft.length === 0 ? '' : ` (${attempts.methodsLeft.join(',')})`;
  return new GatewayError('SSH_AUTH', `permission denied${methods}: tried ${triedText(attempts)}`, {
    where: who,
    hint: remedy(options, attempts),
    ...cause,
  });
}

/** Returns a key's label for use in a sentence. */
export function keyText(label: string): string {
  return label.startsWith('agent key ') ? label : `key ${label}`;
}

function triedText({ keys, answers, kerberos = null }: AuthAttempts): string {
  const tried = keys.map(keyText);
  if (kerberos !== null) tried.unshift('Kerberos');
  if (answers > 0) tried.push(answers === 1 ? '1 answer at a prompt' : `${answers} answers at prompts`);
  return tried.length === 0 ? 'nothing' : tried.join(', ');
}

function remedy(options: SshOptions, attempts: AuthAttempts): string {
  const { methodsLeft, keys, locked, unusable, answers, canAsk, kerberos = null } = attempts;
  if (locked.length > 0) {
    return canAsk
      ? `${locked.join(', ')} stayed locked: wrong or no passphrase`
      : `${locked.join(', ')} is encrypted, and sshferry has no terminal to ask for its passphrase: add it to an agent with ssh-add`;
  }
  if (answers > 0) return 'check the password and the user name';
  if (kerberos !== null) return kerberosRemedy(options, kerberos);
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
      ? `BatchMode=yes allows no password prompt: ${key}`
      : `sshferry has no terminal to ask for a password: start it from one, or ${key}`;
  }
  if (methodsLeft.includes('publickey')) {
    return keys.length === 0
      ? 'no key to offer: name one with -i, or add one to an agent with ssh-add'
      : `add the public half of one of them to ~/.ssh/authorized_keys of ${options.user} on the server, or name another with -i`;
  }
  if (!asks && methodsLeft.some(isKerberos))
    return 'the server accepts Kerberos: get a ticket with kinit, and use -K';
  return asks
    ? 'PreferredAuthentications, PasswordAuthentication or KbdInteractiveAuthentication excludes every method that the server accepts'
    : 'the server accepts no method that sshferry supports (publickey, keyboard-interactive, password)';
}

/** Returns whether an SSH method is Kerberos (GSSAPI, RFC 4462). */
export function isKerberos(method: string): boolean {
  return method.startsWith('gssapi');
}

function kerberosRemedy({ hostName }: SshOptions, failure: KerberosFailure): string {
  switch (failure) {
    case 'no-ticket':
      return 'no Kerberos ticket: get one with kinit (klist lists the tickets)';
    case 'expired':
      return 'the Kerberos ticket has expired: get a new one with kinit (klist lists the tickets)';
    case 'unknown-host':
      return `Kerberos does not know the service host/${hostName}: use the server's name in Kerberos (klist lists the tickets)`;
    case 'no-kdc':
      return 'no Kerberos server (KDC) answers: check the network and krb5.conf';
    case 'other':
      return 'check the Kerberos ticket with klist, or get a new one with kinit';
  }
}

/** Returns `user@host`, with the port unless it is 22: two hops may be on one host. */
function account({ user, host, port }: SshOptions): string {
  return port === 22 ? `${user}@${host}` : `${user}@${formatEndpoint({ host, port })}`;
}

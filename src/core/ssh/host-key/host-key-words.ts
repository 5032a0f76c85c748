import { GatewayError } from '../../errors.ts';
import type { SshOptions } from '../options.ts';
import { fingerprint, type KnownHostsEntry, keyTypeOf, knownHostsName } from './known-hosts.ts';

/** A host key that a server presents, with the server's name in known_hosts. */
export interface ShownKey {
  readonly options: SshOptions;
  readonly name: string;
  readonly key: Buffer;
}

const RULE = '@'.repeat(59);

export function revoked(shown: ShownKey, entry: KnownHostsEntry): { error: GatewayError; warning: string } {
  const type = typeLabel(shown.key);
  return {
    error: refusal(
      `the ${type} host key of ${shown.name} (${fingerprint(shown.key)}) is marked as revoked in ${place(entry)}`,
    ),
    warning: [
      RULE,
      '@       WARNING: REVOKED HOST KEY DETECTED!               @',
      RULE,
      `The ${type} host key for ${shown.name} is marked as revoked.`,
      'This could mean that a stolen key is being used to',
      'impersonate this host.',
      '',
    ].join('\n'),
  };
}

export function changed(shown: ShownKey, old: KnownHostsEntry): { error: GatewayError; warning: string } {
  const { options, name, key } = shown;
  const [type, mark] = [typeLabel(key), fingerprint(key)];
  const [oldType, oldMark] = [typeLabel(old.key), fingerprint(old.key)];
  return {
    error: refusal(
      `the host key of ${name} has changed: it is ${type} ${mark} now, ${oldType} ${oldMark} in ${place(old)}`,
      `if the server's administrator confirms the new one, remove the old with: ${removal(old, name)}`,
    ),
    warning: [
      RULE,
      '@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @',
      RULE,
      'IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!',
      'Someone could be eavesdropping on you right now (man-in-the-middle attack)!',
      'It is also possible that a host key has just been changed.',
      `The fingerprint for the ${type} key sent by the remote host is`,
      `${mark}.`,
      `The fingerprint for the ${oldType} key that was known is`,
      `${oldMark}.`,
      'Please contact your system administrator.',
      `Add correct host key in ${firstFile(options)} to get rid of this message.`,
      `Offending ${oldType} key in ${place(old)}`,
      '  remove with:',
      `  ${removal(old, name)}`,
      '',
    ].join('\n'),
  };
}

/** For a changed key if no file holds the earlier one, accepted since sshferry started. */
export function changedMeanwhile({ name, key }: ShownKey, before: Buffer): GatewayError {
  return refusal(
    `the host key of ${name} has changed since sshferry started: it is ${typeLabel(key)} ${fingerprint(key)} now, ` +
      `${typeLabel(before)} ${fingerprint(before)} before`,
    "if the server's administrator confirms the new one, restart sshferry",
  );
}

export function unknownStrict(shown: ShownKey): GatewayError {
  return refusal(
    `${unknown(shown)}. StrictHostKeyChecking is yes: check it with the server's administrator and add it to ${firstFile(shown.options)}`,
  );
}

export function unknownUnattended(shown: ShownKey): GatewayError {
  return refusal(
    `${unknown(shown)}. sshferry has no terminal to ask: connect once with ssh or from a terminal, or use -o StrictHostKeyChecking=accept-new`,
  );
}

export function notAccepted({ name, key }: ShownKey): GatewayError {
  return refusal(`the host key of ${name} (${fingerprint(key)}) was not accepted`);
}

/**
 * The text before the question, in ssh's words. `address` is null behind a proxy; `entries` hold
 * the same key under other names.
 */
export function authenticity(
  { options, name, key }: ShownKey,
  address: string | null,
  entries: readonly KnownHostsEntry[],
): string {
  const where = address === null ? '<no hostip for proxy command>' : knownHostsName(address, options.port);
  return [
    `The authenticity of host '${name} (${where})' can't be established.`,
    `${typeLabel(key)} key fingerprint is ${fingerprint(key)}.`,
    ...(entries.length === 0
      ? ['This key is not known by any other names.']
      : [
          'This host key is known by the following other names/addresses:',
          ...entries.map((e) => `    ${place(e)}: ${e.hosts.startsWith('|') ? '[hashed name]' : e.hosts}`),
        ]),
    '',
  ].join('\n');
}

export function added({ name, key }: ShownKey): string {
  return `Warning: Permanently added '${name}' (${typeLabel(key)}) to the list of known hosts.`;
}

/** For a question without an answer: Ctrl-C, or a terminal that is gone. */
export function notAsked({ options }: ShownKey, cause: unknown): GatewayError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new GatewayError('SSH_HOST_KEY', `the host key of ${options.host} could not be verified: ${text}`, {
    cause,
  });
}

function unknown({ name, key }: ShownKey): string {
  return `no ${typeLabel(key)} host key is known for ${name}; it shows ${fingerprint(key)}`;
}

/** Returns ssh's short name of a key's type: ED25519, RSA, ECDSA, DSA. */
function typeLabel(key: Buffer): string {
  const type = keyTypeOf(key);
  if (type === null) return 'unreadable';
  if (type.startsWith('ecdsa-')) return 'ECDSA';
  if (type === 'ssh-dss') return 'DSA';
  return type.replace(/^ssh-/, '').toUpperCase();
}

function place({ file, line }: KnownHostsEntry): string {
  return `${file}:${line}`;
}

function removal({ file }: KnownHostsEntry, name: string): string {
  return `ssh-keygen -f "${file}" -R "${name}"`;
}

function firstFile(options: SshOptions): string {
  return options.userKnownHostsFile[0] ?? options.globalKnownHostsFile[0] ?? 'known_hosts';
}

function refusal(why: string, hint?: string): GatewayError {
  return new GatewayError('SSH_HOST_KEY', `host key verification failed: ${why}`, { hint });
}

import { GatewayError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { DEFAULT_ALGORITHMS, knownFirst } from './algorithms.ts';
import {
  fingerprint,
  type KnownHostsEntry,
  keyTypeOf,
  knownHostsName,
  knownTypes,
  lookup,
  matchesHost,
} from './known-hosts.ts';
import { appendKnownHost, readKnownHosts } from './known-hosts-file.ts';
import type { Prompter, SshOptions } from './options.ts';

/** Decides about the host keys of one destination, over all its connections. */
export interface HostVerifier {
  /** Host key algorithms to offer, those of known keys first, in ssh2's names. */
  readonly algorithms: readonly string[];
  /**
   * `key` is the key as it came (an SSH wire blob); `address` the IP address of the other end, null behind a proxy.
   * Gives true, or the error (`SSH_HOST_KEY`) that says why not; never rejects. The same key again is accepted in
   * silence (rekey, reconnect). It may wait for a person: login timers must stand still meanwhile (`observePrompter`);
   * `signal` closes the question.
   */
  verify(key: Buffer, address: string | null, signal?: AbortSignal): Promise<true | GatewayError>;
}

/**
 * Verifies host keys against known_hosts as ssh does (check_host_key in OpenSSH's sshconnect.c), StrictHostKeyChecking
 * included. Reads the files once for `algorithms` and again for each key that is not the accepted one.
 *
 * A changed or revoked key is refused whatever StrictHostKeyChecking says: with `no`, ssh would go on with port
 * forwarding disabled, and forwarding is all there is to do here. CheckHostIP is not implemented.
 */
export async function createHostVerifier(
  options: SshOptions,
  prompter: Prompter,
  log: Logger,
): Promise<HostVerifier> {
  const names = lookupNames(options);
  const read = () =>
    readKnownHosts([...options.userKnownHostsFile, ...options.globalKnownHostsFile], (file, error) =>
      log.warn({ event: 'ssh.known-hosts', file }, `cannot read ${file}: ${error.message}`),
    );
  const entries = await read();
  if (entries.some((e) => e.marker === 'cert-authority' && names.some((name) => matchesHost(e, name)))) {
    log.debug({ event: 'ssh.known-hosts' }, '@cert-authority lines are ignored: no host certificates here');
  }
  let accepted: Buffer | null = null;
  let question: Promise<unknown> = Promise.resolve();

  const decide = async (key: Buffer, address: string | null, signal?: AbortSignal) => {
    if (accepted?.equals(key)) return true;
    const verdict = await judge(
      { options, prompter, log, names, entries: await read(), signal },
      key,
      address,
    );
    if (verdict === true) accepted = Buffer.from(key);
    return verdict;
  };

  return {
    // A list that the person chose is taken in its own order, as ssh does.
    algorithms:
      options.hostKeyAlgorithms ??
      knownFirst(DEFAULT_ALGORITHMS.HostKeyAlgorithms, knownTypes(entries, names)),
    verify(key, address, signal) {
      // One at a time: two connections must not ask the same question twice.
      const answer = question
        .then(() => decide(key, address, signal))
        .catch((error) => hostKeyError(options, error));
      question = answer;
      return answer;
    },
  };
}

interface Case {
  readonly options: SshOptions;
  readonly prompter: Prompter;
  readonly log: Logger;
  readonly names: readonly string[];
  readonly entries: readonly KnownHostsEntry[];
  readonly signal: AbortSignal | undefined;
}

/** HostKeyAlias alone; else `[host]:port` and, off port 22, the bare name, which may confirm a key. */
function lookupNames({ hostName, hostKeyAlias, port }: SshOptions): string[] {
  if (hostKeyAlias !== null) return [hostKeyAlias.toLowerCase()];
  const name = knownHostsName(hostName, port);
  return port === 22 ? [name] : [name, hostName.toLowerCase()];
}

async function judge(c: Case, key: Buffer, address: string | null): Promise<true | GatewayError> {
  const { options, prompter, names } = c;
  const name = names[0] ?? options.hostName;
  const type = typeLabel(keyTypeOf(key));
  const verdict = lookup(c.entries, names, key);
  switch (verdict.status) {
    case 'match':
      return true;
    case 'revoked':
      prompter.tell(revokedWarning(type, name));
      return refuse(
        `the ${type} host key of ${name} (${fingerprint(key)}) is marked as revoked in ${place(verdict.entry)}`,
      );
    case 'changed':
      prompter.tell(changedWarning(c, verdict.entry, key, name));
      return refuse(
        `the host key of ${name} has changed: it is ${type} ${fingerprint(key)} now, ` +
          `${typeLabel(verdict.entry.keyType)} ${fingerprint(verdict.entry.key)} in ${place(verdict.entry)}; ` +
          `if the server's administrator confirms the new one, remove the old with: ${removal(verdict.entry, name)}`,
      );
    case 'unknown':
      return unknown(c, key, address);
  }
}

async function unknown(c: Case, key: Buffer, address: string | null): Promise<true | GatewayError> {
  const { options, prompter, names } = c;
  const name = names[0] ?? options.hostName;
  const type = typeLabel(keyTypeOf(key));
  const what = `no ${type} host key is known for ${name}; it shows ${fingerprint(key)}`;
  const strict = options.strictHostKeyChecking;
  if (strict === 'yes') {
    return refuse(
      `${what}. StrictHostKeyChecking is yes: check it with the server's administrator and add it to ${firstFile(options)}`,
    );
  }
  if (strict === 'ask') {
    if (options.batchMode || !prompter.interactive) {
      return refuse(
        `${what}. There is no terminal to ask on: connect once with ssh or from a terminal, or use -o StrictHostKeyChecking=accept-new`,
      );
    }
    if (!(await confirmed(c, key, address))) {
      return refuse(`the host key of ${name} (${fingerprint(key)}) was not accepted`);
    }
  }
  await remember(c, name, key, type);
  return true;
}

async function confirmed(c: Case, key: Buffer, address: string | null): Promise<boolean> {
  const { options, prompter, names } = c;
  const name = names[0] ?? options.hostName;
  const where = address === null ? '<no hostip for proxy command>' : knownHostsName(address, options.port);
  const mark = fingerprint(key);
  const type = typeLabel(keyTypeOf(key));
  const others = c.entries.filter((entry) => entry.marker === null && entry.key.equals(key));
  prompter.tell(
    [
      `The authenticity of host '${name} (${where})' can't be established.`,
      `${type} key fingerprint is ${mark}.`,
      ...(others.length === 0
        ? ['This key is not known by any other names.']
        : [
            'This host key is known by the following other names/addresses:',
            ...others.map((e) => `    ${place(e)}: ${e.hosts.startsWith('|') ? '[hashed name]' : e.hosts}`),
          ]),
      '',
    ].join('\n'),
  );
  let question = 'Are you sure you want to continue connecting (yes/no/[fingerprint])? ';
  for (;;) {
    const answer = (
      await prompter.ask(question, { echo: true, ...(c.signal && { signal: c.signal }) })
    ).trim();
    if (answer === '' || answer.toLowerCase() === 'no') return false;
    if (answer.toLowerCase() === 'yes' || answer === mark) return true;
    question = "Please type 'yes', 'no' or the fingerprint: ";
  }
}

async function remember({ options, prompter, log }: Case, name: string, key: Buffer, type: string) {
  const file = options.userKnownHostsFile[0];
  if (file === undefined) return;
  try {
    await appendKnownHost(file, [name], key, { hash: options.hashKnownHosts });
    const text = `Warning: Permanently added '${name}' (${type}) to the list of known hosts.`;
    if (prompter.interactive) prompter.tell(`${text}\n`);
    log.info({ event: 'ssh.host-key.added', host: name, file, fingerprint: fingerprint(key) }, text);
  } catch (error) {
    log.warn(
      { event: 'ssh.known-hosts', file },
      `cannot add ${name} to ${file}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

const RULE = '@'.repeat(59);

function changedWarning({ options }: Case, old: KnownHostsEntry, key: Buffer, name: string): string {
  return [
    RULE,
    '@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @',
    RULE,
    'IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!',
    'Someone could be eavesdropping on you right now (man-in-the-middle attack)!',
    'It is also possible that a host key has just been changed.',
    `The fingerprint for the ${typeLabel(keyTypeOf(key))} key sent by the remote host is`,
    `${fingerprint(key)}.`,
    `The fingerprint for the ${typeLabel(old.keyType)} key that was known is`,
    `${fingerprint(old.key)}.`,
    'Please contact your system administrator.',
    `Add correct host key in ${firstFile(options)} to get rid of this message.`,
    `Offending ${typeLabel(old.keyType)} key in ${place(old)}`,
    '  remove with:',
    `  ${removal(old, name)}`,
    '',
  ].join('\n');
}

function revokedWarning(type: string, name: string): string {
  return [
    RULE,
    '@       WARNING: REVOKED HOST KEY DETECTED!               @',
    RULE,
    `The ${type} host key for ${name} is marked as revoked.`,
    'This could mean that a stolen key is being used to',
    'impersonate this host.',
    '',
  ].join('\n');
}

/** ssh's short name of a key type: ED25519, RSA, ECDSA, DSA. */
function typeLabel(type: string | null): string {
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

function refuse(message: string): GatewayError {
  return new GatewayError('SSH_HOST_KEY', `host key verification failed: ${message}`);
}

/** What went wrong while asking or reading: given up with Ctrl-C, or a terminal that is gone. */
function hostKeyError(options: SshOptions, error: unknown): GatewayError {
  const text = error instanceof Error ? error.message : String(error);
  return new GatewayError('SSH_HOST_KEY', `the host key of ${options.host} could not be verified: ${text}`, {
    cause: error,
  });
}

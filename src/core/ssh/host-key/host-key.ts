import type { GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { DEFAULT_ALGORITHMS, knownFirst } from '../connection/algorithms.ts';
import type { Prompter, SshOptions } from '../options.ts';
import * as words from './host-key-words.ts';
import {
  fingerprint,
  type KnownHostsEntry,
  knownHostsName,
  knownTypes,
  lookup,
  matchesHost,
} from './known-hosts.ts';
import { appendKnownHost, readKnownHosts } from './known-hosts-file.ts';

/**
 * The verdict on a host key. `unknown`: close the connection, then ask a person. `warning` is text
 * for the person, in addition to the error.
 */
export type HostKeyVerdict =
  | { readonly status: 'accepted' }
  | { readonly status: 'unknown' }
  | { readonly status: 'refused'; readonly error: GatewayError; readonly warning?: string };

/** Decides about the host keys of one destination, over all its connections. */
export interface HostVerifier {
  /** Reads known_hosts. Call it before each connection. Never rejects. */
  prepare(): Promise<HostKeyCheck>;
}

/** Decides about the host key of one connection. */
export interface HostKeyCheck {
  /** The host key algorithms to offer, by ssh2's names; those of known keys come first. */
  readonly algorithms: readonly string[];
  /**
   * Judges `key` (an SSH wire blob) synchronously. While an asynchronous verdict is pending, ssh2
   * 1.17.0 handles the messages after the key, and answers them in plaintext (kex.js, `finish`).
   */
  judge(key: Buffer): HostKeyVerdict;
  /**
   * Asks the person about an `unknown` key. Close the connection before. Resolves with true, after
   * which new connections accept this key and no other, or with an `SSH_HOST_KEY` error. Never
   * rejects. `address` is the server's IP address, null behind a proxy; `signal` closes the
   * question.
   */
  ask(key: Buffer, address: string | null, signal?: AbortSignal): Promise<true | GatewayError>;
  /**
   * Remembers an accepted key. Call it when the server has proven that it holds it. Never rejects.
   */
  proven(key: Buffer, address: string | null): Promise<void>;
}

/**
 * Verifies host keys against known_hosts and StrictHostKeyChecking as ssh does (check_host_key in
 * OpenSSH's sshconnect.c). A key that was accepted once is accepted again without a question, even
 * if no file holds it, unless a file now contradicts.
 *
 * A changed or revoked key is refused for every StrictHostKeyChecking. With `no`, ssh would
 * continue without port forwarding, which is all that sshferry does. CheckHostIP is not
 * implemented.
 */
export function createHostVerifier(options: SshOptions, prompter: Prompter, log: Logger): HostVerifier {
  const names = lookupNames(options);
  const memory: Memory = { accepted: null, written: false };
  return {
    async prepare() {
      const entries = await readKnownHosts(filesOf(options), (file, error) =>
        log.warn({ event: 'ssh.known-hosts', file }, `cannot read ${file}: ${error.message}`),
      );
      if (findAuthority(entries, names) !== undefined) {
        log.debug(
          { event: 'ssh.known-hosts' },
          'ssh2 does not support host certificates: @cert-authority lines are ignored',
        );
      }
      return new Check({ options, prompter, log, names, entries }, memory);
    },
  };
}

/**
 * Returns the @cert-authority line of known_hosts that covers this host, in words; null if there is
 * none.
 */
export async function authorityFor(options: SshOptions): Promise<string | null> {
  const entries = await readKnownHosts(filesOf(options), () => {});
  const line = findAuthority(entries, lookupNames(options));
  return line === undefined ? null : `@cert-authority in ${line.file}:${line.line}`;
}

function filesOf({ userKnownHostsFile, globalKnownHostsFile }: SshOptions): string[] {
  return [...userKnownHostsFile, ...globalKnownHostsFile];
}

function findAuthority(
  entries: readonly KnownHostsEntry[],
  names: readonly string[],
): KnownHostsEntry | undefined {
  return entries.find(
    (entry) => entry.marker === 'cert-authority' && names.some((name) => matchesHost(entry, name)),
  );
}

/** State kept between connections. */
interface Memory {
  /** The last key that the person accepted or that a server proved. */
  accepted: Buffer | null;
  /** Whether known_hosts was already updated for it. */
  written: boolean;
}

interface Context {
  readonly options: SshOptions;
  readonly prompter: Prompter;
  readonly log: Logger;
  readonly names: readonly string[];
  readonly entries: readonly KnownHostsEntry[];
}

class Check implements HostKeyCheck {
  readonly algorithms: readonly string[];
  readonly #context: Context;
  readonly #memory: Memory;

  constructor(context: Context, memory: Memory) {
    const { options, entries, names } = context;
    this.#context = context;
    this.#memory = memory;
    // A configured list keeps its order, as in ssh.
    this.algorithms =
      options.hostKeyAlgorithms ??
      knownFirst(DEFAULT_ALGORITHMS.HostKeyAlgorithms, knownTypes(entries, names));
  }

  judge(key: Buffer): HostKeyVerdict {
    const { entries, names } = this.#context;
    const shown = this.#shown(key);
    const found = lookup(entries, names, key);
    switch (found.status) {
      case 'match':
        return { status: 'accepted' };
      case 'revoked':
        return { status: 'refused', ...words.revoked(shown, found.entry) };
      case 'changed':
        return { status: 'refused', ...words.changed(shown, found.entry) };
      case 'unknown':
        return this.#judgeUnknown(shown);
    }
  }

  async ask(key: Buffer, address: string | null, signal?: AbortSignal): Promise<true | GatewayError> {
    const { prompter, entries } = this.#context;
    const shown = this.#shown(key);
    const others = entries.filter((entry) => entry.marker === null && entry.key.equals(key));
    prompter.tell(words.authenticity(shown, address, others));
    try {
      if (!(await confirmed(prompter, fingerprint(key), signal))) return words.notAccepted(shown);
    } catch (error) {
      return words.notAsked(shown, error);
    }
    this.#memory.accepted = Buffer.from(key);
    this.#memory.written = false;
    return true;
  }

  async proven(key: Buffer, _address: string | null): Promise<void> {
    const known = lookup(this.#context.entries, this.#context.names, key).status === 'match';
    const written = known || (this.#memory.written && this.#memory.accepted?.equals(key) === true);
    this.#memory.accepted = Buffer.from(key);
    this.#memory.written = true;
    if (!written) await this.#remember(this.#shown(key));
  }

  #judgeUnknown(shown: words.ShownKey): HostKeyVerdict {
    const { options, prompter } = this.#context;
    const { accepted } = this.#memory;
    const strict = options.strictHostKeyChecking;
    if (accepted?.equals(shown.key)) return { status: 'accepted' };
    if (strict === 'no') return { status: 'accepted' };
    if (accepted !== null) return { status: 'refused', error: words.changedMeanwhile(shown, accepted) };
    if (strict === 'accept-new') return { status: 'accepted' };
    if (strict === 'yes') return { status: 'refused', error: words.unknownStrict(shown) };
    const attended = prompter.interactive && !options.batchMode;
    return attended ? { status: 'unknown' } : { status: 'refused', error: words.unknownUnattended(shown) };
  }

  async #remember(shown: words.ShownKey): Promise<void> {
    const { options, prompter, log } = this.#context;
    const { name, key } = shown;
    const file = options.userKnownHostsFile[0];
    if (file === undefined) return;
    try {
      await appendKnownHost(file, [name], key, { hash: options.hashKnownHosts });
      const text = words.added(shown);
      if (prompter.interactive) prompter.tell(`${text}\n`);
      log.info({ event: 'ssh.host-key.added', host: name, file, fingerprint: fingerprint(key) }, text);
    } catch (error) {
      log.warn(
        { event: 'ssh.known-hosts', file },
        `cannot add ${name} to ${file}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }

  #shown(key: Buffer): words.ShownKey {
    const { options, names } = this.#context;
    return { options, name: names[0] ?? options.hostName, key };
  }
}

/**
 * Returns HostKeyAlias alone; else `[host]:port` and, unless the port is 22, the bare name, which
 * may confirm a key.
 */
function lookupNames({ hostName, hostKeyAlias, port }: SshOptions): string[] {
  if (hostKeyAlias !== null) return [hostKeyAlias.toLowerCase()];
  const name = knownHostsName(hostName, port);
  return port === 22 ? [name] : [name, hostName.toLowerCase()];
}

/** Rejects if the person cancels. */
async function confirmed(prompter: Prompter, mark: string, signal?: AbortSignal): Promise<boolean> {
  let question = 'Are you sure you want to continue connecting (yes/no/[fingerprint])? ';
  for (;;) {
    const answer = (await prompter.ask(question, { echo: true, ...(signal && { signal }) })).trim();
    if (answer === '' || answer.toLowerCase() === 'no') return false;
    if (answer.toLowerCase() === 'yes' || answer === mark) return true;
    question = "Please type 'yes', 'no' or the fingerprint: ";
  }
}

import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { GatewayError } from '../../errors.ts';
import { Banners } from '../auth/banners.ts';
import { keyText } from '../auth/failure.ts';
import { SIGN_WITHIN } from '../auth/key-agent.ts';
import { canAsk } from '../auth/unlock.ts';
import { otherAddress, otherHost, tooSlow } from '../connection/login-failures.ts';
import { LoginTimer } from '../connection/login-timer.ts';
import type { LoginStage } from '../connection/progress.ts';
import type { SshOptions } from '../options.ts';
import { observePrompter } from '../prompt/prompter.ts';
import { Askpass } from './askpass.ts';
import { CarrierSocket } from './carrier-socket.ts';
import type { OpenSshDeps } from './deps.ts';
import { connectionLost, keyLabel, loginFailure } from './failures.ts';
import { lockedKeys } from './locked-keys.ts';
import { masterArguments, READY } from './master-arguments.ts';
import { type LogEvent, type LoginFacts, MasterLog } from './master-log.ts';
import { makePrivateFolder } from './private-folder.ts';
import { SshProcess } from './process.ts';
import { Questions } from './questions.ts';

/**
 * ssh's own messages during authentication that are not shown. Other lines are shown as the server's
 * banner, `Permission denied, please try again.` among them.
 */
const OWN_WORDS =
  /^(?:\S+: Permission denied|Load key|sign_and_send_pubkey|Received disconnect|Disconnected from|Connection |Warning: |Confirm user presence|User presence confirmed|Timeout, server|client_loop|Too many)/;

/**
 * A running `ssh` that has logged in and listens on its control socket. Owns the process, and the
 * folder of its sockets.
 */
export class Master {
  readonly #options: SshOptions;
  readonly #deps: OpenSshDeps;
  readonly #log = new MasterLog();
  readonly #banners: Banners;
  readonly #timer: LoginTimer;
  /** Aborted when the login is over, with the reason if it failed. */
  readonly #over = new AbortController();
  #process: SshProcess | null = null;
  #askpass: Askpass | null = null;
  #carrier: CarrierSocket | null = null;
  /** Whether ssh has written the host key to known_hosts. */
  #hostKeyKept = false;
  /** Whether ssh waits for a signature, and the limit for all of them together. */
  #signing = false;
  readonly #signTimer: LoginTimer;
  #output = '';
  #ready: () => void = () => {};

  private constructor(options: SshOptions, deps: OpenSshDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#banners = new Banners(deps.prompter);
    this.#timer = new LoginTimer(options.connectTimeout * 1000, () => this.#giveUp(tooSlow(options)));
    this.#signTimer = new LoginTimer(SIGN_WITHIN, () => this.#giveUp(unsigned(this.#log.facts)));
    this.#signTimer.hold(true);
  }

  /**
   * Starts ssh and logs in. Rejects with the errors that a login by ssh2 has, or the signal's
   * reason, and then leaves nothing behind.
   */
  static async start(options: SshOptions, deps: OpenSshDeps): Promise<Master> {
    const master = new Master(options, deps);
    const { signal } = deps;
    const onAbort = () => master.#giveUp(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    try {
      await master.#login();
      return master;
    } catch (error) {
      master.#giveUp(error);
      await master.close();
      throw master.#over.signal.reason;
    } finally {
      master.#timer.stop();
      master.#signTimer.stop();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** What ssh has reported about the login. */
  get facts(): LoginFacts {
    return this.#log.facts;
  }

  /** A private folder for sockets. It is removed when ssh has ended. */
  get folder(): string {
    return this.#process?.folder ?? '';
  }

  get socket(): string {
    return path.join(this.folder, 'm');
  }

  /** Settles when ssh has ended, with the error that its last words make. Never rejects. */
  get ended(): Promise<GatewayError> {
    const ended = this.#process?.ended ?? Promise.resolve('not started');
    return ended.then((ending) => connectionLost(this.#options, this.#log.words, ending));
  }

  /** Ends ssh; settles when it has ended. */
  async close(): Promise<void> {
    await this.#process?.close();
    this.#askpass?.close();
    this.#carrier?.close();
  }

  async #login(): Promise<void> {
    const { signal } = this.#over;
    signal.throwIfAborted();
    const folder = await makePrivateFolder(process.env);
    try {
      await this.#run(folder);
    } catch (error) {
      if (this.#process === null) await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  async #run(folder: string): Promise<void> {
    const { version, prompter, passphrases, needsPerson = () => {}, sameHost = null, dial } = this.#deps;
    const options = this.#options;
    const questions = new Questions({
      prompter: observePrompter(prompter, (open) => {
        this.#timer.hold(open);
        this.#banners.hold(open);
      }),
      version,
      passphrases,
      needsPerson,
      hostUnknown: () => !this.#log.facts.verified,
      cancelled: (reason) => this.#giveUp(reason),
    });
    const attended = canAsk(options, prompter);
    // A passphrase that is known needs no person.
    if (attended || passphrases.size > 0) {
      const opened = Askpass.open(folder, version, {
        answer: (question) => questions.answer(question),
        failed: (error) => this.#giveUp(error),
      });
      this.#askpass = await opened.catch((error: GatewayError) => {
        if (error.code !== 'SSH_UNSUPPORTED') throw error;
        this.#deps.log.warn({ event: 'ssh.openssh' }, error.message);
        return null;
      });
    }
    if (dial !== undefined) this.#carrier = await this.#openCarrier(folder, dial);
    const setup = {
      socket: path.join(folder, 'm'),
      version,
      attended: this.#askpass !== null,
      carrier: this.#carrier?.command ?? null,
      // A Kerberos ticket is for the host's name.
      address: options.openssh?.gssapiAuthentication ? null : (sameHost?.address ?? null),
    };
    this.#over.signal.throwIfAborted();
    const ready = new Promise<void>((resolve) => {
      this.#ready = resolve;
    });
    const ssh = this.#spawn(masterArguments(options, setup), folder);
    this.#process = ssh;
    if (options.proxyCommand !== null || dial !== undefined)
      this.#report({ stage: 'connected', address: null });
    const failed = ssh.ended.then(async (ending) => {
      const { facts, words } = this.#log;
      this.#warn();
      const locked = await lockedKeys(options, facts, this.#askpass !== null);
      const { answers } = questions;
      throw loginFailure(options, { facts, words, answers, canAsk: attended, locked, ending });
    });
    failed.catch(() => {});
    await Promise.race([ready, failed, this.#aborted()]);
    // What ssh has reported before comes by another pipe, perhaps in this turn of the event loop.
    await setImmediate();
    this.#over.signal.throwIfAborted();
    questions.succeeded();
    // Nothing has kept the host key, so the next login asks again.
    if (questions.askedHostKey && !this.#hostKeyKept) needsPerson();
    // ssh asks nothing after the login.
    this.#askpass?.close();
  }

  #spawn(argv: readonly string[], folder: string): SshProcess {
    const handlers = {
      onLine: (line: string, crlf: boolean) => this.#read(line, crlf),
      onOutput: (text: string) => this.#hear(text),
    };
    try {
      return new SshProcess(argv, this.#environment(), folder, handlers);
    } catch (cause) {
      const why = `ssh cannot be started: ${(cause as Error).message}`;
      throw new GatewayError('SSH_CONNECT', why, { cause });
    }
  }

  #environment(): NodeJS.ProcessEnv {
    const { SSH_ASKPASS: _, SSH_ASKPASS_REQUIRE: __, ...env } = process.env;
    // The shell of a service's account may be one that runs nothing; ours is for READY alone.
    const shell = this.#options.proxyCommand === null || this.#carrier !== null ? { SHELL: '/bin/sh' } : {};
    return { ...env, ...shell, ...(this.#askpass?.env ?? {}) };
  }

  /** `dial` has its own time limit. */
  async #openCarrier(folder: string, dial: (signal: AbortSignal) => Promise<Duplex>): Promise<CarrierSocket> {
    this.#timer.hold(true);
    try {
      return await CarrierSocket.open(path.join(folder, 'c'), await dial(this.#over.signal));
    } finally {
      this.#timer.hold(false);
    }
  }

  #aborted(): Promise<never> {
    const { signal } = this.#over;
    return new Promise((_, reject) => {
      if (signal.aborted) reject(signal.reason);
      else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }

  /** The first reason counts. */
  #giveUp(reason: unknown): void {
    if (!this.#over.signal.aborted) this.#over.abort(reason);
  }

  #hear(text: string): void {
    this.#output = (this.#output + text).slice(-READY.length - 1);
    if (this.#output === `${READY}\n`) this.#ready();
  }

  #read(line: string, crlf: boolean): void {
    const { log } = this.#deps;
    if (this.#signing) this.#sign(false);
    log.trace({ event: 'ssh.openssh' }, line);
    const banner = this.#log.mayBeBanner;
    const { event, text } = this.#log.read(line, crlf);
    if (event !== undefined) this.#advance(event);
    if (text === undefined) return;
    if (banner && !OWN_WORDS.test(text)) return this.#banners.show(`${text}\n`);
    const added = /^Warning: Permanently added '(.*)' \(\S+\) to the list/.exec(text)?.[1];
    // Later, the server could have put the line there.
    if (added !== undefined && !this.#log.facts.verified) this.#added(added, text);
    else log.debug({ event: 'ssh.openssh' }, `ssh: ${text}`);
  }

  #added(host: string, text: string): void {
    const { log, prompter } = this.#deps;
    const [file] = this.#options.userKnownHostsFile;
    // Without a file, ssh adds the key to /dev/null.
    if (file === undefined) return;
    this.#hostKeyKept = file !== '/dev/null';
    const fingerprint = this.#log.facts.hostKey?.fingerprint;
    if (prompter.interactive) prompter.tell(`${text}\n`);
    log.info({ event: 'ssh.host-key.added', host, file, fingerprint }, text);
  }

  #advance(event: LogEvent): void {
    const { facts } = this.#log;
    const { sameHost = null } = this.#deps;
    switch (event) {
      case 'connected':
        if (sameHost !== null && sameHost.address !== null && sameHost.address !== facts.address)
          return this.#giveUp(otherAddress(this.#options, facts.address));
        return this.#report({ stage: 'connected', address: facts.address });
      case 'verified': {
        const { type = '', fingerprint = '' } = facts.hostKey ?? {};
        if (sameHost !== null && sameHost.fingerprint !== fingerprint) {
          return this.#giveUp(otherHost(this.#options));
        }
        return this.#report({ stage: 'verified', keyType: type, fingerprint, software: facts.software });
      }
      case 'signing':
        return this.#sign(true);
    }
  }

  /** A key's agent or token may wait for a person, whose time does not count, up to a limit. */
  #sign(on: boolean): void {
    this.#signing = on;
    this.#timer.hold(on);
    this.#signTimer.hold(!on);
  }

  #report(stage: LoginStage): void {
    this.#deps.progress?.({ ...stage, host: this.#options.host });
  }

  /** Shows ssh's warning about a host key that has changed or is revoked. */
  #warn(): void {
    const { words } = this.#log;
    const begin = words.findIndex((line) => line.startsWith('@@@@'));
    if (begin < 0 || this.#log.facts.verified) return;
    const end = words.findIndex((line) => line.startsWith('Host key verification failed'));
    this.#deps.prompter.tell(`${words.slice(begin, end < 0 ? undefined : end).join('\n')}\n`);
  }
}

function unsigned({ acceptedKey }: LoginFacts): GatewayError {
  const key = acceptedKey === null ? 'a key' : keyText(keyLabel(acceptedKey));
  return new GatewayError('SSH_TIMEOUT', `no signature by ${key} within ${SIGN_WITHIN / 1000} s`, {
    hint: 'its agent or security token may wait for a touch or a confirmation',
  });
}

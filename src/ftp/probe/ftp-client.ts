import type { Duplex } from 'node:stream';
import type { Endpoint } from '../../core/endpoint.ts';
import { asGatewayError } from '../../core/errors.ts';
import { ProbeFailure } from '../../core/probe/failure.ts';
import type { LineClient } from '../../core/probe/line-client.ts';
import type { Transport } from '../../core/transport.ts';
import { text, unwelcome } from '../../protocols/probe-greeting.ts';
import { parsePortReply } from '../wire/port-reply.ts';
import { ReplyFramer } from '../wire/reply.ts';

/** One reply: its code, its first line for people, and its last line as received. */
export interface FtpReply {
  readonly code: number;
  readonly words: string;
  readonly final: string;
}

/**
 * A minimal FTP client that logs in and lists a folder, step by step. It talks to the gateway, as
 * any client would.
 */
export class FtpClient {
  readonly #client: LineClient;
  readonly #who: string;
  readonly #secured: boolean;
  readonly #framer = new ReplyFramer();
  /** The password, which must not be quoted if a server repeats it. */
  #secret = '';

  /** `secured`: sshferry speaks TLS to the server. */
  constructor(client: LineClient, secured = false) {
    this.#client = client;
    this.#secured = secured;
    this.#who = client.who;
  }

  /** Waits for the 220; returns its first line. */
  async greeting(): Promise<string> {
    // 120: ready in a few minutes.
    const { code, words } = await this.#final();
    if (code !== 220) throw unwelcome('FTP', this.#who, words, code >= 400);
    return `"${words}"`;
  }

  /** Sends USER. Rejects if the server demands TLS for a login. */
  async user(name: string): Promise<FtpReply> {
    const reply = await this.#command('USER', name);
    this.#refuseTls(reply, 'for a login');
    return reply;
  }

  /** Sends PASS. Rejects if the server refuses the login. */
  async password(user: string, password: string): Promise<string> {
    this.#secret = password;
    const reply = await this.#command('PASS', password);
    this.#refuseTls(reply, 'for a login');
    return loggedIn(user, reply);
  }

  /**
   * Asks for a data port with EPSV, then with PASV if the server refuses. Returns the verb that
   * worked and the port.
   */
  async passive(): Promise<{ verb: 'EPSV' | 'PASV'; port: number }> {
    let refusal: FtpReply | null = null;
    for (const verb of ['EPSV', 'PASV'] as const) {
      const reply = await this.#command(verb);
      const span = parsePortReply(reply.code, [reply.final]);
      if (span !== null) return { verb, port: span.port };
      this.#refuseTls(reply, 'for data connections');
      refusal = reply;
    }
    throw new ProbeFailure(
      'FTP_REFUSED',
      `${this.#who} names no data port: "${refusal?.words}"; passive mode has to be allowed in its configuration`,
    );
  }

  /**
   * Lists the current folder over a data connection to `port`, which `local` reaches. Returns how
   * much came; keeps no names.
   */
  async list(local: Transport, { host, port }: Endpoint, timeout: number): Promise<Listing> {
    const data = await local.openStream({ host, port });
    const received = count(data, timeout, this.#who);
    received.catch(() => {});
    try {
      const begun = await this.#command('LIST', '', 'preliminary');
      const reply = begun.code < 200 ? await this.#reply() : begun;
      this.#refuseTls(reply, 'for data connections');
      if (reply.code >= 300) {
        throw new ProbeFailure('FTP_REFUSED', `${this.#who} does not list the folder: "${reply.words}"`);
      }
      return await received;
    } finally {
      data.destroy();
    }
  }

  /** Sets TYPE I, so that a file comes back as it was sent. */
  async binary(): Promise<void> {
    this.#accepted(await this.#command('TYPE', 'I'), `${this.#who} refuses TYPE I`);
  }

  /** Stores a file. Rejects unless the server says that the transfer is complete. */
  async store(local: Transport, { host, port }: Endpoint, name: string, bytes: Buffer): Promise<void> {
    const data = await local.openStream({ host, port });
    data.on('error', () => {});
    data.resume();
    try {
      const begun = await this.#command('STOR', name, 'preliminary');
      if (begun.code < 200) data.end(bytes);
      const reply = begun.code < 200 ? await this.#reply() : begun;
      this.#accepted(reply, `${this.#who} does not store a file`);
    } finally {
      data.destroy();
    }
  }

  /** Returns the content of a small file. */
  async retrieve(local: Transport, { host, port }: Endpoint, name: string, timeout: number): Promise<Buffer> {
    const data = await local.openStream({ host, port });
    const kept: Buffer[] = [];
    const received = count(data, timeout, this.#who, (chunk) => kept.push(chunk));
    received.catch(() => {});
    try {
      const begun = await this.#command('RETR', name, 'preliminary');
      this.#accepted(begun.code < 200 ? await this.#reply() : begun, `${this.#who} does not return the file`);
      await received;
      return Buffer.concat(kept);
    } finally {
      data.destroy();
    }
  }

  /** Removes a file. */
  async remove(name: string): Promise<void> {
    this.#accepted(await this.#command('DELE', name), `${this.#who} does not remove the file`);
  }

  leave(): Promise<void> {
    return this.#client.leave('QUIT');
  }

  async #command(verb: string, argument = '', wait: 'final' | 'preliminary' = 'final'): Promise<FtpReply> {
    if (/[\r\n\0]/.test(argument)) {
      throw new ProbeFailure(
        'FTP_LOGIN',
        `the FTP ${verb === 'USER' ? 'user' : 'password'} holds a line end`,
      );
    }
    this.#client.send(argument === '' ? verb : `${verb} ${argument}`);
    return wait === 'final' ? this.#final() : this.#reply();
  }

  /** Throws if a server to which sshferry speaks no TLS demands that. */
  #refuseTls(reply: FtpReply, what: string): void {
    if (!this.#secured && demandsTls(reply)) throw tlsRequired(reply, what);
  }

  /** Throws unless the reply is positive. */
  #accepted(reply: FtpReply, failure: string): void {
    this.#refuseTls(reply, 'for data connections');
    if (reply.code >= 300) throw new ProbeFailure('FTP_REFUSED', `${failure}: "${reply.words}"`);
  }

  async #final(): Promise<FtpReply> {
    for (;;) {
      const reply = await this.#reply();
      if (reply.code >= 200) return reply;
    }
  }

  async #reply(): Promise<FtpReply> {
    let words: string | null = null;
    for (;;) {
      const bytes = await this.#client.line();
      const { code, final } = this.#framer.next(bytes);
      words ??= this.#clean(text(bytes));
      if (code === null) throw unwelcome('FTP', this.#who, words, false);
      if (final) return { code, words, final: bytes.toString('latin1') };
    }
  }

  #clean(words: string): string {
    return this.#secret === '' ? words : words.replaceAll(this.#secret, '[password]');
  }
}

/** The size of a listing. */
export interface Listing {
  readonly bytes: number;
  readonly lines: number;
}

/** How much of a listing is read, in bytes. */
const MAX_LISTING = 16 << 20;

async function count(
  data: Duplex,
  timeout: number,
  who: string,
  take: (chunk: Buffer) => void = () => {},
): Promise<Listing> {
  const late = new ProbeFailure(
    'NO_ANSWER',
    `${who} took the command, but its data connection brought nothing to an end within ${timeout / 1000} s`,
  );
  const timer = setTimeout(() => data.destroy(late), timeout);
  let [bytes, lines] = [0, 0];
  try {
    for await (const chunk of data as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      take(chunk);
      for (const byte of chunk) if (byte === 0x0a) lines += 1;
      if (bytes > MAX_LISTING) break;
    }
  } catch (error) {
    if (error instanceof ProbeFailure) throw error;
    throw asGatewayError(error, 'PEER_RESET', `the data connection of ${who} broke`);
  } finally {
    clearTimeout(timer);
  }
  return { bytes, lines };
}

/** Returns the text for a login that worked; throws as `password` rejects. */
export function loggedIn(user: string, { code, words }: FtpReply): string {
  if (code >= 200 && code < 300) return `${user}: "${words}"`;
  if (code === 332) {
    throw new ProbeFailure('FTP_LOGIN', `the FTP server wants an account besides the password: "${words}"`);
  }
  throw new ProbeFailure(
    'FTP_LOGIN',
    `the FTP server does not take the password of ${user}: "${words}"; check both: they may be others than for SSH`,
  );
}

/**
 * Whether a reply refuses a command for want of TLS. It looks at the words, because the codes
 * differ: vsftpd says 530 and 522, proftpd and pyftpdlib 550, 521 and 522, IIS 534, FileZilla
 * Server 503, pure-ftpd 421.
 */
export function demandsTls({ code, words }: FtpReply): boolean {
  return code >= 400 && /\b(tls|ssl|ftps|encrypt(ion|ed)|cleartext|use auth)\b/i.test(words);
}

function tlsRequired({ words }: FtpReply, what: string): ProbeFailure {
  return new ProbeFailure(
    'TLS_REQUIRED',
    `the FTP server demands TLS ${what}: "${words}"; use type ftp+tls, such as -L ftp+tls/8021:host:21, so that sshferry ` +
      'speaks TLS to it, or allow plain FTP from the SSH server: vsftpd: force_local_logins_ssl=NO and ' +
      'force_local_data_ssl=NO; proftpd: TLSRequired off; pure-ftpd: TLS 1; FileZilla Server: allow plain FTP',
  );
}

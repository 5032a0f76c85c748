import type { Duplex } from 'node:stream';
import { singleLine } from '../../core/text/control-characters.ts';
import { SftpSessionError } from '../errors.ts';

/** How much of what came in place of SFTP is quoted, in bytes. */
const QUOTED = 120;

/**
 * The first bytes from a server, before its VERSION. The commonest reason why a session cannot
 * begin is a shell that prints text, and that text is the best explanation.
 */
export class FirstBytes {
  readonly #channel: Duplex;
  readonly #onData = (chunk: Buffer) => this.#add(chunk);
  #bytes = Buffer.alloc(0);

  /** Does not start the flow of `channel`, which another listener does. */
  constructor(channel: Duplex) {
    this.#channel = channel;
    channel.prependListener('data', this.#onData);
  }

  /** Call it when the session has begun, or has failed. */
  stop(): void {
    this.#channel.off('data', this.#onData);
  }

  /** Returns the error for a session that ended by `error` before it began. */
  explain(error: SftpSessionError): SftpSessionError {
    if (error.end === 'lost' && error.cause === undefined && this.#bytes.length === 0) {
      const message = 'the SFTP subsystem ended before it answered: see Subsystem in the sshd_config';
      return new SftpSessionError('not-sftp', message, { cause: error });
    }
    const text = this.#text();
    if (text === null || error.end === 'closed') return error;
    const message =
      `the server sent "${text}" in place of SFTP: the account's shell, or ForceCommand, must print ` +
      'nothing in sessions without a terminal';
    return new SftpSessionError('not-sftp', message, { cause: error });
  }

  #add(chunk: Buffer): void {
    const room = QUOTED - this.#bytes.length;
    if (room > 0) this.#bytes = Buffer.concat([this.#bytes, chunk.subarray(0, room)]);
  }

  /** Returns the first line that is not empty; null if what came is not text. */
  #text(): string | null {
    // The first byte of a packet is that of its length: 0.
    if (this.#bytes.length === 0 || this.#bytes[0] === 0) return null;
    const text = this.#bytes.toString('utf8').split('\0')[0] ?? '';
    const line = text.split(/[\r\n]+/).find((part) => part.trim() !== '');
    return line === undefined ? '' : singleLine(line.trim());
  }
}

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Duplex } from 'node:stream';

/** OpenSSH's SFTP server, which speaks over its standard input and output. */
export const SFTP_SERVER =
  ['/usr/lib/openssh/sftp-server', '/usr/libexec/openssh/sftp-server', '/usr/libexec/sftp-server'].find(
    existsSync,
  ) ?? 'sftp-server';

export interface SftpServerOptions {
  /** Further arguments, such as `-P rename`. */
  readonly argv?: readonly string[];
  /** Runs it as this user and group. */
  readonly user?: number;
  readonly cwd?: string;
  /** Limits the size of files that it writes, in bytes: a WRITE beyond fails, as on a full disk. */
  readonly fileSize?: number;
}

/**
 * A channel to an sftp-server of its own, as a well-behaved Duplex (see Transport). Destroying it
 * ends the server.
 */
export class SftpServerChannel extends Duplex {
  readonly process: ChildProcessWithoutNullStreams;

  constructor({ argv = [], user, cwd, fileSize }: SftpServerOptions = {}) {
    super({ allowHalfOpen: true });
    const command = [SFTP_SERVER, '-e', '-l', 'ERROR', ...argv];
    // SIGXFSZ is ignored, so that a write fails with EFBIG.
    const limited = `trap '' XFSZ; ulimit -f ${Math.floor((fileSize ?? 0) / 512)}; exec "$0" "$@"`;
    const [program = '', ...rest] = fileSize === undefined ? command : ['sh', '-c', limited, ...command];
    this.process = spawn(program, rest, {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(cwd !== undefined && { cwd }),
      ...(user !== undefined && { uid: user, gid: user }),
    });
    const { stdin, stdout, stderr } = this.process;
    stderr.resume();
    stdout.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) stdout.pause();
    });
    stdout.on('end', () => this.push(null));
    stdin.on('error', (error) => this.destroy(error));
    this.process.on('error', (error) => this.destroy(error));
  }

  override _read(): void {
    this.process.stdout.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.process.stdin.write(chunk, callback);
  }

  override _writev(chunks: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    const { stdin } = this.process;
    stdin.cork();
    chunks.forEach(({ chunk }, i) => {
      if (i === chunks.length - 1) stdin.write(chunk, callback);
      else stdin.write(chunk);
    });
    stdin.uncork();
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.process.stdin.end(callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.process.kill('SIGKILL');
    callback(error);
  }
}

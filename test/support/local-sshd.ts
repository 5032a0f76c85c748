import type { ChildProcess } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { makeKey } from './openssh.ts';
import { startSshd } from './sshd.ts';

/** An sshd on this machine, and the arguments of a login there. */
export class LocalSshd {
  readonly dir: string;
  readonly port: number;
  readonly #server: ChildProcess;

  private constructor(dir: string, port: number, server: ChildProcess) {
    this.dir = dir;
    this.port = port;
    this.#server = server;
  }

  /** `settings` are further lines of its sshd_config. */
  static async start(settings: readonly string[] = []): Promise<LocalSshd> {
    // Short, because paths of Unix sockets are.
    const dir = await mkdtemp(path.join(os.tmpdir(), 'sf-'));
    const file = (name: string) => path.join(dir, name);
    await Promise.all([makeKey(file('host')), makeKey(file('login'))]);
    await copyFile(file('login.pub'), file('authorized_keys'));
    const { port, server } = await startSshd(dir, settings);
    const key = await readFile(file('host.pub'), 'utf8');
    await writeFile(file('known_hosts'), `[127.0.0.1]:${port} ${key}`);
    return new LocalSshd(dir, port, server);
  }

  file(name: string): string {
    return path.join(this.dir, name);
  }

  /** The options of a login by key, without the destination. */
  get options(): string[] {
    return [
      ...['-F', 'none', '-p', `${this.port}`, '-i', this.file('login'), '-o', 'IdentityAgent=none'],
      ...['-o', `UserKnownHostsFile=${this.file('known_hosts')}`, '-o', 'BatchMode=yes'],
    ];
  }

  get env(): NodeJS.ProcessEnv {
    return { PATH: process.env.PATH, HOME: this.dir, XDG_RUNTIME_DIR: this.dir, TMPDIR: this.dir };
  }

  async stop(): Promise<void> {
    this.#server.kill();
    await rm(this.dir, { recursive: true, force: true });
  }
}

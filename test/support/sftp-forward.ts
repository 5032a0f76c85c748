import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { startCli } from './cli.ts';
import { makeKey } from './openssh.ts';
import { startRelay } from './relay.ts';
import { SFTP_SERVER } from './sftp-server.ts';
import { startSshd } from './sshd.ts';

const TEST = { onTestFinished };

/**
 * A setting of sshd: the shell that starts an SFTP server reads no start-up files, which may take
 * seconds.
 */
export function quickShell(home: string): string {
  return `SetEnv HOME=${home}`;
}

/** A real sshd with OpenSSH's sftp-server, for the tests of a file. Call it in a `describe`. */
export function sshdWithSftp(settings: readonly string[] = [], subsystem = SFTP_SERVER) {
  let dir = '';
  let sshd: { port: number; server: ChildProcess } | undefined;
  const file = (name: string) => path.join(dir, name);
  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-files-'));
    await Promise.all([makeKey(file('host')), makeKey(file('login'))]);
    await writeFile(file('authorized_keys'), await readFile(file('login.pub')));
    sshd = await startSshd(dir, [`Subsystem sftp ${subsystem}`, quickShell(dir), ...settings]);
    await writeFile(file('known_hosts'), `yourserver ${await readFile(file('host.pub'), 'utf8')}`);
  });
  afterAll(async () => {
    sshd?.server.kill();
    await rm(dir, { recursive: true, force: true });
  });
  /** Arguments that log in there. */
  const login = (port = sshd?.port) => [
    ...['-F', 'none', '-i', file('login'), '-o', 'BatchMode=yes', '-p', `${port}`],
    ...['-o', `UserKnownHostsFile=${file('known_hosts')}`, '-o', 'IdentityAgent=none'],
    ...['-o', 'HostKeyAlias=yourserver', '127.0.0.1'],
  ];
  const env = () => ({ ...process.env, XDG_RUNTIME_DIR: dir });

  /** sshferry as a process, before a folder of its own, by a way that can be taken away. */
  async function serve(...options: string[]) {
    return serveLate(0, ...options);
  }

  /** The same by a way that is `oneWay` milliseconds long in each direction. */
  async function serveLate(oneWay: number, ...options: string[]) {
    const folder = await mkdtemp(file('in-'));
    const outside = await mkdtemp(file('out-'));
    const relay = await startRelay(TEST, sshd?.port ?? 0, oneWay);
    const args = ['-L', `0:sftp:${folder}`, ...options, ...login(relay.port)];
    const sshferry = startCli(TEST, args, env());
    await sshferry.said('forward.ready');
    const ready = sshferry.lines().find(({ event }) => event === 'forward.ready');
    const port = Number(/localhost:(\d+)/.exec(ready?.msg ?? '')?.[1]);
    const cut = () => {
      for (const end of relay.connections) end();
    };
    return { ...sshferry, log: () => sshferry.log, folder, outside, port, relay, cut };
  }
  return {
    ...{ file, login, env, serve, serveLate, mkdir },
    port: () => sshd?.port ?? 0,
    /** The process id of the sshd that listens. */
    pid: () => sshd?.server.pid ?? 0,
  };
}

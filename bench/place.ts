import { appendFile, chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { find, Programs, run } from './programs.ts';

/** Below the range from which the kernel gives ports by itself. */
const FIRST_PORT = 20_000 + Math.floor(Math.random() * 8000);
const DATA_PORTS = 40;
/** The servers' own address, and the one at which they are far away. */
const NEAR = '127.0.0.1';
const FAR = '127.0.0.2';
const ROOT = path.join(import.meta.dirname, '..');

/** The ways to the FTP server that are compared. */
export const PEERS = ['sshferry', 'ssh-session', 'ssh-N', 'ssh-gcm', 'plain'] as const;
export type Peer = (typeof PEERS)[number];

/** Where each tunnel listens: an address of its own, since `ssh -L` must have the server's data ports by their numbers. */
const LISTENS: Record<Exclude<Peer, 'plain'>, string> = {
  sshferry: '127.0.0.10',
  'ssh-session': '127.0.0.11',
  'ssh-N': '127.0.0.12',
  'ssh-gcm': '127.0.0.13',
};

/** Which FTP server is used: the first of these that is installed. */
export type FtpServer = 'vsftpd' | 'pyftpdlib';

/** What has to be installed and is not; `ftpServer` is null where none is. */
export async function survey(): Promise<{ missing: string[]; ftpServer: FtpServer | null }> {
  const missing = ['sshd', 'ssh', 'ssh-keygen', 'curl'].filter((program) => find(program) === null);
  if (find('vsftpd') !== null) return { missing, ftpServer: 'vsftpd' };
  const python = await run('/usr/bin/python3', ['-c', 'import pyftpdlib']).then(
    () => true,
    () => false,
  );
  return { missing, ftpServer: python ? 'pyftpdlib' : null };
}

/** sshd and an FTP server on 127.0.0.1, the link in front of them, and a tunnel of every kind. */
export class Place {
  /** What the FTP server serves. */
  readonly files: string;
  /** Where clients keep what they download. */
  readonly spare: string;
  /** sshferry's process. */
  pid = 0;
  readonly #directory: string;
  /** Where the servers are seen from the clients' side. */
  #host = NEAR;
  readonly #programs = new Programs();
  readonly #ssh = FIRST_PORT;
  readonly #ftp = FIRST_PORT + 1;
  readonly #data = Array.from({ length: DATA_PORTS }, (_, i) => FIRST_PORT + 2 + i);

  /** `directory` is the place's own, and is left to the caller to remove. */
  constructor(directory: string) {
    this.#directory = directory;
    this.files = path.join(directory, 'files');
    this.spare = path.join(directory, 'spare');
  }

  /** Starts it all; `rtt` in milliseconds, 0 for no link. */
  async start(ftpServer: FtpServer, rtt: number): Promise<void> {
    await mkdir(this.files);
    await mkdir(this.spare);
    await chmod(this.#directory, 0o755);
    await chmod(this.files, 0o777);
    await this.#startSshd();
    await (ftpServer === 'vsftpd' ? this.#startVsftpd() : this.#startPyftpdlib());
    const host = rtt > 0 ? FAR : NEAR;
    if (rtt > 0) {
      const ports = [this.#ftp, ...this.#data, this.#ssh].map(String);
      const relay = path.join(import.meta.dirname, 'relay.ts');
      await this.#programs.start(
        process.execPath,
        ['--import', 'tsx', relay, String(rtt), FAR, NEAR, ...ports],
        FAR,
        this.#ssh,
      );
    }
    await this.#trust(host);
    const login = [
      '-F',
      'none',
      '-i',
      this.#file('id'),
      '-p',
      String(this.#ssh),
      '-o',
      `UserKnownHostsFile=${this.#file('known_hosts')}`,
      `${os.userInfo().username}@${host}`,
    ];
    const sshferry = ['--import', 'tsx', path.join(ROOT, 'src/cli.ts')];
    const child = await this.#tunnel('sshferry', process.execPath, [
      ...sshferry,
      '-L',
      `ftp/${LISTENS.sshferry}:${this.#ftp}:${NEAR}:${this.#ftp}`,
      ...login,
    ]);
    this.pid = child.pid ?? 0;
    // `sleep` is the session that makes sshd turn Nagle's algorithm off.
    const session = ['sleep', '86400'];
    await this.#openSsh('ssh-session', [...login, ...session]);
    await this.#openSsh('ssh-N', ['-N', ...login]);
    await this.#openSsh('ssh-gcm', ['-c', 'aes128-gcm@openssh.com', ...login, ...session]);
    this.#host = host;
  }

  /** Where a client reaches the FTP server by way of `peer`. */
  address(peer: Peer): { host: string; port: number } {
    return { host: peer === 'plain' ? this.#host : LISTENS[peer], port: this.#ftp };
  }

  stop(): Promise<void> {
    return this.#programs.stop();
  }

  #file(name: string): string {
    return path.join(this.#directory, name);
  }

  #tunnel(peer: Exclude<Peer, 'plain'>, program: string, argv: readonly string[]) {
    return this.#programs.start(program, argv, LISTENS[peer], this.#ftp);
  }

  #openSsh(peer: Exclude<Peer, 'plain'>, argv: readonly string[]) {
    const forwards = [...this.#data, this.#ftp].flatMap((port) => [
      '-L',
      `${LISTENS[peer]}:${port}:${NEAR}:${port}`,
    ]);
    return this.#tunnel(peer, 'ssh', [...forwards, '-o', 'ExitOnForwardFailure=yes', ...argv]);
  }

  async #startSshd(): Promise<void> {
    for (const name of ['id', 'host']) {
      await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', this.#file(name)]);
    }
    const settings = {
      ListenAddress: NEAR,
      Port: this.#ssh,
      HostKey: this.#file('host'),
      AuthorizedKeysFile: this.#file('id.pub'),
      StrictModes: 'no',
      PermitRootLogin: 'yes',
      UsePAM: 'no',
      PidFile: 'none',
      Subsystem: 'sftp internal-sftp',
    };
    const lines = Object.entries(settings).map(([key, value]) => `${key} ${value}\n`);
    await writeFile(this.#file('sshd_config'), lines.join(''));
    // sshd, as root, insists on it.
    if (os.userInfo().uid === 0) await mkdir('/run/sshd', { recursive: true });
    const sshd = find('sshd') ?? 'sshd';
    await this.#programs.start(sshd, ['-D', '-e', '-f', this.#file('sshd_config')], NEAR, this.#ssh);
  }

  async #trust(host: string): Promise<void> {
    const key = await readFile(this.#file('host.pub'), 'utf8');
    await appendFile(this.#file('known_hosts'), `[${host}]:${this.#ssh} ${key}`);
  }

  async #startVsftpd(): Promise<void> {
    const settings = {
      listen: 'YES',
      listen_address: NEAR,
      listen_port: this.#ftp,
      background: 'NO',
      pasv_min_port: this.#data[0],
      pasv_max_port: this.#data.at(-1),
      anonymous_enable: 'YES',
      no_anon_password: 'YES',
      local_enable: 'NO',
      write_enable: 'YES',
      anon_upload_enable: 'YES',
      anon_other_write_enable: 'YES',
      anon_umask: '022',
      anon_root: this.files,
      allow_writeable_chroot: 'YES',
      run_as_launching_user: 'YES',
      ftp_username: os.userInfo().username,
      seccomp_sandbox: 'NO',
    };
    const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}\n`);
    await writeFile(this.#file('vsftpd.conf'), lines.join(''));
    await this.#programs.start(find('vsftpd') ?? 'vsftpd', [this.#file('vsftpd.conf')], NEAR, this.#ftp);
  }

  async #startPyftpdlib(): Promise<void> {
    const range = `${this.#data[0]}-${this.#data.at(-1)}`;
    const argv = [
      '-m',
      'pyftpdlib',
      '-i',
      NEAR,
      '-p',
      String(this.#ftp),
      '-r',
      range,
      '-w',
      '-d',
      this.files,
    ];
    await this.#programs.start('/usr/bin/python3', argv, NEAR, this.#ftp);
  }
}

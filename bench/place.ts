import type { ChildProcess } from 'node:child_process';
import { appendFile, chmod, mkdir, readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { type Far, type Line, openLink } from './link.ts';
import {
  FOLDER_LISTENS,
  type FtpPeer,
  LISTENS,
  type Peer,
  POP3S_LISTENS,
  type Pop3sPeer,
  type Tunnel,
} from './peers.ts';
import { type Command, find, Programs } from './programs.ts';
import {
  type Ground,
  PORTS,
  type Pop3Ports,
  startFlood,
  startFtp,
  startPop3,
  startSshd,
  startStunnel,
} from './servers.ts';
import type { FtpServer } from './survey.ts';

const ROOT = path.join(import.meta.dirname, '..');
/** Where servers are reached from sshd. */
const LOCALHOST = '127.0.0.1';
const SOCKS_PORT = 1080;
/** Of the letter that POP3 clients fetch, in bytes. */
const LETTER = 2880;
/** sshferry's own choice, for the others. */
const CIPHER = 'aes128-gcm@openssh.com';
/** The session that makes sshd turn Nagle's algorithm off. */
const SESSION = ['sleep', '86400'];

/**
 * Not TLS 1.3: curl leaves its tickets unread after an upload, so that its close resets the
 * connection and vsftpd says 426.
 */
const FTPS = ['--ssl-reqd', '--insecure', '--tls-max', '1.2'];

/** How curl reaches the FTP server by way of a peer. */
interface Route {
  readonly base: string;
  readonly argv: readonly string[];
}

/** A separate sshferry for one measurement, and the memory of its process. */
export interface OwnSshferry {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  end(): Promise<void>;
}

/** The servers, the link to them, and one tunnel of each kind. */
export class Place implements Ground {
  /** The directory that the FTP server serves. */
  readonly files: string;
  /** The directory for downloads. */
  readonly spare: string;
  /** Why a peer cannot be measured. */
  readonly absent = new Map<Peer, string>();
  readonly #directory: string;
  readonly #options: readonly string[];
  readonly #programs = new Programs();
  #far: Far = { listen: LOCALHOST, host: LOCALHOST, there: (command) => command };
  #pop3: Pop3Ports = { plain: 0, secure: 0 };

  /**
   * `directory` is the place's own, and is left to the caller to remove; `options` are given to
   * every sshferry, each as NAME=VALUE.
   */
  constructor(directory: string, options: readonly string[]) {
    this.#directory = directory;
    this.#options = options.flatMap((option) => ['-o', option]);
    this.files = path.join(directory, 'files');
    this.spare = path.join(directory, 'spare');
  }

  /** Starts it all. `tun` is link.c's program, null for the relay; `line` is between the sides. */
  async start(ftpServer: FtpServer, tun: string | null, line: Line): Promise<void> {
    await mkdir(this.files);
    await mkdir(this.spare);
    await chmod(this.#directory, 0o755);
    await chmod(this.files, 0o777);
    const ports = [PORTS.ssh, PORTS.ftp, PORTS.roomyFtp, ...PORTS.data];
    this.#far = await openLink(this.#programs, tun, line, ports);
    await startSshd(this.#programs, this.#far, this);
    await startFtp(ftpServer, this.#programs, this.#far, this);
    if (ftpServer !== 'vsftpd') {
      for (const peer of ['ftps', 'sshferry-tls'] as const)
        this.absent.set(peer, `${ftpServer} has no TLS here`);
    }
    this.#pop3 = await startPop3(this.#programs, this.#far, this, LETTER);
    const key = await readFile(this.file('host.pub'), 'utf8');
    await appendFile(this.file('known_hosts'), `[${this.#far.host}]:${PORTS.ssh} ${key}`);

    await this.#startSshferry(LISTENS.sshferry);
    await this.#startSshferry(LISTENS['sshferry-prefetch'], ['-o', 'FtpPrefetch=yes']).catch(
      (error: Error) => {
        if (!/FtpPrefetch/i.test(error.message)) throw error;
        this.absent.set('sshferry-prefetch', 'this sshferry has no FtpPrefetch');
      },
    );
    const tls = LISTENS['sshferry-tls'];
    const secure = ['-L', `ftp+tls/${tls}:${PORTS.ftp}:${LOCALHOST}:${PORTS.ftp}`, '-o', 'TlsVerify=no'];
    await this.#programs.start(this.#sshferry([...secure, ...this.#options]), tls, PORTS.ftp);
    await this.#programs.start(
      this.#sshferry([...this.#folder(FOLDER_LISTENS), ...this.#options]),
      FOLDER_LISTENS,
      PORTS.folder,
    );
    const pop3s = POP3S_LISTENS['sshferry-pop3s'];
    const letters = `pop3s/${pop3s}:${this.#pop3.plain}:${LOCALHOST}:${this.#pop3.secure}`;
    await this.#programs.start(
      this.#sshferry(['-L', letters, '-o', 'TlsVerify=no', ...this.#options]),
      pop3s,
      this.#pop3.plain,
    );
    if (find('rclone') === null) this.absent.set('rclone-gcm', 'not installed');
    await this.#startSsh('ssh-session', [...this.#login, ...SESSION]);
    if (find('stunnel') === null) this.absent.set('stunnel', 'not installed');
    else await startStunnel(this.#programs, this, POP3S_LISTENS.stunnel, LISTENS['ssh-session'], this.#pop3);
    await this.#startSsh('ssh-N', ['-N', ...this.#login]);
    await this.#startSsh('ssh-gcm', ['-c', 'aes128-gcm@openssh.com', ...this.#login, ...SESSION]);
    const socks = ['ssh', '-D', `${LISTENS['ssh-D']}:${SOCKS_PORT}`, ...this.#login, ...SESSION] as const;
    await this.#programs.start(socks, LISTENS['ssh-D'], SOCKS_PORT);
  }

  /** How curl reaches the FTP server by way of `peer`. */
  route(peer: FtpPeer): Route {
    switch (peer) {
      case 'plain':
        return { base: `ftp://${this.#far.host}:${PORTS.ftp}/`, argv: [] };
      case 'folder':
        return { base: `ftp://${FOLDER_LISTENS}:${PORTS.folder}/`, argv: [] };
      case 'ftps':
        return { base: `ftp://${this.#far.host}:${PORTS.ftp}/`, argv: FTPS };
      case 'ssh-D':
        return {
          base: `ftp://${LOCALHOST}:${PORTS.ftp}/`,
          argv: ['--socks5', `${LISTENS['ssh-D']}:${SOCKS_PORT}`],
        };
      default:
        return { base: `ftp://${LISTENS[peer]}:${PORTS.ftp}/`, argv: [] };
    }
  }

  /** sftp's arguments for the commands in the file `batch`. */
  sftp(peer: 'sftp' | 'sftp-gcm', batch: string): readonly string[] {
    return ['-q', '-b', batch, ...(peer === 'sftp' ? [] : ['-c', CIPHER]), ...this.#copyLogin];
  }

  /** scp's arguments but for the two files, and a file of the servers' side as it names it. */
  scp(): { argv: readonly string[]; there(file: string): string } {
    const [user = '', ...options] = [...this.#copyLogin].reverse();
    return { argv: ['-q', '-c', CIPHER, ...options.reverse()], there: (file) => `${user}:${file}` };
  }

  /**
   * rclone's arguments but for the command and the two files. It compares no checksums, as the
   * others; its cipher is aes128-gcm anyway.
   */
  get rclone(): readonly string[] {
    const { username } = os.userInfo();
    return [
      ...['--config', '/dev/null', '--ignore-checksum', '--sftp-disable-hashcheck'],
      ...['--sftp-host', this.#far.host, '--sftp-port', String(PORTS.ssh), '--sftp-user', username],
      ...['--sftp-key-file', this.file('id'), '--sftp-known-hosts-file', this.file('known_hosts')],
    ];
  }

  /** The endpoint at which sshferry forwards the FTP server with free data ports. */
  get roomyFtp(): { host: string; port: number } {
    return { host: LISTENS.sshferry, port: PORTS.roomyFtp };
  }

  /** The endpoint of that server itself. */
  get straightRoomyFtp(): { host: string; port: number } {
    return { host: this.#far.host, port: PORTS.roomyFtp };
  }

  /** The endpoint at which a peer forwards the POP3 server. */
  pop3(peer: Exclude<Tunnel, 'ssh-D'> | Pop3sPeer): { host: string; port: number } {
    return { host: { ...LISTENS, ...POP3S_LISTENS }[peer], port: this.#pop3.plain };
  }

  /**
   * Starts another sshferry, which answers SIGUSR2 with what it holds, in the file `report`:
   * probe.ts. It forwards FTP to `ports` of the servers' side as well. With `folder`, the endpoint
   * is the folder behind SFTP in place of the FTP server.
   */
  async ownSshferry(
    report: string,
    { ports = [], folder = false }: { ports?: readonly number[]; folder?: boolean } = {},
  ): Promise<OwnSshferry> {
    const host = '127.0.0.20';
    const probe = path.join(import.meta.dirname, 'probe.ts');
    const forwards = ports.flatMap((port) => ['-L', `ftp/${host}:${port}:${LOCALHOST}:${port}`]);
    const more = [...forwards, ...(folder ? this.#folder(host) : [])];
    const child = await this.#startSshferry(host, more, ['--expose-gc', '--import', probe], {
      SSHFERRY_BENCH_REPORT: report,
    });
    const port = folder ? PORTS.folder : PORTS.roomyFtp;
    return { host, port, pid: child.pid ?? 0, end: () => this.#programs.end(child) };
  }

  /** Starts an FTP server of the servers' side that sends empty lines, `rate` bytes a second. */
  async floodServer(rate: number): Promise<{ port: number; end(): Promise<void> }> {
    const { port, child } = await startFlood(this.#programs, this.#far, rate);
    return { port, end: () => this.#programs.end(child) };
  }

  stop(): Promise<void> {
    return this.#programs.stop();
  }

  file(name: string): string {
    return path.join(this.#directory, name);
  }

  /** Arguments of ssh, and so of sshferry. */
  get #login(): string[] {
    const knownHosts = `UserKnownHostsFile=${this.file('known_hosts')}`;
    return [
      ...['-F', 'none', '-i', this.file('id'), '-o', knownHosts, '-p', String(PORTS.ssh)],
      `${os.userInfo().username}@${this.#far.host}`,
    ];
  }

  /** Arguments of sftp and scp. */
  get #copyLogin(): string[] {
    return this.#login.map((word) => (word === '-p' ? '-P' : word));
  }

  #startSshferry(
    host: string,
    options: readonly string[] = [],
    node: readonly string[] = [],
    env: Record<string, string> = {},
  ): Promise<ChildProcess> {
    const forwards = [
      ['ftp', PORTS.ftp],
      ['ftp', PORTS.roomyFtp],
      ['pop3', this.#pop3.plain],
    ].flatMap(([type, port]) => ['-L', `${type}/${host}:${port}:${LOCALHOST}:${port}`]);
    const command = this.#sshferry([...forwards, ...this.#options, ...options], node);
    return this.#programs.start(command, host, PORTS.ftp, env);
  }

  #sshferry(argv: readonly string[], node: readonly string[] = []): Command {
    const program = path.join(ROOT, 'src/cli.ts');
    return [process.execPath, '--import', 'tsx', ...node, program, ...argv, ...this.#login];
  }

  /** Arguments that serve the servers' files by SFTP. */
  #folder(host: string): readonly string[] {
    return ['-L', `ftp/${host}:${PORTS.folder}:sftp:${this.files}`];
  }

  #startSsh(tunnel: Tunnel, argv: readonly string[]): Promise<ChildProcess> {
    const host = LISTENS[tunnel];
    const forwards = [...PORTS.data, PORTS.ftp, this.#pop3.plain, this.#pop3.secure].flatMap((port) => [
      '-L',
      `${host}:${port}:${LOCALHOST}:${port}`,
    ]);
    const command: Command = ['ssh', ...forwards, '-o', 'ExitOnForwardFailure=yes', ...argv];
    return this.#programs.start(command, host, PORTS.ftp);
  }
}

import type { ChildProcess } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Far } from './link.ts';
import { find, type Programs, run } from './programs.ts';
import type { FtpServer } from './survey.ts';

/** Below the kernel's range of ephemeral ports. */
const FIRST_PORT = 20_000 + Math.floor(Math.random() * 8000);
const DATA_PORTS = 40;

/** The ports of the servers' side. */
export const PORTS = {
  ssh: FIRST_PORT,
  /** An FTP server with few data ports, so that `ssh -L` can forward each. */
  ftp: FIRST_PORT + 1,
  /** An FTP server that uses any free data port. */
  roomyFtp: FIRST_PORT + 2,
  data: Array.from({ length: DATA_PORTS }, (_, i) => FIRST_PORT + 3 + i),
  /** Where sshferry serves a folder; on the clients' side. */
  folder: FIRST_PORT + 3 + DATA_PORTS,
} as const;

/** The directories of the servers and their clients. */
export interface Ground {
  /** Keys and configurations. */
  file(name: string): string;
  /** The files that the FTP servers serve. */
  readonly files: string;
}

/** Starts sshd, which accepts the key `id`. */
export async function startSshd(programs: Programs, far: Far, ground: Ground): Promise<void> {
  for (const name of ['id', 'host']) {
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', ground.file(name)]);
  }
  const settings = {
    ListenAddress: far.listen,
    Port: PORTS.ssh,
    HostKey: ground.file('host'),
    AuthorizedKeysFile: ground.file('id.pub'),
    StrictModes: 'no',
    PermitRootLogin: 'yes',
    UsePAM: 'no',
    PidFile: 'none',
    Subsystem: 'sftp internal-sftp',
  };
  await writeFile(ground.file('sshd_config'), lines(settings, ' '));
  // sshd requires it when it runs as root.
  if (os.userInfo().uid === 0) await mkdir('/run/sshd', { recursive: true });
  const sshd = find('sshd') ?? 'sshd';
  const command = far.there([sshd, '-D', '-e', '-f', ground.file('sshd_config')]);
  await programs.start(command, far.host, PORTS.ssh);
}

/** Starts both FTP servers. */
export async function startFtp(kind: FtpServer, programs: Programs, far: Far, ground: Ground): Promise<void> {
  const start = kind === 'vsftpd' ? startVsftpd : startPyftpdlib;
  await start(programs, far, ground, PORTS.ftp, PORTS.data);
  await start(programs, far, ground, PORTS.roomyFtp, []);
}

async function startVsftpd(
  programs: Programs,
  far: Far,
  ground: Ground,
  port: number,
  data: readonly number[],
): Promise<void> {
  await makeCertificate(ground.file(`tls-${port}`));
  const settings = {
    listen: 'YES',
    listen_address: far.listen,
    listen_port: port,
    background: 'NO',
    ...(data.length > 0 ? { pasv_min_port: data[0], pasv_max_port: data.at(-1) } : {}),
    max_per_ip: 0,
    anonymous_enable: 'YES',
    no_anon_password: 'YES',
    local_enable: 'NO',
    write_enable: 'YES',
    anon_upload_enable: 'YES',
    anon_other_write_enable: 'YES',
    anon_mkdir_write_enable: 'YES',
    anon_umask: '022',
    anon_root: ground.files,
    allow_writeable_chroot: 'YES',
    run_as_launching_user: 'YES',
    ftp_username: os.userInfo().username,
    seccomp_sandbox: 'NO',
    ssl_enable: 'YES',
    allow_anon_ssl: 'YES',
    force_local_logins_ssl: 'NO',
    force_local_data_ssl: 'NO',
    require_ssl_reuse: 'NO',
    ssl_ciphers: 'HIGH',
    rsa_cert_file: ground.file(`tls-${port}`),
  };
  const file = ground.file(`vsftpd-${port}.conf`);
  await writeFile(file, lines(settings, '='));
  await programs.start(far.there([find('vsftpd') ?? 'vsftpd', file]), far.host, port);
}

async function startPyftpdlib(
  programs: Programs,
  far: Far,
  ground: Ground,
  port: number,
  data: readonly number[],
): Promise<void> {
  const range = data.length > 0 ? ['-r', `${data[0]}-${data.at(-1)}`] : [];
  const argv = ['-m', 'pyftpdlib', '-i', far.listen, '-p', String(port), ...range, '-w', '-d', ground.files];
  await programs.start(far.there(['/usr/bin/python3', ...argv]), far.host, port);
}

/** The ports of the POP3 server; `secure` is with TLS from the first byte. */
export interface Pop3Ports {
  readonly plain: number;
  readonly secure: number;
}

/** Starts a POP3 server with one letter of `size` bytes, on 127.0.0.1 of the servers' side. */
export async function startPop3(
  programs: Programs,
  far: Far,
  ground: Ground,
  size: number,
): Promise<Pop3Ports> {
  const pem = ground.file('pop3s');
  await makeCertificate(pem);
  const { ports } = await startOwn(programs, far, 'maildrop.ts', [size, pem]);
  const [plain = 0, secure = 0] = ports;
  return { plain, secure };
}

/**
 * Starts stunnel: a client without TLS on `host` reaches, by the tunnel at `via`, the POP3 server
 * with TLS. Like the sshferry it is compared with, it accepts any certificate.
 */
export async function startStunnel(
  programs: Programs,
  ground: Ground,
  host: string,
  via: string,
  { plain, secure }: Pop3Ports,
): Promise<void> {
  const file = ground.file('stunnel.conf');
  const service = `[pop3s]\nclient = yes\naccept = ${host}:${plain}\nconnect = ${via}:${secure}\nverifyChain = no\n`;
  await writeFile(file, `foreground = yes\npid =\nTIMEOUTclose = 0\n${service}`);
  await programs.start([find('stunnel') ?? 'stunnel', file], host, plain);
}

/** Makes a key and a self-signed certificate, in one file. */
async function makeCertificate(file: string): Promise<void> {
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=localhost'],
    ...['-keyout', file, '-out', file],
  ]);
}

/**
 * Starts an FTP server that sends empty lines, `rate` bytes a second, on 127.0.0.1 of the servers'
 * side.
 */
export async function startFlood(
  programs: Programs,
  far: Far,
  rate: number,
): Promise<{ port: number; child: ChildProcess }> {
  const { child, ports } = await startOwn(programs, far, 'flood-server.ts', [rate]);
  return { child, port: ports[0] ?? 0 };
}

/** Starts one of the bench's own servers, which prints its ports. */
async function startOwn(programs: Programs, far: Far, file: string, argv: readonly (number | string)[]) {
  const program = path.join(import.meta.dirname, file);
  const command = far.there([process.execPath, '--import', 'tsx', program, ...argv.map(String)]);
  const { child, said } = await programs.startSaying(command, /port \d+.*\./);
  return { child, ports: [...said.matchAll(/port (\d+)/g)].map(([, port]) => Number(port)) };
}

function lines(settings: Record<string, string | number | undefined>, separator: string): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key}${separator}${value}\n`)
    .join('');
}

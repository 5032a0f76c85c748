import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Authority, Issued } from '../../support/certificates.ts';
import { docker } from './docker.ts';
import { mustExec } from './exec.ts';
import { writeFile } from './keys.ts';
import type { Lab } from './lab.ts';
import { FERRYS_HOME, type MatrixServer } from './matrix-server.ts';
import { Program } from './program.ts';
import { FTP_HOSTS, type FtpHost, type Host, joiningNetworkOf, listening } from './topology.ts';

type FtpType = 'ftp+tls' | 'ftps';

/** The ports of the servers that speak TLS, beside the plain ones of their containers. */
export const FTP_PORTS: Record<FtpType, number> = { 'ftp+tls': 2121, ftps: 990 };
/** As FTP_PORTS, at yourserver. 110, 143 and 587 belong to the plain ones. */
export const MAIL_PORTS = {
  pop3s: 995,
  imaps: 993,
  smtps: 465,
  'pop3+starttls': 1110,
  'imap+starttls': 1143,
  'smtp+starttls': 1587,
} as const;
export type MailType = keyof typeof MAIL_PORTS;

/** Key and certificate of a server, in its container. */
const PEM = '/etc/lab-tls.pem';
const POSTFIX_SERVICES = [MAIL_PORTS.smtps, MAIL_PORTS['smtp+starttls']].map((port) => `${port}/inet`);

/** pure-ftpd begins TLS only by AUTH TLS. */
const IMPLICIT = FTP_HOSTS.filter((host) => host !== 'pure-ftpd');

/** The FTP servers that speak TLS, by type, with the ports that sshferry has for them on host A. */
export function tlsFtpServers({ hosts }: Lab, type: FtpType): MatrixServer[] {
  return (type === 'ftps' ? IMPLICIT : FTP_HOSTS).map((name) => ({
    name: type === 'ftps' ? `${name}-implicit` : name,
    port: (type === 'ftps' ? 8320 : 8310) + FTP_HOSTS.indexOf(name),
    container: hosts.c[name].container,
    controlPort: FTP_PORTS[type],
    ...FERRYS_HOME,
    clientHome: FERRYS_HOME.home,
    direct: name,
  }));
}

/**
 * Starts servers that speak TLS on every FTP host and on yourserver, each with a certificate for
 * its name in the lab's network. Settles when they listen. They refuse a login, and data, without
 * TLS. Returns what stops them.
 */
export async function startTlsServers({ hosts }: Lab, authority: Authority): Promise<() => Promise<void>> {
  for (const host of [hosts.b, ...Object.values(hosts.c)])
    await installPem(host, await authority.issue({ names: [host.name] }));
  const programs = await Promise.all([
    ...FTP_HOSTS.map((name) => startFtp(name, hosts.c[name], 'ftp+tls')),
    ...IMPLICIT.map((name) => startFtp(name, hosts.c[name], 'ftps')),
  ]);
  await Promise.all([
    ...FTP_HOSTS.map((name) => listening(hosts.c[name].container, [FTP_PORTS['ftp+tls']])),
    ...IMPLICIT.map((name) => listening(hosts.c[name].container, [FTP_PORTS.ftps])),
  ]).catch((error: Error) => {
    throw new Error(programs.map((program) => program.output).join('\n'), { cause: error });
  });
  const stopMail = await startTlsMail(hosts.b);
  return async () => {
    await Promise.all(programs.map((program) => program.signal('TERM')));
    await stopMail();
  };
}

/** As startTlsServers, the mail servers of yourserver alone, once it has a PEM file. */
export async function startTlsMail(host: Host): Promise<() => Promise<void>> {
  const dovecot = await startDovecot(host);
  await startPostfix(host);
  await listening(host.container, Object.values(MAIL_PORTS)).catch((error: Error) => {
    throw new Error(dovecot.output, { cause: error });
  });
  return async () => {
    await dovecot.signal('TERM');
    await postfix(host, ['postconf', '-MX', ...POSTFIX_SERVICES]);
  };
}

async function startFtp(name: FtpHost, { container }: Host, type: FtpType): Promise<Program> {
  const port = String(FTP_PORTS[type]);
  const implicit = type === 'ftps';
  switch (name) {
    case 'vsftpd':
      return startTlsVsftpd(container, type, { listen_port: port });
    case 'proftpd':
      return startTlsProftpd(container, port, implicit ? [...FORCED, 'TLSOptions UseImplicitSSL'] : FORCED);
    case 'pure-ftpd': {
      // 3: no logins and no data without TLS.
      const tls = ['--tls=3', `--certfile=${PEM}`, `--bind=,${port}`, '--pidfile=/run/pure-ftpd-tls.pid'];
      const login = ['--noanonymous', '--dontresolve', '--login=unix'];
      const limits = ['--maxclientsnumber=300', '--maxclientsperip=300'];
      return Program.start(container, ['pure-ftpd', ...login, ...limits, ...tls], { user: 'root' });
    }
    case 'pyftpdlib':
      return startTlsPyftpdlib(container, port, implicit ? 'implicit' : 'explicit');
  }
}

/** Starts a vsftpd that demands TLS; `settings` are its own, such as `listen_port`. */
export function startTlsVsftpd(
  container: string,
  type: FtpType,
  settings: Readonly<Record<string, string | number>>,
): Promise<Program> {
  const options = {
    ...{ ssl_enable: 'YES', rsa_cert_file: PEM, rsa_private_key_file: PEM, ssl_ciphers: 'HIGH' },
    ...{ force_local_logins_ssl: 'YES', force_local_data_ssl: 'YES', require_ssl_reuse: 'YES' },
    // An upload has to end by close_notify.
    ...{ strict_ssl_read_eof: 'YES', implicit_ssl: type === 'ftps' ? 'YES' : 'NO' },
    ...settings,
  };
  const argv = Object.entries(options).map(([name, value]) => `-o${name}=${value}`);
  return Program.start(container, ['vsftpd', '/etc/vsftpd.conf', ...argv], { user: 'root' });
}

/** No login and no data without TLS. */
const FORCED = ['TLSRequired on'];

/** Starts a proftpd with TLS; `lines` are its own, of mod_tls. */
export async function startTlsProftpd(
  container: string,
  port: number | string,
  lines: readonly string[],
): Promise<Program> {
  const file = `/etc/proftpd/tls-${port}.conf`;
  const plain = await mustExec(container, ['cat', '/etc/proftpd/proftpd.conf']);
  const config = [
    ...['LoadModule mod_tls.c', plain.replace(/^Port .*/m, `Port ${port}`)],
    ...[`PidFile /run/proftpd-${port}.pid`, `ScoreboardFile /run/proftpd-${port}.scoreboard`],
    ...['TLSEngine on', `TLSECCertificateFile ${PEM}`, `TLSECCertificateKeyFile ${PEM}`, ...lines],
  ];
  await writeFile(container, file, `${config.join('\n')}\n`, 'root');
  return Program.start(container, ['proftpd', '--nodaemon', '-c', file], { user: 'root' });
}

/** Starts a pyftpdlib that demands TLS; for the modes, see tls-ftp.py. */
export function startTlsPyftpdlib(
  container: string,
  port: number | string,
  mode: 'explicit' | 'implicit' | 'late' | 'old',
): Promise<Program> {
  const script = readFileSync(join(import.meta.dirname, 'tls-ftp.py'), 'utf8');
  const argv = ['python3', '-u', '-', String(port), PEM, mode];
  return Program.start(container, argv, { user: 'root', stdin: script });
}

/** Gives a host the key and the certificate that its servers with TLS present. */
export async function installPem({ container }: Host, { key, cert }: Issued): Promise<void> {
  // pyftpdlib runs as ferry and has to read it.
  await writeFile(container, PEM, key + cert, 'root');
}

/** A second dovecot, with the users and mailboxes of the first. */
async function startDovecot({ container }: Host): Promise<Program> {
  const file = '/etc/dovecot/lab-tls.conf';
  const listeners = (protocol: 'pop3' | 'imap') =>
    `service ${protocol}-login {
      inet_listener ${protocol} {
        port = ${MAIL_PORTS[`${protocol}+starttls`]}
      }
      inet_listener ${protocol}s {
        port = ${MAIL_PORTS[`${protocol}s`]}
        ssl = yes
      }
    }`;
  const config = `
    base_dir = /run/dovecot-tls
    protocols = pop3 imap
    listen = *, ::
    log_path = /dev/stderr
    ssl = required
    ssl_cert = <${PEM}
    ssl_key = <${PEM}
    disable_plaintext_auth = yes
    auth_mechanisms = plain login
    passdb {
      driver = passwd-file
      args = scheme=PLAIN /etc/dovecot/dovecot-users
    }
    userdb {
      driver = passwd
    }
    mail_location = maildir:~/Maildir
    ${listeners('pop3')}
    ${listeners('imap')}\n`;
  await writeFile(container, file, config, 'root');
  return Program.start(container, ['dovecot', '-c', file, '-F'], { user: 'root' });
}

/** Opens two more ports of yourserver's postfix. */
async function startPostfix(host: Host): Promise<void> {
  const tls = { smtpd_tls_chain_files: PEM, smtpd_tls_security_level: 'encrypt', smtpd_tls_auth_only: 'yes' };
  for (const service of POSTFIX_SERVICES) {
    const wrapped = service === `${MAIL_PORTS.smtps}/inet` ? 'yes' : 'no';
    const settings = { ...tls, smtpd_tls_wrappermode: wrapped, smtpd_sasl_auth_enable: 'yes' };
    const options = Object.entries(settings).map(([name, value]) => `-o ${name}=${value}`);
    const entry = `${service.replace('/', ' ')} n - n - - smtpd ${options.join(' ')}`;
    await mustExec(host.container, ['postconf', '-M', `${service}=${entry}`], { user: 'root' });
  }
  await postfix(host, ['true']);
}

/** Runs a command that changes postfix's configuration, and has it read that. */
async function postfix({ container }: Host, command: string[]): Promise<void> {
  await mustExec(container, command, { user: 'root' });
  await mustExec(container, ['postfix', 'reload'], { user: 'root' });
}

/**
 * Starts host A's programs in the network of yourserver, where they see what sshd exchanges with its
 * targets. Returns the container.
 */
export async function startObserver({ hosts }: Lab): Promise<string> {
  const { a, b } = hosts;
  const image = await docker('inspect', '--format', '{{.Config.Image}}', a.container);
  const place = joiningNetworkOf(b, hosts, 'observer');
  return docker('run', '--detach', '--init', ...place, '--volumes-from', a.container, image);
}

import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { makeAuthority } from '../support/certificates.ts';
import { Capture, type Captured } from './support/capture.ts';
import { checksum, curl, ftpUrl, rawFtp } from './support/clients.ts';
import { docker } from './support/docker.ts';
import { mustExec } from './support/exec.ts';
import { content, makeFile } from './support/files.ts';
import { writeFile } from './support/keys.ts';
import { describeLab, lab } from './support/lab.ts';
import type { Program } from './support/program.ts';
import { startSshferry } from './support/ssh.ts';
import {
  installPem,
  MAIL_PORTS,
  startObserver,
  startTlsMail,
  startTlsProftpd,
  startTlsPyftpdlib,
  startTlsVsftpd,
} from './support/tls-servers.ts';
import { listening } from './support/topology.ts';
import { ferry, YOU } from './support/users.ts';

const CA = '/home/you/options-ca.pem';
const CERT = '/home/you/options-cert.pem';
const KEY = '/home/you/options-key.pem';
/** The authority that vsftpd asks clients for a certificate of. */
const CLIENT_CA = '/etc/lab-client-ca.pem';
const FILE = 'seen-by-option.bin';

/** FTP servers that want more than TLS, by the ports of theirs and of sshferry without an option for them. */
const SERVERS = {
  clientCertificate: { host: 'vsftpd', port: 2141, local: 8361 },
  protAfterLogin: { host: 'pyftpdlib', port: 2142, local: 8362 },
  oldTls: { host: 'pyftpdlib', port: 2143, local: 8363 },
  clearData: { host: 'proftpd', port: 2144, local: 8364 },
} as const;
type Server = keyof typeof SERVERS;
/** Where sshferry with such options has them. */
const allowed = (server: Server) => SERVERS[server].local + 10;

/** Targets that do not offer TLS, by the type that wants it. */
const UNPROTECTED = [
  ['ftp+tls', 8380, 'vsftpd:21', /^421 .*AUTH TLS/],
  ['ftps', 8381, 'vsftpd:21', /^421 /],
  ['pop3+starttls', 8382, 'localhost:110', /^-ERR \[SYS\/TEMP\] .*STLS/],
  ['imap+starttls', 8383, 'localhost:143', /^\* BYE .*STARTTLS/],
  ['smtp+starttls', 8384, 'localhost:25', /^421 4\.3\.2 .*STARTTLS/],
] as const;

/** A forward without TLS to a port of postfix that wants it. dovecot lets its own host go without. */
const PLAIN_SMTP = 8392;

const programs: Program[] = [];
const undo: (() => unknown)[] = [];

describeLab('servers that want more than TLS', () => {
  let a: string;
  let sha256: string;
  let strict: Program;
  let allowing: Program;
  let observer: string;

  beforeAll(async () => {
    const { hosts, pub } = lab();
    a = hosts.a.container;
    ({ sha256 } = makeFile(pub, FILE, 100_000));
    const authority = await makeAuthority({ onTestFinished: (act) => void undo.push(act as () => unknown) });
    const own = await authority.issue({ names: ['you'] });
    await writeFile(a, CA, authority.cert, YOU);
    await writeFile(a, CERT, own.cert, YOU);
    await writeFile(a, KEY, own.key, YOU);
    await mustExec(a, ['chmod', '600', KEY]);
    const { vsftpd, proftpd, pyftpdlib } = hosts.c;
    for (const host of [vsftpd, proftpd, pyftpdlib, hosts.b])
      await installPem(host, await authority.issue({ names: [host.name] }));
    await writeFile(vsftpd.container, CLIENT_CA, authority.cert, 'root');
    programs.push(
      await startTlsVsftpd(vsftpd.container, 'ftp+tls', {
        listen_port: SERVERS.clientCertificate.port,
        ...{ require_cert: 'YES', validate_cert: 'YES', ca_certs_file: CLIENT_CA },
      }),
      await startTlsPyftpdlib(pyftpdlib.container, SERVERS.protAfterLogin.port, 'late'),
      await startTlsPyftpdlib(pyftpdlib.container, SERVERS.oldTls.port, 'old'),
      await startTlsProftpd(proftpd.container, SERVERS.clearData.port, ['TLSRequired auth+!data']),
    );
    const stopMail = await startTlsMail(hosts.b);
    undo.push(stopMail);
    await Promise.all(
      Object.values(SERVERS).map(({ host, port }) => listening(hosts.c[host].container, [port])),
    );
    const to = (local: (server: Server) => number) =>
      (Object.keys(SERVERS) as Server[]).flatMap((server) => {
        const { host, port } = SERVERS[server];
        return ['-L', `ftp+tls/${local(server)}:${host}:${port}`];
      });
    [strict, allowing, observer] = await Promise.all([
      startSshferry(
        lab(),
        ...['-v', '-o', `TlsCa=${CA}`, ...to((server) => SERVERS[server].local)],
        ...UNPROTECTED.flatMap(([type, local, target]) => ['-L', `${type}/${local}:${target}`]),
        ...['-L', `smtp/${PLAIN_SMTP}:yourserver:${MAIL_PORTS['smtp+starttls']}`],
      ),
      startSshferry(
        lab(),
        ...['-v', '-o', `TlsCa=${CA}`, '-o', `TlsCert=${CERT}`, '-o', `TlsKey=${KEY}`],
        ...['-o', 'TlsMinVersion=1.0', '-o', 'TlsClearData=yes', ...to(allowed)],
      ),
      startObserver(lab()),
    ]);
  });

  afterAll(async () => {
    await Promise.all([strict, allowing, ...programs].map((program) => program?.signal('KILL')));
    if (observer !== undefined) await docker('rm', '--force', observer);
    for (const act of undo) await act();
  });

  /** Lists, gets and puts a file by curl through a port of host A. */
  async function transfer(port: number, server: Server): Promise<void> {
    const site = { host: 'localhost', port };
    expect(String(await curl(a, '--list-only', ftpUrl(site, 'pub/')))).toContain(FILE);
    const got = `/tmp/option-${port}`;
    await curl(a, '--output', got, ftpUrl(site, `pub/${FILE}`));
    expect(await checksum(a, got)).toBe(sha256);
    const put = `incoming/${port}-${FILE}`;
    await curl(a, '--upload-file', `/pub/${FILE}`, ftpUrl(site, put));
    expect(await checksum(lab().hosts.c[SERVERS[server].host].container, `/home/ferry/${put}`)).toBe(sha256);
  }

  /** Transfers a file while what sshd exchanges with its targets is captured; of that, what shows it. */
  async function seen(port: number, server: Server): Promise<string[]> {
    const capture = await Capture.start(lab(), `option-${port}`, { container: observer, interface: 'any' });
    await transfer(port, server);
    const captured: Captured = await capture.stop();
    expect(captured.dropped).toBe(0);
    expect(captured.outside.join('\n')).toMatch(new RegExp(`\\.${SERVERS[server].port}: Flags`));
    const [first] = content(Buffer.from(FILE).toString('hex'), 4096);
    const part = (first ?? Buffer.alloc(0)).subarray(1000, 1032);
    const found = await captured.find([ferry.password, FILE, part]);
    return found.map((each) => (Buffer.from(each).equals(part) ? 'content' : String(each)));
  }

  /** Connects to a port of host A, and returns what came and what sshferry has logged of it. */
  async function refused(port: number, commands: readonly string[] = []) {
    const from = strict.stderr.length;
    const said = await mustExec(a, rawFtp({ host: 'localhost', port }, commands));
    const log = await vi.waitFor(() => {
      const text = strict.stderr.slice(from);
      expect(text).toMatch(/\bwarn\b.* #\d+: /);
      return text;
    });
    return { said, log };
  }

  it('PROT after the login only: it is asked again then, and nothing goes in the clear', async () => {
    expect(await seen(SERVERS.protAfterLogin.local, 'protAfterLogin')).toEqual([]);
  });

  it('a certificate of the client: refused without one, with what to set', async () => {
    const { said, log } = await refused(SERVERS.clientCertificate.local);
    expect(said).toMatch(/^421 /);
    expect(log).toMatch(/TlsCert and TlsKey|wants a certificate/);
  });

  it('a certificate of the client: with TlsCert and TlsKey, nothing goes in the clear', async () => {
    expect(await seen(allowed('clientCertificate'), 'clientCertificate')).toEqual([]);
  });

  it('TLS 1.0: refused, unless TlsMinVersion allows it', async () => {
    const { said, log } = await refused(SERVERS.oldTls.local);
    expect(said).toMatch(/^421 /);
    expect(log).toContain('TlsMinVersion=1.0');
    expect(await seen(allowed('oldTls'), 'oldTls')).toEqual([]);
    expect(allowing.stderr).toMatch(/TLS with pyftpdlib:2143: TLSv1, /);
  });

  it('data without TLS: refused before the password; TlsClearData lets data alone go in the clear', async () => {
    const { said, log } = await refused(SERVERS.clearData.local, ['USER ferry', 'PASS x']);
    expect(said).toMatch(/^421 .*PROT P/);
    expect(log).toContain('TlsClearData=yes');
    expect(await seen(allowed('clearData'), 'clearData')).toEqual(expect.arrayContaining([FILE, 'content']));
    expect(await seen(allowed('clearData'), 'clearData')).not.toContain(ferry.password);
  });

  it.each(UNPROTECTED)('no TLS at all: %s is refused', async (_type, port, _target, reply) => {
    const { said, log } = await refused(port);
    expect(said).toMatch(reply);
    expect(log).toMatch(/refuses|does not offer|did not answer in TLS/);
  });

  it('a mail port that refuses letters without TLS says so to a forward without it', async () => {
    const commands = ['EHLO a', 'MAIL FROM:<a@example.com>', 'QUIT'];
    const said = await mustExec(a, rawFtp({ host: 'localhost', port: PLAIN_SMTP }, commands));
    expect(said).toContain('530 5.7.0 Must issue a STARTTLS command first');
  });
});

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type Authority, makeAuthority } from '../support/certificates.ts';
import { Capture, type Captured } from './support/capture.ts';
import { checksum, curl, ftpUrl, rawFtp } from './support/clients.ts';
import { docker } from './support/docker.ts';
import { mustExec } from './support/exec.ts';
import { content, makeFile } from './support/files.ts';
import { writeFile } from './support/keys.ts';
import { describeLab, lab } from './support/lab.ts';
import { fetchMail, sendMail } from './support/mail.ts';
import { basicFtpClient } from './support/matrix-basic-ftp.ts';
import type { MatrixClient } from './support/matrix-client.ts';
import { curlClient } from './support/matrix-curl.ts';
import { ftplibClient } from './support/matrix-ftplib.ts';
import { lftpClient } from './support/matrix-lftp.ts';
import { type Expected, makeMatrixFiles, type Operation } from './support/matrix-operations.ts';
import { Matrix } from './support/matrix-run.ts';
import type { MatrixServer } from './support/matrix-server.ts';
import type { Program } from './support/program.ts';
import { holdings } from './support/sockets.ts';
import { startSshferry } from './support/ssh.ts';
import {
  FTP_PORTS,
  MAIL_PORTS,
  type MailType,
  startObserver,
  startTlsServers,
  tlsFtpServers,
} from './support/tls-servers.ts';
import { alice, ferry, YOU } from './support/users.ts';

const CLIENTS = [curlClient, lftpClient, basicFtpClient, ftplibClient];
const FEW = ['list', 'get', 'put'] as const;
/** An interrupted transfer takes most clients seconds, so one client alone does it. */
const operationsOf = (client: MatrixClient): readonly Operation[] =>
  client === curlClient ? [...FEW, 'resume', 'abort'] : [...FEW, 'resume'];
/** The ports of host A that lead to yourserver's mail. */
const MAIL: Record<MailType, number> = {
  pop3s: 8330,
  imaps: 8331,
  smtps: 8332,
  'pop3+starttls': 8333,
  'imap+starttls': 8334,
  'smtp+starttls': 8335,
};
/** As MAIL, to servers by their addresses, which no certificate names. */
const WRONG_NAME = [
  ['ftp+tls', 8340, /^421 .*\r\n$/],
  ['pop3s', 8341, /^-ERR \[SYS\/TEMP\] .*\r\n$/],
  ['imap+starttls', 8342, /^\* BYE .*\r\n$/],
  ['smtps', 8343, /^421 4\.3\.2 .*\r\n$/],
  ['ftps', 8344, /^421 .*\r\n$/],
] as const;
/** A port of host A that leads to vsftpd without TLS. */
const PLAIN = 8350;

const SECRET = 'seen-behind-sshd.bin';
const LETTER = 'A letter that only its reader sees';

let authority: Authority;
let sshferry: Program;
let observer: string;
let expected: Expected;
let stopServers: (() => Promise<void>) | undefined;
const undo: (() => unknown)[] = [];

describeLab('servers that speak TLS, for clients that do not', () => {
  let explicit: MatrixServer[];
  let implicit: MatrixServer[];
  let a: string;

  beforeAll(async () => {
    const { hosts, pub } = lab();
    a = hosts.a.container;
    explicit = tlsFtpServers(lab(), 'ftp+tls');
    implicit = tlsFtpServers(lab(), 'ftps');
    expected = makeMatrixFiles(pub);
    makeFile(pub, SECRET, 100_000);
    authority = await makeAuthority({ onTestFinished: (act) => void undo.push(act as () => unknown) });
    await writeFile(a, '/home/you/lab-ca.pem', authority.cert, YOU);
    [stopServers, observer] = await Promise.all([startTlsServers(lab(), authority), startObserver(lab())]);

    const forward = (type: string, port: number, host: string, hostPort: number) => [
      ...['-L', `${type}/${port}:${host}:${hostPort}`],
    ];
    const [vsftpd, yourserver] = [hosts.c.vsftpd.inner?.v4 ?? '', hosts.b.inner?.v4 ?? ''];
    sshferry = await startSshferry(
      lab(),
      ...['-o', 'TlsCa=/home/you/lab-ca.pem'],
      ...explicit.flatMap(({ port, direct }) => forward('ftp+tls', port, direct, FTP_PORTS['ftp+tls'])),
      ...implicit.flatMap(({ port, direct }) => forward('ftps', port, direct, FTP_PORTS.ftps)),
      ...mailTypes().flatMap((type) => forward(type, MAIL[type], 'yourserver', MAIL_PORTS[type])),
      ...WRONG_NAME.flatMap(([type, port]) =>
        type === 'ftp+tls' || type === 'ftps'
          ? forward(type, port, vsftpd, FTP_PORTS[type])
          : forward(type, port, yourserver, MAIL_PORTS[type]),
      ),
      ...forward('ftp', PLAIN, 'vsftpd', 21),
    );
  });

  afterAll(async () => {
    await sshferry?.signal('KILL');
    await stopServers?.();
    if (observer !== undefined) await docker('rm', '--force', observer);
    for (const act of undo) await act();
  });

  describeLab('between sshd and them', () => {
    const bodies: string[] = [];
    let encrypted: Captured;

    /** Lists, gets and puts the secret file through a port of host A. */
    async function transfer(port: number, server: string): Promise<void> {
      const site = { host: 'localhost', port };
      const { sha256 } = makeFile(lab().pub, SECRET, 100_000);
      const file = `/tmp/secret-${port}.bin`;
      expect(String(await curl(a, '--list-only', ftpUrl(site, 'pub/')))).toContain(SECRET);
      await curl(a, '--output', file, ftpUrl(site, `pub/${SECRET}`));
      expect(await checksum(a, file)).toBe(sha256);
      const put = `incoming/${port}-${SECRET}`;
      await curl(a, '--upload-file', `/pub/${SECRET}`, ftpUrl(site, put));
      expect(await checksum(server, `/home/ferry/${put}`)).toBe(sha256);
    }

    /** What a capture holds if anything went in the clear. */
    function telltales(): (string | Buffer)[] {
      const [first] = content(Buffer.from(SECRET).toString('hex'), 4096);
      const part = (first ?? Buffer.alloc(0)).subarray(1000, 1032);
      return [ferry.password, alice.password, SECRET, part, LETTER, ...bodies];
    }

    it('files and letters pass, in both directions', async () => {
      const capture = await Capture.start(lab(), 'tls', { container: observer, interface: 'any' });
      const ways = [
        ['smtps', 'pop3s', alice],
        ['smtp+starttls', 'pop3+starttls', ferry],
        ['smtps', 'imaps', ferry],
        ['smtp+starttls', 'imap+starttls', alice],
      ] as const;
      const mail = async () => {
        // One after the other: fetchmail's configuration is one file.
        for (const [by, from, to] of ways) {
          const body = randomUUID();
          bodies.push(body);
          await sendMail(a, MAIL[by], { to, subject: LETTER, body, login: ferry });
          const protocol = from.startsWith('pop3') ? 'POP3' : 'IMAP';
          const fetched = () => fetchMail(a, MAIL[from], to, protocol);
          await vi.waitFor(async () => expect(await fetched()).toContain(body), 20_000);
        }
      };
      const servers = [...explicit, ...implicit];
      await Promise.all([mail(), ...servers.map(({ port, container }) => transfer(port, container))]);
      encrypted = await capture.stop();
    });

    it('nothing of them goes in the clear: no password, no name, no content', async () => {
      expect(encrypted.dropped).toBe(0);
      const seen = encrypted.outside.join('\n');
      for (const port of [...Object.values(FTP_PORTS), ...Object.values(MAIL_PORTS)])
        expect(seen, `packets of port ${port}`).toMatch(new RegExp(`\\.${port}: Flags`));
      expect((await encrypted.find(telltales())).map(String)).toEqual([]);
    });

    it('the same capture shows all of it without TLS', async () => {
      const capture = await Capture.start(lab(), 'no-tls', { container: observer, interface: 'any' });
      await transfer(PLAIN, lab().hosts.c.vsftpd.container);
      const found = await (await capture.stop()).find(telltales());
      const [password, , name, part] = telltales();
      expect(found).toEqual(
        expect.arrayContaining([password, name, part].map((it) => Buffer.from(it ?? ''))),
      );
    });
  });

  it.each(WRONG_NAME)('is refused if it has another name: %s', async (_type, port, reply) => {
    const from = sshferry.stderr.length;
    expect(await mustExec(a, rawFtp({ host: 'localhost', port }, []))).toMatch(reply);
    await vi.waitFor(() => expect(sshferry.stderr.slice(from)).toContain('it is for another name'));
  });

  /** Tries a client with servers, over IPv4 and IPv6 in turn. */
  async function tryWith(
    client: MatrixClient,
    servers: readonly MatrixServer[],
    operations: readonly Operation[],
  ): Promise<string[]> {
    const matrix = new Matrix({ lab: lab(), sshferry, expected, operations, servers, whole: false });
    return matrix.try(client);
  }

  for (const client of CLIENTS) {
    const passive: MatrixClient = { ...client, modes: ['passive'] };
    it(`${client.name}, passive, with ftp+tls`, async () => {
      expect(await tryWith(passive, explicit, operationsOf(client))).toEqual([]);
    });
    it(`${client.name}, passive, with ftps`, async () => {
      expect(await tryWith(passive, implicit, FEW)).toEqual([]);
    });
  }

  it.each(['ftp+tls', 'ftps'] as const)('curl, active, with %s', async (type) => {
    const active: MatrixClient = { ...curlClient, modes: ['active'] };
    const servers = type === 'ftps' ? implicit : explicit;
    expect(await tryWith(active, servers, FEW)).toEqual([]);
  });

  it('leaves only the listeners and the SSH connections', async () => {
    await vi.waitFor(
      async () => {
        const { connections } = await holdings(a, sshferry.pid, YOU);
        expect(connections.filter((both) => !both.endsWith(':22'))).toEqual([]);
      },
      { timeout: 20_000, interval: 500 },
    );
    expect(await sshferry.stop()).toBe(0);
    expect(sshferry.output).not.toMatch(/^\s+at /m);
  });
});

function mailTypes(): MailType[] {
  return Object.keys(MAIL) as MailType[];
}

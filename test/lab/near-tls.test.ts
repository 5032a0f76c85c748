import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type Authority, makeAuthority } from '../support/certificates.ts';
import { checksum, curl, rawFtp } from './support/clients.ts';
import { exec, mustExec } from './support/exec.ts';
import { makeFile } from './support/files.ts';
import { writeFile } from './support/keys.ts';
import { describeLab, lab } from './support/lab.ts';
import type { Program } from './support/program.ts';
import { holdings } from './support/sockets.ts';
import { startSshferry } from './support/ssh.ts';
import { alice, ferry, YOU } from './support/users.ts';

/** Ports of host A that clients reach in TLS after a command, and from the first byte. */
const UPGRADE = { vsftpd: 8401, proftpd: 8402, folder: 8403, pop3: 8404, imap: 8405, smtp: 8406 };
const IMPLICIT = { vsftpd: 8411, folder: 8413, pop3: 8414, imap: 8415, smtp: 8416, tcp: 8417 };

const CA = '/home/you/near-ca.pem';
const FILE = 'near.bin';
const SIZE = 3_000_017;

const FTPLIB = `
import ftplib, hashlib, io, ssl, sys
port, passive, folder = int(sys.argv[1]), sys.argv[2] == 'passive', sys.argv[3]
ftp = ftplib.FTP_TLS(context=ssl.create_default_context(cafile='${CA}'), timeout=60)
ftp.connect('localhost', port)
ftp.login('${ferry.name}', '${ferry.password}')
ftp.prot_p()
ftp.set_pasv(passive)
with open('/pub/${FILE}', 'rb') as f: ftp.storbinary('STOR incoming/' + folder, f)
digest = hashlib.sha256()
ftp.retrbinary('RETR incoming/' + folder, digest.update)
rest = io.BytesIO()
ftp.retrbinary('RETR incoming/' + folder, rest.write, rest=1000000)
print(digest.hexdigest(), len(rest.getvalue()), 'incoming/' + folder in ftp.nlst('incoming'))
ftp.quit()
`;

const INJECTION = `
import socket, sys
control = socket.create_connection(('localhost', int(sys.argv[1])))
control.makefile('rb', 0).readline()
control.sendall(sys.argv[2].encode().decode('unicode_escape').encode())
print(control.makefile('rb', 0).read())
`;

let authority: Authority;
let upgrade: Program;
let implicit: Program;
const undo: (() => unknown)[] = [];

describeLab('clients that insist on TLS', () => {
  let a: string;
  let sha256: string;

  beforeAll(async () => {
    a = lab().hosts.a.container;
    ({ sha256 } = makeFile(lab().pub, FILE, SIZE));
    authority = await makeAuthority({ onTestFinished: (act) => void undo.push(act as () => unknown) });
    const issued = await authority.issue({ names: ['localhost', '127.0.0.1'] });
    await writeFile(a, CA, authority.cert, YOU);
    await writeFile(a, '/home/you/near-cert.pem', issued.cert, YOU);
    await writeFile(a, '/home/you/near-key.pem', issued.key, YOU);
    await mustExec(a, ['chmod', '600', '/home/you/near-key.pem']);
    const options = [
      ...['-v', '-o', 'ListenTlsCert=/home/you/near-cert.pem', '-o', 'ListenTlsKey=/home/you/near-key.pem'],
      ...['-o', 'ListenTlsRequired=yes'],
    ];
    const forwards = (ports: Record<string, number>) =>
      Object.entries(ports).flatMap(([name, port]) => ['-L', `${port}:${TARGETS[name]}`]);
    upgrade = await startSshferry(lab(), ...options, ...forwards(UPGRADE));
    implicit = await startSshferry(lab(), ...options, '-o', 'ListenTlsMode=implicit', ...forwards(IMPLICIT));
  });

  afterAll(async () => {
    await upgrade?.signal('KILL');
    await implicit?.signal('KILL');
    for (const act of undo) await act();
  });

  const TARGETS: Record<string, string> = {
    vsftpd: 'vsftpd:21',
    proftpd: 'proftpd:21',
    folder: `sftp:/home/${ferry.name}`,
    pop3: 'localhost:110',
    imap: 'localhost:143',
    smtp: 'localhost:25',
    tcp: 'localhost:22',
  };
  const FTP = [
    ['vsftpd', 'ftp', UPGRADE.vsftpd],
    ['proftpd', 'ftp', UPGRADE.proftpd],
    ['a folder', 'ftp', UPGRADE.folder],
    ['vsftpd', 'ftps', IMPLICIT.vsftpd],
    ['a folder', 'ftps', IMPLICIT.folder],
  ] as const;
  const CASES = FTP.flatMap((each) =>
    (['passive', 'active'] as const).map((mode) => [...each, mode] as const),
  );

  // curl 7.88 cannot do TLS in active mode (curl's issue 10666).
  it.each(FTP)('curl puts, gets, resumes and lists: %s, %s, port %i', async (_server, scheme, port) => {
    const url = `${scheme}://localhost:${port}/`;
    const name = `incoming/curl-${port}`;
    const to = `/tmp/near-${port}`;
    const tls = ['--ssl-reqd', '--cacert', CA];
    await curl(a, ...tls, '--upload-file', `/pub/${FILE}`, url + name);
    await curl(a, ...tls, '--output', to, url + name);
    expect(await checksum(a, to)).toBe(sha256);
    await mustExec(a, ['truncate', '--size', '1000000', to]);
    await curl(a, ...tls, '--continue-at', '-', '--output', to, url + name);
    expect(await checksum(a, to)).toBe(sha256);
    expect(String(await curl(a, ...tls, '--list-only', `${url}incoming/`))).toContain(`curl-${port}`);
  });

  it('curl continues its session on data connections', async () => {
    const said = await mustExec(a, [
      ...['curl', '-sSv', '--ssl-reqd', '--cacert', CA, '--user', `${ferry.name}:${ferry.password}`],
      ...['--list-only', `ftp://localhost:${UPGRADE.vsftpd}/incoming/`, '--stderr', '-'],
    ]);
    expect(said).toMatch(/SSL reusing session|SSL re-using session|Reusing session/i);
    expect(upgrade.stderr).toMatch(/TLS with the client on a data connection: .*session resumed/);
  });

  it.each(CASES)('lftp: %s, %s, port %i, %s', async (_server, scheme, port, mode) => {
    const name = `incoming/lftp-${port}-${mode}`;
    const to = `/tmp/near-lftp-${port}-${mode}`;
    const commands = [
      ...['cmd:fail-exit yes', 'net:max-retries 1', 'net:timeout 30', 'xfer:clobber yes'],
      ...[`ssl:ca-file ${CA}`, 'ftp:ssl-force yes', 'ftp:ssl-protect-data yes', 'ftp:ssl-protect-list yes'],
      `ftp:passive-mode ${mode === 'passive' ? 'yes' : 'no'}`,
    ].map((setting) => `set ${setting}`);
    const script = [
      ...commands,
      `open -u ${ferry.name},${ferry.password} ${scheme}://localhost:${port}`,
      `put /pub/${FILE} -o ${name}`,
      `get ${name} -o ${to}`,
      'cls -1 incoming',
      'bye',
      '',
    ].join('\n');
    const { code, stdout, stderr } = await exec(a, ['lftp'], { stdin: script, timeout: 120 });
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain(name);
    expect(await checksum(a, to)).toBe(sha256);
  });

  it.each(CASES.filter(([, scheme]) => scheme === 'ftp'))(
    'ftplib: %s, %s, port %i, %s',
    async (_server, _scheme, port, mode) => {
      const args = [String(port), mode, `ftplib-${port}-${mode}`];
      const said = await mustExec(a, ['python3', '-c', FTPLIB, ...args], { timeout: 120 });
      expect(said.trim()).toBe(`${sha256} ${SIZE - 1_000_000} True`);
    },
  );

  it.each([
    ['ftp', UPGRADE.vsftpd],
    ['ftp', UPGRADE.folder],
    ['pop3', UPGRADE.pop3],
    ['imap', UPGRADE.imap],
    ['smtp', UPGRADE.smtp],
  ])('openssl s_client -starttls %s, port %i, in TLS 1.2 and 1.3', async (protocol, port) => {
    for (const version of ['-tls1_2', '-tls1_3']) {
      const argv = ['openssl', 's_client', '-connect', `localhost:${port}`, '-starttls', protocol];
      const said = await mustExec(a, [...argv, version, '-CAfile', CA, '-verify_return_error'], {
        stdin: '',
      });
      expect(said).toContain('Verify return code: 0 (ok)');
    }
  });

  it('openssl s_client resumes a session of TLS 1.2', async () => {
    const argv = [
      'openssl',
      's_client',
      '-connect',
      `localhost:${IMPLICIT.vsftpd}`,
      '-CAfile',
      CA,
      '-tls1_2',
    ];
    for (const more of [[], ['-no_ticket']])
      expect(await mustExec(a, [...argv, ...more, '-reconnect'], { stdin: '' })).toMatch(
        /^Reused, TLSv1\.2/m,
      );
  });

  it.each([
    [UPGRADE.vsftpd, 'AUTH TLS\\r\\nUSER evil\\r\\n', '421 sshferry: bytes came in the clear'],
    [UPGRADE.folder, 'AUTH TLS\\r\\nUSER evil\\r\\n', '421 sshferry: bytes came in the clear'],
    [UPGRADE.pop3, 'STLS\\r\\nUSER evil\\r\\n', '-ERR [SYS/TEMP] sshferry: bytes came in the clear'],
    [
      UPGRADE.imap,
      'a STARTTLS\\r\\nb LOGIN a b\\r\\n',
      '* BYE [UNAVAILABLE] sshferry: bytes came in the clear',
    ],
    [UPGRADE.smtp, 'STARTTLS\\r\\nMAIL FROM:<a>\\r\\n', '421 4.3.2 sshferry: bytes came in the clear'],
  ])(
    'what comes in the clear with the command that begins TLS ends the session: port %i',
    async (port, sent, reply) => {
      const said = await mustExec(a, ['python3', '-c', INJECTION, String(port), sent]);
      expect(said).toContain(reply);
      expect(said).not.toMatch(/234|\+OK sshferry|a OK|220 2\.0\.0/);
    },
  );

  it('a client without TLS gets no further than its user name', async () => {
    const said = await mustExec(
      a,
      rawFtp({ host: 'localhost', port: UPGRADE.vsftpd }, ['USER ferry', 'QUIT']),
    );
    expect(said).toContain('530 sshferry: TLS is required here');
    const { code } = await exec(a, ['curl', '-sS', '--user', 'a:b', `pop3://localhost:${UPGRADE.pop3}/`]);
    expect(code).not.toBe(0);
  });

  it.each([
    ['after a command', UPGRADE, false],
    ['from the first byte', IMPLICIT, true],
  ] as const)('a letter passes by swaks and comes back by fetchmail: TLS %s', async (_how, ports, atOnce) => {
    for (const [protocol, user] of [
      ['POP3', alice],
      ['IMAP', ferry],
    ] as const) {
      const body = randomUUID();
      const envelope = ['--from', 'you@example.org', '--to', `${user.name}@yourserver.example.com`];
      const server = [
        '--server',
        'localhost',
        '--port',
        String(ports.smtp),
        '--tls-ca-path',
        CA,
        '--tls-verify',
      ];
      await mustExec(a, [
        'swaks',
        ...server,
        atOnce ? '--tls-on-connect' : '--tls',
        ...envelope,
        '--body',
        body,
      ]);
      const port = protocol === 'POP3' ? ports.pop3 : ports.imap;
      const config = `poll localhost protocol ${protocol} port ${port}
        user '${user.name}' password '${user.password}'
        ${atOnce ? 'ssl' : "sslproto 'TLS1.2+'"} sslcertck sslcertfile ${CA} fetchall mda '/bin/cat'\n`;
      await writeFile(a, '/home/you/.fetchmailrc', config, YOU);
      await mustExec(a, ['chmod', '600', '/home/you/.fetchmailrc']);
      const fetched = () => exec(a, ['fetchmail', '--nodetach', '--silent']);
      await vi.waitFor(async () => expect((await fetched()).stdout).toContain(body), 20_000);
    }
  });

  it('any other protocol passes in TLS', async () => {
    const argv = ['openssl', 's_client', '-quiet', '-connect', `localhost:${IMPLICIT.tcp}`, '-CAfile', CA];
    const { stdout } = await exec(a, ['timeout', '5', ...argv], { stdin: 'SSH-2.0-test\r\n' });
    expect(stdout).toMatch(/^SSH-2\.0-OpenSSH/);
  });

  it('leaves only the listeners and the SSH connections', async () => {
    for (const sshferry of [upgrade, implicit]) {
      await vi.waitFor(
        async () => {
          const { connections } = await holdings(a, sshferry.pid, YOU);
          expect(connections.filter((both) => !both.endsWith(':22'))).toEqual([]);
        },
        { timeout: 20_000, interval: 500 },
      );
      expect(await sshferry.stop()).toBe(0);
      expect(sshferry.output).not.toMatch(/^\s+at /m);
    }
  });
});

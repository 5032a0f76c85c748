import { randomUUID } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { basicFtp, checksum, checksums, curl, ftpUrl, hexNames, lftp, names } from './support/clients.ts';
import { lines } from './support/docker.ts';
import { exec, mustExec } from './support/exec.ts';
import { makeFile } from './support/files.ts';
import { describeLab, lab } from './support/lab.ts';
import { logLines } from './support/log.ts';
import { readMail, sendMail } from './support/mail.ts';
import { Program } from './support/program.ts';
import { type Process, processesBelow } from './support/sockets.ts';
import { LOGIN, sshferryArgv, startSshferry } from './support/ssh.ts';
import { startSshd } from './support/sshd.ts';
import { ferry, YOU } from './support/users.ts';

const MB = 1_000_000;
const OPENSSH = ['-o', 'SshEngine=openssh', '-o', 'BatchMode=yes'];
const SITE = { host: 'localhost', port: 8021 };

/** An FTP server that takes 40 s for SLOW. */
const SLOW_PORT = 2131;
const SLOW = 'slow.bin';
/** An FTP server whose data ports can be closed. */
const PORTS_PORT = 2132;
const [LOWEST, HIGHEST] = [30_990, 30_999];
/** The private folders of masters. The folder for `sshferry status` has a name of another length. */
const FOLDERS = 'sshferry-??????';

const running: Program[] = [];
let a: string;
let b: string;

async function started(program: Promise<Program>): Promise<Program> {
  running.push(await program);
  return program;
}

/** An FTP server of the test's own on yourserver. */
async function startFtp(port: number, ...settings: string[]): Promise<void> {
  const argv = ['vsftpd', '/etc/vsftpd.conf', `-olisten_port=${port}`, ...settings.map((it) => `-o${it}`)];
  await started(Program.start(b, argv, { user: 'root' }));
}

async function masters(sshferry: Program): Promise<Process[]> {
  return (await processesBelow(a, sshferry.pid)).filter(({ name }) => name === 'ssh');
}

describeLab('OpenSSH as the engine', () => {
  beforeAll(() => {
    a = lab().hosts.a.container;
    b = lab().hosts.b.container;
  });

  afterEach(async () => {
    await Promise.all(running.splice(0).map((program) => program.signal('KILL')));
  });

  it('carries FTP of several clients and mail, also all at the same time', async () => {
    const forwards = [21, 110, 25, 143].flatMap((port) => ['-L', `${8000 + port}:localhost:${port}`]);
    const sshferry = await started(startSshferry(lab(), ...OPENSSH, ...forwards));

    for (const mode of [['--ftp-pasv'], ['--ipv4', '--disable-epsv']]) {
      const listed = await curl(a, ...mode, '--list-only', ftpUrl(SITE, 'pub/'));
      expect(hexNames(listed, '0a')).toEqual(await names(b, '/home/ferry/pub'));
    }
    const big = makeFile(lab().pub, 'sixty-four.bin', 64 * MB).sha256;
    const small = makeFile(lab().pub, 'small.bin', 1000).sha256;
    const empty = makeFile(lab().pub, 'empty.bin', 0).sha256;
    const subject = `Letter ${randomUUID()}`;
    const both = async (name: string, sha256: string) => {
      await curl(a, '--output', `/tmp/openssh-${name}`, ftpUrl(SITE, `pub/${name}`));
      expect(await checksum(a, `/tmp/openssh-${name}`)).toBe(sha256);
      await curl(a, '--upload-file', `/pub/${name}`, ftpUrl(SITE, `incoming/openssh-${name}`));
      expect(await checksum(b, `/home/ferry/incoming/openssh-${name}`)).toBe(sha256);
    };
    await Promise.all([
      both('sixty-four.bin', big),
      both('small.bin', small),
      both('empty.bin', empty),
      lftp(a, SITE, 'mirror --parallel=4 pub/many /tmp/openssh-many'),
      basicFtp(a, { ...SITE, mode: 'EPSV', folder: '/tmp/openssh-basic' }),
      sendMail(a, 8025, { to: ferry, subject, body: subject }).then(() => readMail(a, 8110, ferry, subject)),
      curl(a, 'imap://localhost:8143/'),
    ]);
    await lftp(a, SITE, 'mirror --reverse --parallel=4 /tmp/openssh-many incoming/openssh-many');
    const expected = await checksums(b, '/home/ferry/pub/many');
    expect(await checksums(a, '/tmp/openssh-many')).toBe(expected);
    expect(await checksums(b, '/home/ferry/incoming/openssh-many')).toBe(expected);
    expect(await masters(sshferry)).toHaveLength(2);
    expect(await sshferry.stop()).toBe(0);
    expect(sshferry.output).not.toContain(ferry.password);
    expect(sshferry.output).not.toMatch(/^\s+at /m);
  });

  describe('a refused data port', () => {
    it('does not end the connection, nor a transfer on it', async () => {
      await startFtp(PORTS_PORT, `pasv_min_port=${LOWEST}`, `pasv_max_port=${HIGHEST}`);
      await startFtp(SLOW_PORT, 'local_max_rate=400000');
      const { sha256 } = makeFile(lab().pub, SLOW, 8 * MB);
      const flags = ['-L', `ftp/8021:localhost:${PORTS_PORT}`, '-L', `ftp/8022:localhost:${SLOW_PORT}`];
      const sshferry = await started(startSshferry(lab(), ...OPENSSH, ...flags));
      const local = '/tmp/openssh-slow.bin';
      const transfer = curl(a, '--output', local, ftpUrl({ ...SITE, port: 8022 }, `pub/${SLOW}`));
      transfer.catch(() => {});
      await vi.waitFor(async () => {
        expect(Number(await mustExec(a, ['stat', '-c', '%s', local]))).toBeGreaterThan(0);
      }, 20_000);
      const before = await masters(sshferry);
      const list = ['curl', '-sS', '--fail', '--user', `${ferry.name}:${ferry.password}`, ftpUrl(SITE, '')];

      const closed = ['-p', 'tcp', '--dport', `${LOWEST}:${HIGHEST}`, '-j', 'REJECT'];
      const firewall = async (flag: '-I' | '-D') => {
        for (const program of ['iptables', 'ip6tables'])
          await mustExec(b, [program, '-w', flag, 'INPUT', ...closed, '--reject-with', 'tcp-reset'], {
            user: 'root',
          });
      };
      await firewall('-I');
      for (let i = 0; i < 10; i++) expect((await exec(a, list)).code).not.toBe(0);
      await firewall('-D');
      await mustExec(a, list);
      await transfer;
      expect(await checksum(a, local)).toBe(sha256);
      expect(await masters(sshferry)).toEqual(expect.arrayContaining(before));
    });

    it('does not end the connection if sshd forbids it', async () => {
      await started(startSshd(lab().hosts.b, 2611, { PermitOpen: 'localhost:21' }));
      const at = ['-p', '2611', '-o', 'HostKeyAlias=yourserver'];
      const sshferry = await started(startSshferry(lab(), ...OPENSSH, ...at, '-L', '8021:localhost:21'));
      const before = await masters(sshferry);
      const dialogue = `
import ftplib, sys
ftp = ftplib.FTP(timeout=20)
ftp.connect("localhost", 8021)
ftp.login(*sys.argv[1:])
for _ in range(20):
    ftp.putcmd("EPSV")
    print(ftp.getmultiline())
ftp.putcmd("NOOP")
print(ftp.getmultiline())
`;
      const argv = ['python3', '-c', dialogue, ferry.name, ferry.password];
      const replies = lines(await mustExec(a, argv));
      const refusal = /^425 sshferry: yourserver does not allow forwarding to localhost:\d+/;
      expect(replies.slice(0, -1)).toEqual(Array(20).fill(expect.stringMatching(refusal)));
      expect(replies.at(-1)).toMatch(/^200 /);
      expect(await masters(sshferry)).toEqual(expect.arrayContaining(before));
    });
  });

  describe('nothing is left behind', () => {
    /** Starts a download that takes long. Settles when two connections of SSH are there for it. */
    async function busy(): Promise<{ sshferry: Program; download: Promise<number>; family: Process[] }> {
      await startFtp(SLOW_PORT, 'local_max_rate=200000');
      makeFile(lab().pub, SLOW, 8 * MB);
      const flags = ['--log-format', 'json', '-v', ...OPENSSH, '-L', `ftp/8021:localhost:${SLOW_PORT}`];
      const argv = sshferryArgv(...flags, LOGIN);
      const sshferry = await started(Program.start(a, argv, { user: YOU }));
      await sshferry.waitFor(/"event":"forward\.ready"/);
      const login = ['--user', `${ferry.name}:${ferry.password}`];
      const get = ['curl', '-sS', ...login, '--output', '/tmp/left.bin', ftpUrl(SITE, `pub/${SLOW}`)];
      const download = exec(a, get).then(({ code }) => code);
      download.catch(() => {});
      await sshferry.waitFor(/"event":"transfer\.start"/);
      await vi.waitFor(async () => expect(await masters(sshferry)).toHaveLength(2), 10_000);
      return { sshferry, download, family: await processesBelow(a, sshferry.pid) };
    }

    /** What there is of sshferry's in host A: processes of this family, folders, sockets. */
    async function left(family: readonly Process[]): Promise<string[]> {
      const pids = lines(await mustExec(a, ['ps', '-e', '-o', 'pid='])).map(Number);
      const files = await mustExec(a, ['find', '/tmp', '-maxdepth', '1', '-name', FOLDERS]);
      const sockets = lines(await mustExec(a, ['ss', '-H', '-x', '-a'])).filter((it) =>
        it.includes('sshferry-'),
      );
      const connections = await mustExec(a, ['ss', '-H', '-t', '-n', 'dport', '=', ':22']);
      const processes = family.filter(({ pid }) => pids.includes(pid)).map(({ name }) => name);
      return [...processes, ...lines(files), ...sockets, ...lines(connections)];
    }

    const gone = (family: readonly Process[]) =>
      vi.waitFor(async () => expect(await left(family)).toEqual([]), { timeout: 15_000, interval: 200 });

    it.each(['INT', 'KILL', 'SEGV'])('when sshferry ends by SIG%s', async (signal) => {
      const { sshferry, download, family } = await busy();
      expect(family.map(({ name }) => name)).toContain('ssh');
      expect(await left(family)).not.toEqual([]);
      await sshferry.signal(signal);
      // Once more, as a person in a hurry does: a transfer may go on after the first.
      if (signal === 'INT') await sshferry.signal(signal);
      await sshferry.end();
      expect(await download).not.toBe(0);
      await gone(family);
    });

    it.each([
      ['ssh', 'SEGV'],
      // The shell that runs ssh.
      ['sh', 'KILL'],
    ])('when %s is ended by SIG%s: sshferry connects again', async (name, signal) => {
      const { sshferry, download, family } = await busy();
      const from = sshferry.stderr.length;
      const shells = family.filter((process) => process.parent === sshferry.pid);
      const parents = (name === 'sh' ? [sshferry] : shells).map(({ pid }) => pid);
      const struck = family
        .filter((process) => process.name === name && parents.includes(process.parent))
        .map(({ pid }) => String(pid));
      expect(struck).toHaveLength(2);
      await mustExec(a, ['kill', `-${signal}`, ...struck], { user: 'root' });
      expect(await download).not.toBe(0);
      await curl(a, '--list-only', ftpUrl(SITE, 'pub/'));
      const ready = logLines(sshferry, from).filter((line) => line.state === 'ready');
      expect(ready).not.toEqual([]);
      const folders = await vi.waitFor(
        async () => {
          const now = await processesBelow(a, sshferry.pid);
          const pids = lines(await mustExec(a, ['ps', '-e', '-o', 'pid='])).map(Number);
          expect(family.filter(({ pid }) => pids.includes(pid))).toEqual([]);
          const found = lines(await mustExec(a, ['find', '/tmp', '-maxdepth', '1', '-name', FOLDERS]));
          expect(found).toHaveLength(now.filter((process) => process.name === 'ssh').length);
          return found;
        },
        { timeout: 15_000, interval: 200 },
      );
      expect(folders.length).toBeGreaterThan(0);
      const last = await processesBelow(a, sshferry.pid);
      expect(await sshferry.stop()).toBe(0);
      await gone([...family, ...last]);
    });
  });
});

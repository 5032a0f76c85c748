import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { Capture } from './support/capture.ts';
import {
  basicFtp,
  checksum,
  checksums,
  curl,
  ftpUrl,
  hexNames,
  lftp,
  names,
  rawFtp,
} from './support/clients.ts';
import { mustExec } from './support/exec.ts';
import { content, MANY_COUNT, makeFile, SJIS_NAME, UTF8_NAME } from './support/files.ts';
import { describeLab, lab } from './support/lab.ts';
import { fetchMail, readMail, sendMail } from './support/mail.ts';
import type { Program } from './support/program.ts';
import { holdings } from './support/sockets.ts';
import { startSshferry } from './support/ssh.ts';
import { alice, ferry, YOU } from './support/users.ts';

const MB = 1_000_000;
/** One server has 500 MB to carry, the other enough for every limit on the way. */
const BIG = 'five-hundred.bin';
const MIDDLE = 'sixty-four.bin';
const PARALLEL = ['parallel-1.bin', 'parallel-2.bin', 'parallel-3.bin', 'parallel-4.bin'];
const PASSIVE = [
  ['EPSV', ['--ftp-pasv']],
  // Over IPv6 curl would use EPSV all the same.
  ['PASV', ['--ipv4', '--disable-epsv']],
] as const;

let sshferry: Program;
let capture: Capture;
let a: string;
const subjects: string[] = [];

describeLab('one sshferry for FTP, POP3, SMTP and IMAP', () => {
  beforeAll(async () => {
    a = lab().hosts.a.container;
    capture = await Capture.start(lab(), 'main');
    sshferry = await startSshferry(
      lab(),
      ...['-L', '8021:localhost:21', '-L', '8022:vsftpd:21'],
      ...['-L', '8110:localhost:110', '-L', '8025:localhost:25', '-L', '8143:localhost:143'],
    );
  });

  afterAll(async () => {
    await sshferry?.signal('KILL');
  });

  it('prints what it forwards, and that the leg behind yourserver is outside SSH', () => {
    const line = 'ftp +localhost:8021 → localhost:21 +control and data through ferry@yourserver';
    expect(sshferry.stdout).toMatch(new RegExp(line));
    expect(sshferry.stdout).toMatch(/from yourserver to vsftpd, .*outside SSH/);
    expect(sshferry.stdout.match(/outside SSH/g)).toHaveLength(1);
  });

  for (const [where, port] of [
    ['of yourserver itself', 8021],
    ['behind yourserver', 8022],
  ] as const) {
    const site = { host: 'localhost', port };
    const server = () => (port === 8021 ? lab().hosts.b : lab().hosts.c.vsftpd).container;

    describeLab(`an FTP server ${where}`, () => {
      it.each(PASSIVE)('is listed by curl with %s', async (_, flags) => {
        const listed = await curl(a, ...flags, '--list-only', ftpUrl(site, 'pub/'));
        expect(hexNames(listed, '0a')).toEqual(await names(server(), '/home/ferry/pub'));
      });

      it.each(PASSIVE)('downloads and uploads small and empty files with %s', async (mode, flags) => {
        for (const name of ['small.bin', 'empty.bin']) {
          const { sha256 } = makeFile(lab().pub, name, name === 'small.bin' ? 1000 : 0);
          await curl(a, ...flags, '--output', `/tmp/${port}.bin`, ftpUrl(site, `pub/${name}`));
          expect(await checksum(a, `/tmp/${port}.bin`)).toBe(sha256);
          await curl(a, ...flags, '--upload-file', `/pub/${name}`, ftpUrl(site, `incoming/${mode}-${name}`));
          expect(await checksum(server(), `/home/ferry/incoming/${mode}-${name}`)).toBe(sha256);
        }
      });

      it('resumes a download and an upload', async () => {
        const { sha256 } = makeFile(lab().pub, 'resume.bin', 3 * MB);
        await mustExec(a, ['cp', '/pub/resume.bin', '/tmp/resume.bin']);
        await mustExec(a, ['truncate', '--size', '1234567', '/tmp/resume.bin']);
        await mustExec(a, ['cp', '/tmp/resume.bin', '/tmp/resume-lftp.bin']);
        await curl(a, '--continue-at', '-', '--output', '/tmp/resume.bin', ftpUrl(site, 'pub/resume.bin'));
        expect(await checksum(a, '/tmp/resume.bin')).toBe(sha256);

        await lftp(
          a,
          site,
          'put /tmp/resume-lftp.bin -o incoming/resume.bin',
          'put -c /pub/resume.bin -o incoming/resume.bin',
          'get -c pub/resume.bin -o /tmp/resume-lftp.bin',
        );
        expect(await checksum(server(), '/home/ferry/incoming/resume.bin')).toBe(sha256);
        expect(await checksum(a, '/tmp/resume-lftp.bin')).toBe(sha256);
      });

      it('keeps names in UTF-8 and in Shift_JIS byte for byte', async () => {
        for (const [name, size] of [
          [UTF8_NAME, 2000],
          [SJIS_NAME, 3000],
        ] as const) {
          const { sha256 } = makeFile(lab().pub, name, size);
          const below = (folder: string) => Buffer.concat([Buffer.from(`${folder}/`), name]);
          await curl(a, '--output', '/tmp/named.bin', ftpUrl(site, below('pub')));
          expect(await checksum(a, '/tmp/named.bin')).toBe(sha256);
          await curl(a, '--upload-file', '/tmp/named.bin', ftpUrl(site, below('incoming')));
          expect(await checksum(server(), below('/home/ferry/incoming'))).toBe(sha256);
        }
      });

      it('lets lftp translate its Shift_JIS names', async () => {
        const { sha256 } = makeFile(lab().pub, SJIS_NAME, 3000);
        const charset = ['set ftp:use-utf8 no', 'set ftp:charset SHIFT_JIS', 'set file:charset UTF-8'];
        await lftp(a, site, ...charset, 'get pub/日本語表.txt -o /tmp/sjis.bin');
        expect(await checksum(a, '/tmp/sjis.bin')).toBe(sha256);
      });

      it.each(['yes', 'no'])('is mirrored by lftp, 200 files and 4 at a time, EPSV %s', async (epsv) => {
        const prefer = `set ftp:prefer-epsv ${epsv}`;
        const back = `incoming/many-${epsv}`;
        const local = `/tmp/many-${port}-${epsv}`;
        await lftp(a, site, prefer, `mirror --parallel=4 pub/many ${local}`);
        await lftp(a, site, prefer, `mirror --reverse --parallel=4 ${local} ${back}`);
        const expected = await checksums(server(), '/home/ferry/pub/many');
        expect(expected.trim().split('\n')).toHaveLength(MANY_COUNT);
        expect(await checksums(a, local)).toBe(expected);
        expect(await checksums(server(), `/home/ferry/${back}`)).toBe(expected);
      });

      it('carries 4 transfers at the same time, each way', async () => {
        const made = PARALLEL.map((name) => makeFile(lab().pub, name, 20 * MB));
        await Promise.all(
          made.map(async ({ sha256 }, i) => {
            const name = PARALLEL[i];
            await curl(a, '--output', `/tmp/${name}`, ftpUrl(site, `pub/${name}`));
            expect(await checksum(a, `/tmp/${name}`)).toBe(sha256);
            await curl(a, '--upload-file', `/tmp/${name}`, ftpUrl(site, `incoming/${name}`));
            expect(await checksum(server(), `/home/ferry/incoming/${name}`)).toBe(sha256);
          }),
        );
      });

      it.each([
        ['EPSV', 'localhost'],
        ['PASV', '127.0.0.1'],
        // It reads the port out of the reply and dials the address that the control connection
        // leads to, as curl also does.
        ['PASV', '::1'],
      ] as const)('serves basic-ftp with %s at %s', async (mode, host) => {
        const own = `basic-ftp-${mode}-${host}-${port}`;
        const folder = `/tmp/${own}`;
        const listed = await basicFtp(a, { host, port, mode, folder });
        expect(listed).toContain(UTF8_NAME.toString());
        const small = makeFile(lab().pub, 'small.bin', 1000).sha256;
        const empty = makeFile(lab().pub, 'empty.bin', 0).sha256;
        const expected = `${empty}  ./empty.bin\n${small}  ./resumed.bin\n${small}  ./small.bin\n`;
        expect(await checksums(a, folder)).toBe(expected);
        expect(await checksums(server(), `/home/ferry/incoming/${own}`)).toBe(expected);
      });

      const [large, size] = port === 8021 ? [BIG, 500] : [MIDDLE, 64];
      it(`downloads and uploads ${size} MB with equal checksums`, { timeout: 600_000 }, async () => {
        const { sha256 } = makeFile(lab().pub, large, size * MB);
        await curl(a, '--output', `/tmp/${large}`, ftpUrl(site, `pub/${large}`));
        expect(await checksum(a, `/tmp/${large}`)).toBe(sha256);
        await curl(a, '--upload-file', `/tmp/${large}`, ftpUrl(site, `incoming/${large}`));
        expect(await checksum(server(), `/home/ferry/incoming/${large}`)).toBe(sha256);
        await mustExec(a, ['rm', `/tmp/${large}`]);
        await mustExec(server(), ['rm', `/home/ferry/incoming/${large}`]);
      });

      it('refuses TLS with a reason, and the session continues', async () => {
        const login = ['USER ferry', `PASS ${ferry.password}`];
        const argv = rawFtp(site, [...login, 'AUTH TLS', 'PBSZ 0', 'FEAT', 'NOOP', 'QUIT']);
        const replies = (await mustExec(a, argv)).split('\r\n');
        expect(replies.filter((line) => /^502 .*SSH encrypts/.test(line))).toHaveLength(2);
        expect(replies).toContainEqual(expect.stringMatching(/^211 /));
        expect(replies.filter((line) => /^ (AUTH|PBSZ|PROT|CCC)\b/.test(line))).toEqual([]);
        expect(replies).toContainEqual(expect.stringMatching(/^200 NOOP/));
        expect(replies).toContainEqual(expect.stringMatching(/^221 /));
      });
    });
  }

  it('sends mail with swaks and reads it back over POP3 with curl and with fetchmail', async () => {
    for (const user of [ferry, alice]) {
      const subject = `Letter ${randomUUID()}`;
      subjects.push(subject);
      await sendMail(a, 8025, { to: user, subject, body: `A line\\n.\\n..dots\\nGrüße ${subject}\\n` });
    }
    const [toFerry = '', toAlice = ''] = subjects;
    expect(await readMail(a, 8110, ferry, toFerry)).toMatch(
      new RegExp(`A line\r\n\\.\r\n\\.\\.dots\r\nGrüße ${toFerry}`),
    );
    expect(await fetchMail(a, 8110, alice)).toContain(`Grüße ${toAlice}`);
  });

  it('serves IMAP', async () => {
    expect((await curl(a, 'imap://localhost:8143/')).toString()).toContain('INBOX');
  });

  it('serves all of them at the same time', async () => {
    const { b, c } = lab().hosts;
    const subject = `At once ${randomUUID()}`;
    subjects.push(subject);
    const made = makeFile(lab().pub, 'at-once.bin', 20 * MB);
    const [own, behind] = [8021, 8022].map((port) => ({ host: 'localhost', port }));
    if (own === undefined || behind === undefined) throw new Error('no sites');
    await Promise.all([
      curl(a, '--output', '/tmp/at-once-1', ftpUrl(own, 'pub/at-once.bin')),
      curl(a, '--ipv4', '--disable-epsv', '--output', '/tmp/at-once-2', ftpUrl(behind, 'pub/at-once.bin')),
      curl(a, '--upload-file', '/pub/at-once.bin', ftpUrl(own, 'incoming/at-once.bin')),
      curl(a, '--upload-file', '/pub/at-once.bin', ftpUrl(behind, 'incoming/at-once.bin')),
      lftp(a, own, 'mirror --parallel=4 pub/many /tmp/at-once-many'),
      basicFtp(a, { ...behind, mode: 'EPSV', folder: '/tmp/at-once-basic' }),
      sendMail(a, 8025, { to: ferry, subject, body: subject }).then(() => readMail(a, 8110, ferry, subject)),
      curl(a, 'imap://localhost:8143/'),
    ]);
    for (const path of ['/tmp/at-once-1', '/tmp/at-once-2'])
      expect(await checksum(a, path)).toBe(made.sha256);
    for (const { container } of [b, c.vsftpd]) {
      expect(await checksum(container, '/home/ferry/incoming/at-once.bin')).toBe(made.sha256);
    }
    expect(await checksums(a, '/tmp/at-once-many')).toBe(
      await checksums(b.container, '/home/ferry/pub/many'),
    );
  });

  it('holds only its listeners and its SSH connections, one of them for data, when all clients have left', async () => {
    await vi.waitFor(
      async () => {
        const { listeners, connections } = await holdings(a, sshferry.pid, YOU);
        const ports = new Set(listeners.map((listener) => listener.replace(/.*:/, '')));
        expect([...ports].sort()).toEqual(['8021', '8022', '8025', '8110', '8143']);
        expect(connections).toEqual([expect.stringMatching(/:22$/), expect.stringMatching(/:22$/)]);
      },
      { timeout: 20_000, interval: 500 },
    );
  });

  it('ends with status 0 on Ctrl-C, having printed no secret and no stack trace', async () => {
    expect(await sshferry.stop()).toBe(0);
    expect(sshferry.output).not.toContain(ferry.password);
    expect(sshferry.output).not.toContain(alice.password);
    expect(sshferry.output).not.toMatch(/^\s+at /m);
  });

  it('sent nothing but SSH over the wire: no password, no file name, no content', {
    timeout: 300_000,
  }, async () => {
    const captured = await capture.stop();
    expect(captured.dropped).toBe(0);
    expect(captured.bytes).toBeGreaterThan(2 * (500 + 64) * MB);
    expect(captured.outside.slice(0, 20)).toEqual([]);
    const samples = [...content(Buffer.from(BIG).toString('hex'), 500 * MB)]
      .filter((_, i) => i % 50 === 0)
      .map((chunk) => chunk.subarray(5000, 5032));
    const words = [
      ferry.password,
      alice.password,
      ...subjects,
      'small.bin',
      'incoming/',
      BIG,
      MIDDLE,
      UTF8_NAME,
      SJIS_NAME,
    ];
    expect(await captured.find([...words, ...samples])).toEqual([]);
  });
});

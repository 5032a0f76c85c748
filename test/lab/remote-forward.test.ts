import { afterEach, beforeAll, expect, it } from 'vitest';
import { checksum, curl, ftpUrl, lftp } from './support/clients.ts';
import { makeFile } from './support/files.ts';
import { describeLab, lab } from './support/lab.ts';
import type { Program } from './support/program.ts';
import { startSshferry } from './support/ssh.ts';

const FILE = 'remote-forward.bin';
const SITE = { host: '127.0.0.1', port: 8021 };

let sshferry: Program;
let sha256 = '';

/**
 * vsftpd takes only an address in PORT and EPRT that is its control connection's: what it names
 * here is sshd's own loopback.
 */
describeLab('FtpActive=remote-forward', () => {
  beforeAll(() => {
    ({ sha256 } = makeFile(lab().pub, FILE, 3_000_000));
  });

  afterEach(async () => {
    await sshferry.signal('KILL').catch(() => {});
  });

  it.each(['127.0.0.1', '[::1]', 'localhost'])(
    'opens data connections from the server at %s through sshd to the client',
    async (target) => {
      const { a, b } = lab().hosts;
      sshferry = await startSshferry(lab(), '-o', 'FtpActive=remote-forward', '-L', `8021:${target}:21`);
      const own = target.replace(/\W/g, '');
      for (const [name, flags] of [
        ['EPRT', []],
        ['PORT', ['--disable-eprt']],
      ] as const) {
        const got = `/tmp/remote-${name}.bin`;
        await curl(a.container, '--ftp-port', '-', ...flags, '--output', got, ftpUrl(SITE, `pub/${FILE}`));
        expect(await checksum(a.container, got)).toBe(sha256);
        const put = `incoming/remote-${own}-${name}.bin`;
        await curl(a.container, '--ftp-port', '-', ...flags, '--upload-file', got, ftpUrl(SITE, put));
        expect(await checksum(b.container, `/home/ferry/${put}`)).toBe(sha256);
      }
      const active = 'set ftp:passive-mode no';
      await lftp(a.container, SITE, active, `get pub/${FILE} -o /tmp/remote-lftp.bin`);
      expect(await checksum(a.container, '/tmp/remote-lftp.bin')).toBe(sha256);
      expect(await sshferry.stop()).toBe(0);
    },
  );
});

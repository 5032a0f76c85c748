import { afterAll, beforeAll, expect, it } from 'vitest';
import { basicFtp, checksums, curl, ftpUrl, lftp } from './support/clients.ts';
import { docker } from './support/docker.ts';
import { mustExec } from './support/exec.ts';
import { MANY_COUNT } from './support/files.ts';
import { describeLab, lab } from './support/lab.ts';
import type { Program } from './support/program.ts';
import { startSshferry } from './support/ssh.ts';
import { FTP_HOSTS } from './support/topology.ts';

const FILES = 50;
const PORT = 8121;

let sshferry: Program;
let a: string;

describeLab('FtpPrefetch=yes', () => {
  beforeAll(async () => {
    a = lab().hosts.a.container;
    const forwards = FTP_HOSTS.flatMap((name, i) => ['-L', `ftp/${PORT + i}:${name}:21`]);
    sshferry = await startSshferry(lab(), '-v', '-o', 'FtpPrefetch=yes', ...forwards);
  });

  afterAll(async () => {
    await sshferry?.signal('KILL');
  });

  for (const [i, name] of FTP_HOSTS.entries()) {
    const site = { host: 'localhost', port: PORT + i };
    const server = () => lab().hosts.c[name].container;

    describeLab(name, () => {
      it.each(['--ftp-pasv', '--disable-epsv'])(`serves ${FILES} files to one curl (%s)`, async (mode) => {
        const folder = `/tmp/prefetch-${name}${mode}`;
        await mustExec(a, ['mkdir', folder]);
        const few = `pub/many/[000-${String(FILES - 1).padStart(3, '0')}].bin`;
        await curl(a, '--ipv4', mode, '--output', `${folder}/#1.bin`, ftpUrl(site, few));
        const expected = await checksums(server(), '/home/ferry/pub/many');
        expect((await checksums(a, folder)).trim().split('\n')).toEqual(
          expected.trim().split('\n').slice(0, FILES),
        );
      });

      if (name === 'vsftpd') {
        it('requests one more port than the client', async () => {
          const count = async () => (await docker('logs', server())).match(/"EPSV"/g)?.length ?? 0;
          const before = await count();
          const few = ftpUrl(site, 'pub/many/00[1-5].bin');
          await curl(a, '--output', '/tmp/prefetch-few-#1.bin', few);
          // Two of the client's, before it has shown how it works, and one behind each of four
          // transfers.
          expect((await count()) - before).toBe(2 + 4);
        });
      }

      it('is mirrored by lftp, there and back', async () => {
        const local = `/tmp/prefetch-lftp-${name}`;
        const back = 'incoming/prefetch';
        await lftp(a, site, `mirror --no-perms --parallel=2 pub/many ${local}`);
        await lftp(a, site, `mirror --reverse --no-perms ${local} ${back}`);
        const expected = await checksums(server(), '/home/ferry/pub/many');
        expect(expected.trim().split('\n')).toHaveLength(MANY_COUNT);
        expect(await checksums(a, local)).toBe(expected);
        expect(await checksums(server(), `/home/ferry/${back}`)).toBe(expected);
      });

      it.each(['EPSV', 'PASV'] as const)('serves basic-ftp with %s', async (mode) => {
        const folder = `prefetch-basic-${name}-${mode}`;
        const listed = await basicFtp(a, { ...site, mode, folder: `/tmp/${folder}` });
        expect(listed).toContain('small.bin');
        expect(await checksums(server(), `/home/ferry/incoming/${folder}`)).toBe(
          await checksums(a, `/tmp/${folder}`),
        );
      });
    });
  }
});

import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { describeWith, run } from '../../support/openssh.ts';
import { sshdWithSftp } from '../../support/sftp-forward.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';
import { SSHD } from '../../support/sshd.ts';

const MiB = 1024 * 1024;
/** One way, in milliseconds. */
const LATE = 40;
/** SSH connections: for commands, and for data. Each has an SFTP channel that is never used. */
const CONNECTIONS = 2;

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const url = (port: number, name: string) => `ftp://me:any@127.0.0.1:${port}/${name}`;
const curl = (...args: string[]) => run('curl', ['-sS', '--max-time', '100', ...args]);

describeWith([SSHD, SFTP_SERVER, 'ssh-keygen', 'curl'], 'uploads to a folder, over a long line', () => {
  describe('with the sessions that sshd allows by default', () => {
    const started = path.join(os.tmpdir(), `sshferry-started-${randomUUID()}`);
    // Writes a line for each SFTP channel.
    const { file, serveLate } = sshdWithSftp([], `echo started >>${started}; exec ${SFTP_SERVER}`);
    afterAll(() => rm(started, { force: true }));

    it('a large file goes through several channels and comes out whole', { timeout: 120_000 }, async () => {
      const { folder, port } = await serveLate(LATE);
      const bytes = randomBytes(96 * MiB + 12_345);
      await writeFile(file('large'), bytes);
      await curl('-T', file('large'), url(port, 'large'));
      const channels = (await readFile(started, 'utf8')).trim().split('\n').length - CONNECTIONS;
      expect(channels).toBeGreaterThan(2);
      expect(channels).toBeLessThanOrEqual(8);
      expect(digest(await readFile(`${folder}/large`))).toBe(digest(bytes));
      expect(await readdir(folder)).toEqual(['large']);
      await curl('-o', file('back'), url(port, 'large'));
      expect(digest(await readFile(file('back')))).toBe(digest(bytes));
    });
  });

  describe('if sshd has MaxSessions 2', () => {
    const { file, serveLate } = sshdWithSftp(['MaxSessions 2']);

    it('every client is served, and the log says once that there are fewer channels', {
      timeout: 120_000,
    }, async () => {
      const { folder, port, lines } = await serveLate(LATE, '-o', 'DataConnections=0');
      const bytes = randomBytes(24 * MiB + 1);
      await writeFile(file('large'), bytes);
      const names = ['a', 'b', 'c'];
      for (let round = 0; round < 2; round++) {
        await Promise.all(names.map((name) => curl('-T', file('large'), url(port, name))));
      }
      await Promise.all(names.map((name) => curl('-o', file(`${name}.back`), url(port, name))));
      for (const name of names) {
        expect(digest(await readFile(`${folder}/${name}`))).toBe(digest(bytes));
        expect(digest(await readFile(file(`${name}.back`)))).toBe(digest(bytes));
      }
      expect((await readdir(folder)).sort()).toEqual(names);
      const remarks = lines().filter(({ event }) => event === 'sftp.remark');
      expect(remarks.map(({ msg }) => msg)).toEqual([expect.stringMatching(/MaxSessions/)]);
    });
  });
});

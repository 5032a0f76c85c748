import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { describeWith } from '../../support/openssh.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';
import { sshdWithSpool } from '../../support/spool-forward.ts';
import { SSHD } from '../../support/sshd.ts';
import { canMount, mountTmpfs } from '../../support/tmpfs.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const MOUNTS = canMount();
if (!MOUNTS) process.stderr.write('\n!! SKIPPED: a spool and full disks: no file system can be mounted\n');

/** Leaves no byte on a small disk. Returns what undoes it. */
async function fill(disk: string): Promise<() => Promise<void>> {
  const ballast = path.join(disk, '.ballast');
  const { bavail, bsize } = await statfs(disk);
  await writeFile(ballast, Buffer.alloc(bavail * bsize));
  return () => rm(ballast);
}

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describeWith([SSHD, SFTP_SERVER, 'ssh-keygen'], 'A spool and full disks', () => {
  const { start, connect, upload, command, file } = sshdWithSpool();
  const disk = (name: string, size: number) => {
    const place = file(name);
    onTestFinished(mountTmpfs(place, size));
    return place;
  };

  it.skipIf(!MOUNTS)(
    'its own disk is full: 452, and what was confirmed is delivered, once',
    {
      timeout: 240_000,
    },
    async () => {
      const place = disk('small', 2 * MiB);
      const first = await start({ spool: path.join(place, 'spool') });
      await first.down();
      const client = await connect(first.port);
      const confirmed = new Map<string, string>();
      const replies: string[] = [];
      for (let i = 0; i < 12; i++) {
        const bytes = randomBytes(300 * KiB);
        const data = await client.data(await client.passive());
        const begun = await client.command(`STOR f${i}`);
        if (begun.startsWith('150')) data.end(bytes);
        const reply = begun.startsWith('150') ? await client.reply() : begun;
        replies.push(reply.slice(0, 3));
        if (reply.startsWith('226')) confirmed.set(`f${i}`, digest(bytes));
      }
      expect([...new Set(replies)].sort()).toEqual(['226', '452']);
      expect(confirmed.size).toBeGreaterThan(3);
      const emptied = await fill(place);
      await upload(client, 'STOR small', Buffer.from('x'), /^452/, /^(150|452)/);
      await command(client, 'MKD folder', /^452/);
      await command(client, 'RNFR f0', /^350/);
      await command(client, 'RNTO renamed', /^452/);

      // A restart and a delivery need no room.
      first.child.kill('SIGKILL');
      await first.ended;
      const served = await first.again();
      await served.said('spool.waiting', new RegExp(`${confirmed.size} uploads`));
      await served.up();
      await served.said('spool.delivered', /./, confirmed.size);
      const found = await readdir(served.folder);
      expect(found.sort()).toEqual([...confirmed.keys()].sort());
      for (const name of found)
        expect(digest(await readFile(path.join(served.folder, name))), name).toBe(confirmed.get(name));
      expect(await served.held()).toEqual([]);

      await served.down();
      await emptied();
      const other = await connect(served.port);
      await upload(other, 'STOR again', Buffer.from('again'), /^226/);
      await served.up();
      await served.said('spool.delivered', /again/);
    },
  );

  it.skipIf(!MOUNTS)(
    "the server's disk is full: nothing has a final name, all comes when there is room",
    {
      timeout: 240_000,
    },
    async () => {
      const folder = disk('in', 2 * MiB);
      const served = await start({ folder });
      await served.down();
      const client = await connect(served.port);
      const bytes = randomBytes(1500 * KiB);
      await upload(client, 'STOR big', bytes, /^226/);
      await upload(client, 'STOR big2', bytes, /^226/);
      await upload(client, 'STOR small', Buffer.from('s'), /^226/);
      const emptied = await fill(folder);
      await served.up();
      for (const name of ['big', 'big2', 'small'])
        await served.said('spool.refused', new RegExp(`/${name} .*[Nn]o space`));
      expect((await served.status()).spool).toMatchObject({ files: 3, refused: 3 });
      expect(await readdir(folder)).toEqual(['.ballast']);
      // Clients of the moment learn it at once.
      await upload(client, 'STOR direct', bytes, /^452/, /^(150|452)/);
      expect(await readdir(folder)).toEqual(['.ballast']);

      await emptied();
      await served.down();
      await served.up();
      await served.said('spool.delivered', /./, 2);
      await expect.poll(async () => (await served.status()).spool).toMatchObject({ files: 1, refused: 1 });
      expect((await readdir(folder)).sort()).toEqual(['big', 'small']);
      expect(digest(await readFile(path.join(folder, 'big')))).toBe(digest(bytes));
      await rm(path.join(folder, 'big'));
      await served.down();
      await served.up();
      await served.said('spool.delivered', /big2/);
      expect(digest(await readFile(path.join(folder, 'big2')))).toBe(digest(bytes));
      expect(await served.held()).toEqual([]);
    },
  );
});

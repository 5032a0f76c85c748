import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exec, mustExec } from './support/exec.ts';
import { makeFile } from './support/files.ts';
import { type FolderForwards, startFolderForwards } from './support/folder-servers.ts';
import { FOREIGN_SERVERS, type ForeignServer } from './support/foreign-sftp.ts';
import { describeLab, lab } from './support/lab.ts';
import { YOU } from './support/users.ts';

const MiB = 1024 * 1024;
const SIZE = 24 * MiB;
/** Where a client that resumes goes on: not on the border of any block. */
const OFFSET = 7_654_321;
/** The first part of the file, on host A, as an upload that broke leaves it. */
const HEAD = '/tmp/servers-head';

let forwards: FolderForwards | undefined;
let checksum = '';

describeLab('a folder behind other SFTP servers', () => {
  beforeAll(async () => {
    const folder = path.join(lab().pub, 'servers');
    mkdirSync(folder, { recursive: true });
    checksum = makeFile(folder, 'big.bin', SIZE).sha256;
    makeFile(folder, 'tiny.bin', 1234);
    const { container } = lab().hosts.a;
    await mustExec(container, ['sh', '-c', `head -c ${OFFSET} /pub/servers/big.bin >${HEAD}`]);
    forwards = await startFolderForwards(lab(), FOREIGN_SERVERS);
  });

  afterAll(async () => {
    await forwards?.stop();
  });

  describe.each(FOREIGN_SERVERS)('%s', (name) => {
    it('curl: list, get, put, overwrite, resume, rename and delete', { timeout: 300_000 }, async () => {
      const { a } = lab().hosts;
      const at = place(name);
      const curl = (...args: string[]) =>
        mustExec(a.container, ['curl', '-sS', '--user', 'any:any', ...args]);
      const work = `/tmp/servers-${name}`;
      await mustExec(a.container, ['mkdir', '-p', work]);

      expect(await curl(`${at.url}/pub/servers/`)).toMatch(/ big\.bin$/m);
      await curl('-o', `${work}/got`, `${at.url}/pub/servers/big.bin`);
      expect(await sum(a.container, `${work}/got`)).toBe(checksum);
      await mustExec(a.container, ['truncate', '-s', String(OFFSET), `${work}/got`]);
      await curl('-C', '-', '-o', `${work}/got`, `${at.url}/pub/servers/big.bin`);
      expect(await sum(a.container, `${work}/got`)).toBe(checksum);

      await curl('-T', '/pub/servers/tiny.bin', `${at.url}/incoming/put`);
      await curl('-T', '/pub/servers/big.bin', `${at.url}/incoming/put`);
      expect(await sum(at.container, 'incoming/put')).toBe(checksum);
      const rename = ['-Q', '-RNFR put', '-Q', '-RNTO renamed'];
      await curl('-o', '/dev/null', ...rename, `${at.url}/incoming/`);
      expect(await sum(at.container, 'incoming/renamed')).toBe(checksum);
      await curl('-T', '/pub/servers/tiny.bin', `${at.url}/incoming/other`);
      const over = ['-Q', '-RNFR renamed', '-Q', '-RNTO other'];
      await curl('-o', '/dev/null', ...over, `${at.url}/incoming/`);
      expect(await sum(at.container, 'incoming/other')).toBe(checksum);

      await curl('-T', HEAD, `${at.url}/incoming/part`);
      const resumed = await exec(a.container, [
        ...[
          'curl',
          '-sS',
          '--user',
          'any:any',
          '-C',
          '-',
          '-T',
          '/pub/servers/big.bin',
          `${at.url}/incoming/part`,
        ],
      ]);
      // rclone empties each file that is opened for writing.
      if (name.startsWith('rclone')) expect(resumed.code).not.toBe(0);
      else expect(await sum(at.container, 'incoming/part')).toBe(checksum);

      const clean = ['-Q', '-DELE other', '-Q', '-DELE part'];
      await curl('-o', '/dev/null', ...clean, `${at.url}/incoming/`);
      expect(await names(at.container)).toEqual([]);
    });

    it('lftp: a mirror both ways, resume, folders and times', { timeout: 300_000 }, async () => {
      const { a } = lab().hosts;
      const at = place(name);
      const work = `/tmp/lftp-${name}`;
      const make =
        'mkdir -p "$1/up/a/b" && cp /pub/servers/big.bin "$1/up/a/b/" && cp /pub/servers/tiny.bin "$1/up/a/"';
      await mustExec(a.container, ['sh', '-c', make, 'sh', work]);
      const lftp = (commands: string) =>
        mustExec(
          a.container,
          ['lftp', '-c', `set net:max-retries 1; open -u any,any ${at.url}; ${commands}`],
          {
            timeout: 200,
          },
        );
      await lftp(`mirror -R ${work}/up incoming/up; mirror incoming/up ${work}/down`);
      expect(await sum(at.container, 'incoming/up/a/b/big.bin')).toBe(checksum);
      expect(await mustExec(a.container, ['diff', '-r', `${work}/up`, `${work}/down`])).toBe('');
      expect(await lftp('cls -1 incoming/up/a/')).toMatch(/tiny\.bin/);

      if (!name.startsWith('rclone')) {
        await lftp(`put ${HEAD} -o incoming/lftp`);
        await lftp('put -c /pub/servers/big.bin -o incoming/lftp');
        expect(await sum(at.container, 'incoming/lftp')).toBe(checksum);
      }
      await lftp('mv incoming/up incoming/moved; rm -r incoming/moved; rm -f incoming/lftp');
      expect(await names(at.container)).toEqual([]);
    });
  });

  it('leaves no temporary file, and no error', async () => {
    for (const name of FOREIGN_SERVERS) expect(await names(place(name).container)).toEqual([]);
    expect(forwards?.sshferry.output).not.toMatch(/^\s+at |internal error/m);
  });
});

function place(name: ForeignServer): { url: string; container: string } {
  const server = forwards?.servers.find((each) => each.name === name);
  if (server === undefined) throw new Error(`${name} was not started`);
  return { url: `ftp://127.0.0.1:${server.port}`, container: server.container };
}

/** The SHA-256 of a file; in a server's container, below the home. */
async function sum(container: string, file: string): Promise<string> {
  const full = file.startsWith('/') ? file : `/home/${YOU}/${file}`;
  return (await mustExec(container, ['sha256sum', full])).slice(0, 64);
}

async function names(container: string): Promise<string[]> {
  const found = await mustExec(container, ['ls', '-A', `/home/${YOU}/incoming`]);
  return found.split('\n').filter(Boolean);
}

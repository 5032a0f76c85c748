import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it, type TestContext } from 'vitest';
import type { FtpServerOptions } from '../../../demo/ftp-server.ts';
import { type FileSink, StoreError } from '../../../src/ftp/server/store.ts';
import { serveFolder, serveStore, stubStore } from '../../support/file-server.ts';
import {
  CLIENTS,
  isInstalled,
  lftp,
  ncftp,
  PART,
  type Place,
  python,
  type Work,
} from '../../support/real-ftp-clients.ts';
import { tempFolder } from '../../support/temp-folder.ts';

// Real clients with the server's own I/O and a local folder. Each does what it can: a list, a
// download and an upload, both resumed.

const CONTENT = randomBytes(2_000_000);
const BEGINNING = CONTENT.subarray(0, PART);

/** A server over a folder, and a client's place with an empty folder of its own. */
async function serve(test: TestContext, options: FtpServerOptions = {}, active = false) {
  const { root, host, port } = await serveFolder(test, options);
  const place: Place = { host, port, active, local: await tempFolder(test) };
  return { root, place };
}

for (const [name, client] of Object.entries(CLIENTS)) {
  const modes = [
    { host: '127.0.0.1', active: false },
    ...(client.active ? [{ host: '127.0.0.1', active: true }] : []),
    ...(client.ipv6 ? [{ host: '::1', active: false }] : []),
    ...(client.ipv6 && client.active ? [{ host: '::1', active: true }] : []),
  ];
  describe.skipIf(!isInstalled(client.program)).for(modes)(
    `${name}, %o`,
    { timeout: 60_000 },
    ({ host, active }) => {
      const setUp = async (test: TestContext) => {
        const { root, place } = await serve(test, { host }, active);
        const here = (file: string) => path.join(place.local, file);
        return { place, there: path.join(root, 'f'), here };
      };

      it('lists', async (test) => {
        const { place, there } = await setUp(test);
        await writeFile(there, 'x');
        expect(await client.list(place)).toMatch(/\bf\b/);
      });
      const downloads = (name: string, work: Work | null, before: Buffer | null) => {
        if (work === null) return;
        it(name, async (test) => {
          const { place, there, here } = await setUp(test);
          await writeFile(there, CONTENT);
          if (before !== null) await writeFile(here('down'), before);
          await work(place);
          expect((await readFile(here('down'))).equals(CONTENT)).toBe(true);
        });
      };
      const uploads = (name: string, work: Work | null, before: Buffer | null) => {
        if (work === null) return;
        it(name, async (test) => {
          const { place, there, here } = await setUp(test);
          await writeFile(here('up'), CONTENT);
          if (before !== null) await writeFile(there, before);
          await work(place);
          expect((await readFile(there)).equals(CONTENT)).toBe(true);
        });
      };
      downloads('downloads', client.get, null);
      uploads('uploads', client.put, null);
      downloads('resumes a download', client.resumeGet, BEGINNING);
      uploads('resumes an upload', client.resumePut, BEGINNING);
    },
  );
}

describe.skipIf(!isInstalled('lftp'))('lftp', { timeout: 60_000 }, () => {
  it('mirrors both ways, with times, links, names of all kinds and many at once', async (test) => {
    const { root, place } = await serve(test);
    const { local } = place;
    const names = ['a b', 'ü', '日本', '#x', '-n', "q'uote", '.hidden', 'x[1]*'];
    await mkdir(path.join(local, 'from/sub dir'), { recursive: true });
    for (const name of names) await writeFile(path.join(local, 'from/sub dir', name), name);
    const time = new Date('2020-02-03T04:05:06Z');
    await utimes(path.join(local, 'from/sub dir/ü'), time, time);
    await lftp(place, 'mirror -R --parallel=4 from there', 'mirror --parallel=4 there back');
    expect((await readdir(path.join(root, 'there/sub dir'))).sort()).toEqual([...names].sort());
    expect((await stat(path.join(root, 'there/sub dir/ü'))).mtime).toEqual(time);
    expect((await readdir(path.join(local, 'back/sub dir'))).sort()).toEqual([...names].sort());
    for (const name of names) {
      expect(await readFile(path.join(local, 'back/sub dir', name), 'utf8')).toBe(name);
    }
    await lftp(place, 'mv "there/sub dir/ü" "there/ß"', 'chmod 600 there/ß', 'rm -r "there/sub dir"');
    expect(await readdir(path.join(root, 'there'))).toEqual(['ß']);
    expect((await stat(path.join(root, 'there/ß'))).mode & 0o777).toBe(0o600);
  });
  it('uses a character set of its own', async (test) => {
    const { root, place } = await serve(test, { charset: 'shift_jis' });
    await writeFile(path.join(place.local, 'up'), 'x');
    await lftp(
      place,
      'set ftp:use-utf8 no',
      'set ftp:charset shift_jis',
      'put up -o 表示',
      'mkdir ソ',
      'cd ソ',
      'put up',
    );
    expect((await readdir(root, { recursive: true })).sort()).toEqual(['ソ', 'ソ/up', '表示']);
    const list = await lftp(place, 'set ftp:use-utf8 no', 'set ftp:charset shift_jis', 'cls -1');
    expect(list).toContain('表示');
    // With UTF-8, which it asks for by OPTS.
    expect(await lftp(place, 'cls -1')).toContain('表示');
  });
});

describe.skipIf(!isInstalled('python3'))('ftplib', { timeout: 60_000 }, () => {
  it('aborts with urgent data, and goes on', async (test) => {
    const { root, place } = await serve(test);
    await writeFile(path.join(root, 'f'), Buffer.alloc(50_000_000));
    const said = await python(
      place,
      "ftp.voidcmd('TYPE I')",
      "data = ftp.transfercmd('RETR f')",
      'data.recv(1000)',
      // Its own expectation of the reply differs: some servers send one, RFC 959 says two.
      'print(ftp.abort())',
      'data.close()',
      'print(ftp.getresp())',
      'print(ftp.pwd())',
    );
    expect(said).toMatch(/^426 Transfer aborted\n226 .*\n\/\n$/);
  });
  it('reads and writes text', async (test) => {
    const { root, place } = await serve(test);
    await writeFile(path.join(root, 'f'), 'one\ntwo\n');
    await writeFile(path.join(place.local, 'up'), 'three\nfour\n');
    const said = await python(
      place,
      "ftp.retrlines('RETR f')",
      "ftp.storlines('STOR g', open('up', 'rb'))",
      "print(ftp.sendcmd('MLST g'))",
    );
    expect(said).toContain('one\ntwo\n');
    expect(said).toContain('size=11;');
    expect(await readFile(path.join(root, 'g'), 'utf8')).toBe('three\nfour\n');
  });
});

describe.skipIf(!isInstalled('lftp'))('lftp', { timeout: 60_000 }, () => {
  it('reports an upload as failed, whatever the words of the error', async (test) => {
    const lost = new StoreError('unavailable', 'client_loop: send disconnect: Broken pipe');
    const broken: FileSink = {
      write: async () => {},
      finish: () => Promise.reject(lost),
      abort: async () => {},
    };
    const store = stubStore({ openWrite: async () => broken });
    const { host, port } = await serveStore(test, store);
    const place: Place = { host, port, active: false, local: await tempFolder(test) };
    await writeFile(path.join(place.local, 'up'), CONTENT);
    await expect(lftp(place, 'set net:reconnect-interval-base 1', 'put up -o f')).rejects.toThrow(
      'ended with 1',
    );
  });
});

describe.skipIf(!isInstalled('ncftp'))('ncftp', { timeout: 60_000 }, () => {
  it('mirrors both ways, and resumes a download', async (test) => {
    const { place } = await serve(test);
    const { local } = place;
    await mkdir(path.join(local, 'tree/sub'), { recursive: true });
    await writeFile(path.join(local, 'tree/sub/f'), CONTENT);
    await ncftp(place, 'put', '-R', place.host, '/', 'tree');
    await mkdir(path.join(local, 'back'));
    await ncftp(place, 'get', '-R', place.host, 'back', '/tree');
    expect((await readFile(path.join(local, 'back/tree/sub/f'))).equals(CONTENT)).toBe(true);
    await writeFile(path.join(local, 'f'), BEGINNING);
    await ncftp(place, 'get', '-z', place.host, '.', '/tree/sub/f');
    expect((await readFile(path.join(local, 'f'))).equals(CONTENT)).toBe(true);
  });
});

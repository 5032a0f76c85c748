import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { describeWith, run } from '../../support/openssh.ts';
import { RawClient } from '../../support/raw-client.ts';
import { sshdWithSftp } from '../../support/sftp-forward.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';
import { SSHD } from '../../support/sshd.ts';

const TEST = { onTestFinished };
const MiB = 1024 * 1024;

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describeWith([SSHD, SFTP_SERVER, 'ssh-keygen', 'curl', 'lftp'], 'FTP before a folder behind SFTP', () => {
  const { file, serve } = sshdWithSftp();
  const url = (port: number, name = '') => `ftp://me:any@127.0.0.1:${port}/${name}`;
  const curl = (...args: string[]) => run('curl', ['-sS', '--max-time', '60', ...args]);
  const lftp = (port: number, script: string) =>
    run('lftp', [
      '-c',
      `set net:max-retries 1; set net:timeout 20; open -u me,any 127.0.0.1:${port}; ${script}`,
    ]);

  async function connect(port: number): Promise<RawClient> {
    const client = await RawClient.connect(TEST, { host: '127.0.0.1', port });
    expect(await client.reply()).toMatch(/^220 /);
    for (const line of ['USER me', 'PASS any', 'TYPE I']) expect(await client.command(line)).toMatch(/^[23]/);
    return client;
  }

  it('curl lists, gets, puts and resumes, passive and active, with any names', {
    timeout: 120_000,
  }, async () => {
    const { folder, port } = await serve();
    const bytes = randomBytes(8 * MiB + 17);
    const from = file('from');
    const to = file('to');
    await writeFile(from, bytes);
    await mkdir(`${folder}/sub`);
    for (const name of ['plain.bin', 'größe 日本.bin']) {
      const there = url(port, encodeURIComponent(name));
      for (const mode of [['--ftp-pasv'], ['--ftp-port', '-']]) {
        await curl(...mode, '-T', from, there);
        expect(digest(await readFile(path.join(folder, name)))).toBe(digest(bytes));
        await curl(...mode, '-o', to, there);
        expect(digest(await readFile(to))).toBe(digest(bytes));
      }
    }
    expect(await curl(url(port))).toMatch(/^drwx.* sub\r?$/m);
    expect((await curl('-l', url(port))).split(/\r?\n/).filter(Boolean).sort()).toEqual(
      ['größe 日本.bin', 'plain.bin', 'sub'].sort(),
    );
    await writeFile(to, bytes.subarray(0, 3 * MiB));
    await curl('-C', '-', '-o', to, url(port, 'plain.bin'));
    expect(digest(await readFile(to))).toBe(digest(bytes));
    await writeFile(path.join(folder, 'half'), bytes.subarray(0, 3 * MiB));
    await curl('-C', '-', '-T', from, url(port, 'half'));
    expect(digest(await readFile(path.join(folder, 'half')))).toBe(digest(bytes));
    expect((await readdir(folder)).sort()).toEqual(['größe 日本.bin', 'half', 'plain.bin', 'sub'].sort());
  });

  it('lftp mirrors both ways, with times, and deletes', { timeout: 120_000 }, async () => {
    const { folder, port } = await serve();
    await mkdir(`${folder}/tree/deep`, { recursive: true });
    for (let i = 0; i < 30; i++) await writeFile(`${folder}/tree/deep/f${i}`, `content ${i}`);
    await utimes(`${folder}/tree/deep/f1`, 1_000_000_000, 1_000_000_000);
    const local = file('mirror');
    await lftp(port, `mirror tree ${local}`);
    expect((await readdir(`${local}/deep`)).length).toBe(30);
    expect((await stat(`${local}/deep/f1`)).mtimeMs).toBe(1_000_000_000_000);
    await lftp(port, `mirror -R ${local} back`);
    expect(await readFile(`${folder}/back/deep/f7`, 'utf8')).toBe('content 7');
    await lftp(port, 'rm -r back; mv tree renamed');
    expect(await readdir(folder)).toEqual(['renamed']);
  });

  it('lists many links, without a warning of the runtime', { timeout: 60_000 }, async () => {
    const server = await serve();
    await writeFile(`${server.folder}/file`, 'content');
    for (let i = 0; i < 40; i++) await symlink('file', `${server.folder}/link${i}`);
    const lines = (await curl(url(server.port))).split('\n').filter((line) => / link\d+/.test(line));
    expect(lines).toHaveLength(40);
    expect(server.log()).not.toMatch(/Warning/);
  });

  it('an upload that is aborted leaves what has arrived, and can be resumed', {
    timeout: 60_000,
  }, async () => {
    const { folder, port } = await serve();
    const client = await connect(port);
    const data = await client.data(await client.passive());
    expect(await client.command('STOR f')).toMatch(/^150/);
    const bytes = randomBytes(2 * MiB);
    data.write(bytes);
    await vi.waitFor(
      async () => {
        const [name = ''] = await readdir(folder);
        expect(name).toMatch(/^\.sshferry-/);
        expect((await stat(path.join(folder, name))).size).toBe(bytes.length);
      },
      { timeout: 20_000 },
    );
    expect(await client.command('ABOR')).toMatch(/^426/);
    expect(await client.reply()).toMatch(/^226/);
    const kept = await readFile(`${folder}/f`);
    expect(bytes.subarray(0, kept.length).equals(kept)).toBe(true);
    expect(await readdir(folder)).toEqual(['f']);
    expect(await client.command('SIZE f')).toBe(`213 ${kept.length}`);
    const from = file('resumed');
    await writeFile(from, bytes);
    await curl('-C', '-', '-T', from, url(port, 'f'));
    expect((await readFile(`${folder}/f`)).equals(bytes)).toBe(true);
  });

  it('SSH lost during an upload and a download: 426, and both go on after it', {
    timeout: 90_000,
  }, async () => {
    const { folder, port, cut, said } = await serve('-o', 'DataConnections=0');
    await writeFile(`${folder}/big`, Buffer.alloc(64 * MiB, 1));
    const [up, down] = [await connect(port), await connect(port)];
    const [upData, downData] = [await up.data(await up.passive()), await down.data(await down.passive())];
    expect(await up.command('STOR f')).toMatch(/^150/);
    expect(await down.command('RETR big')).toMatch(/^150/);
    const bytes = randomBytes(MiB);
    upData.write(bytes);
    await vi.waitFor(
      async () => {
        const name = (await readdir(folder)).find((entry) => entry.startsWith('.sshferry-')) ?? '';
        expect((await stat(path.join(folder, name))).size).toBe(bytes.length);
      },
      { timeout: 20_000 },
    );
    cut();
    upData.end();
    const [ending, replies] = await Promise.all([downData.rest(), Promise.all([up.reply(), down.reply()])]);
    expect(ending.bytes.length).toBeLessThan(64 * MiB);
    for (const reply of replies) expect(reply).toMatch(/^4(26|51)/);
    await said('transport.state', /connected again/);
    await vi.waitFor(async () => expect((await readdir(folder)).sort()).toEqual(['big', 'f']), {
      timeout: 20_000,
    });
    const kept = await readFile(`${folder}/f`);
    expect(bytes.subarray(0, kept.length).equals(kept)).toBe(true);
    // The same sessions go on, over the new connection.
    expect(await up.command('SIZE big')).toBe(`213 ${64 * MiB}`);
    expect(await down.command('MKD new')).toMatch(/^257/);
  });

  it('a client cannot leave the folder', async () => {
    const { folder, outside, port } = await serve();
    await writeFile(`${outside}/secret`, 'secret');
    await utimes(`${outside}/secret`, 1_000_000_000, 1_000_000_000);
    await symlink(outside, `${folder}/out`);
    await symlink(`${outside}/secret`, `${folder}/link`);
    const client = await connect(port);
    const names = [
      `../${path.basename(outside)}/secret`,
      `/../../${outside}/secret`,
      `${outside}/secret`,
      'out/secret',
      'link',
      './out/../out/secret',
    ];
    for (const name of names)
      for (const verb of ['SIZE', 'MDTM', 'RETR', 'APPE', 'STOR', 'DELE', 'RNFR', 'CWD', 'SITE CHMOD 777']) {
        // The link itself can be seen and removed, with a time of its own.
        if (name === 'link' && ['MDTM', 'DELE', 'RNFR'].includes(verb)) continue;
        await client.passive();
        expect(await client.command(`${verb} ${name}`), `${verb} ${name}`).toMatch(/^5/);
      }
    expect(await client.command('MDTM link')).toMatch(/^213 20(?!01)/);
    expect(await readFile(`${outside}/secret`, 'utf8')).toBe('secret');
    expect(await readdir(outside)).toEqual(['secret']);
    expect((await readdir(folder)).sort()).toEqual(['link', 'out']);
  });

  it('a web page’s request and TLS are refused', async () => {
    const { port, folder } = await serve();
    for (const words of [
      'POST / HTTP/1.1\r\nHost: x\r\n\r\nUSER a\r\nPASS b\r\nMKD hacked\r\n',
      '\x16\x03\x01\x02',
    ]) {
      const client = await RawClient.connect(TEST, { host: '127.0.0.1', port });
      client.control.write(words);
      expect((await client.control.rest()).bytes.toString()).toMatch(/^(220 .*\r\n)?(421 |HTTP\/1.1 400 )/);
    }
    expect(await readdir(folder)).toEqual([]);
  });

  it('read-only and upload-only', async () => {
    const readOnly = await serve('-o', 'FtpAccess=read-only');
    await writeFile(`${readOnly.folder}/f`, 'x');
    expect(await curl(url(readOnly.port, 'f'))).toBe('x');
    await expect(curl('-T', file('known_hosts'), url(readOnly.port, 'g'))).rejects.toThrow();
    const uploads = await serve('-o', 'FtpAccess=upload-only');
    await writeFile(`${uploads.folder}/f`, 'x');
    await expect(curl(url(uploads.port, 'f'))).rejects.toThrow();
    await curl('-T', file('known_hosts'), url(uploads.port, 'g'));
    expect((await readdir(uploads.folder)).sort()).toEqual(['f', 'g']);
  });
});

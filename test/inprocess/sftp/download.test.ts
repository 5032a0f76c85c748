import { appendFile, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { ByteBudget } from '../../../src/sftp/download/byte-budget.ts';
import type { FileReader } from '../../../src/sftp/download/file-reader.ts';
import { DelayedChannel } from '../../support/delayed-channel.ts';
import { describeWith } from '../../support/openssh.ts';
import { realClient } from '../../support/real-sftp.ts';
import { pattern, readAll } from '../../support/sftp-client.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';

const MiB = 1024 * 1024;

/** Memory outside V8's heap that is in use, in bytes. */
function externalMemory(): number {
  globalThis.gc?.();
  return process.memoryUsage().arrayBuffers;
}

/** Reads a part, then changes the file, then reads on. */
async function readWith(reader: FileReader, change: () => Promise<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of reader) {
    if (chunks.length === 0) await change();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

describeWith([SFTP_SERVER], 'downloads from OpenSSH’s sftp-server', () => {
  it.each([0, 1, 261_119, 261_120, 261_121, 5 * MiB + 3])('%d bytes', async (size) => {
    const { client, at, folder } = await realClient();
    const content = pattern(size);
    await writeFile(`${folder}/file`, content);
    expect((await readAll(client.read(at('file')))).equals(content)).toBe(true);
    expect(
      (await readAll(client.read(at('file'), { offset: Math.floor(size / 3), length: 1000 }))).equals(
        content.subarray(Math.floor(size / 3), Math.floor(size / 3) + 1000),
      ),
    ).toBe(true);
  });

  it('a file of /proc, which has content but no size', async () => {
    const { client } = await realClient();
    const found = await readAll(client.read(Buffer.from('/proc/filesystems')));
    expect(found).toEqual(await readFile('/proc/filesystems'));
    expect(found.length).toBeGreaterThan(0);
  });

  it('through a link', async () => {
    const { client, at, folder } = await realClient();
    await writeFile(`${folder}/file`, 'content');
    await symlink('file', `${folder}/link`);
    expect((await readAll(client.read(at('link')))).toString()).toBe('content');
  });

  it.each([
    ['a folder', '', 'is-directory'],
    ['a device', '/dev/null', 'not-a-file'],
  ])('refuses %s', async (_what, name, fault) => {
    const { client, at } = await realClient();
    const path = name === '' ? at('') : Buffer.from(name);
    await expect(readAll(client.read(path))).rejects.toMatchObject({ fault });
  });

  it('fails when the file becomes shorter or longer meanwhile', async () => {
    const { client, at, folder } = await realClient();
    const content = pattern(20 * MiB);
    const file = `${folder}/file`;
    await writeFile(file, content);
    await expect(readWith(client.read(at('file')), () => truncate(file, 10 * MiB))).rejects.toThrow(
      'the file became shorter while it was read',
    );
    await writeFile(file, content);
    await expect(readWith(client.read(at('file')), () => appendFile(file, 'more'))).rejects.toThrow(
      'the file became longer while it was read',
    );
    const found = await readWith(client.read(at('file'), { onGrowth: 'stop' }), () =>
      appendFile(file, 'more'),
    );
    expect(found.length).toBe(20 * MiB + 4);
  });

  it('fails when the server is killed in the middle', async () => {
    const { client, at, folder, channels } = await realClient();
    await writeFile(`${folder}/file`, pattern(20 * MiB));
    const reading = readWith(client.read(at('file')), async () => channels[0]?.process.kill('SIGKILL'));
    await expect(reading).rejects.toThrow(/^the SFTP (server ended the session|session broke)/);
  });

  it('over a long line grow their window; a reader that then stalls holds that and less than 2 MiB', async () => {
    const budget = new ByteBudget(64 * MiB);
    const { client, at, folder } = await realClient({ wrap: (it) => new DelayedChannel(it, { oneWay: 40 }) });
    await writeFile(`${folder}/file`, pattern(1024));
    await truncate(`${folder}/file`, 200 * MiB);
    const reader = client.read(at('file'), { budget });
    reader.on('error', () => {});
    let taken = 0;
    for await (const chunk of reader.iterator({ destroyOnReturn: false })) {
      taken += chunk.length;
      if (taken > 60 * MiB) break;
    }
    // What the iterator has taken out may ask for a little more.
    await delay(50);
    const grown = budget.taken;
    expect(grown).toBeGreaterThan(2.5 * MiB);
    expect(grown).toBeLessThanOrEqual(16 * MiB);
    const before = externalMemory();
    // All that was asked for arrives, and nothing more.
    await delay(300);
    expect(budget.taken).toBe(grown);
    expect(externalMemory() - before).toBeLessThanOrEqual(grown + 2 * MiB);
    reader.destroy();
    await expect.poll(() => budget.taken).toBe(0);
  });

  it('many stalled ones share one budget, and all go on', async () => {
    const budget = new ByteBudget(8 * MiB);
    const { client, at, folder } = await realClient();
    const content = pattern(3 * MiB);
    await writeFile(`${folder}/file`, content);
    const readers = Array.from({ length: 40 }, () => client.read(at('file'), { budget }));
    await Promise.all(readers.map(({ opened }) => opened));
    await delay(100);
    expect(budget.taken).toBeLessThanOrEqual(8 * MiB);
    expect(client.sessions).toBeLessThanOrEqual(8);
    const found = await Promise.all(readers.map(readAll));
    expect(found.every((bytes) => bytes.equals(content))).toBe(true);
    expect(budget.taken).toBe(0);
  });

  it('a slow reader gets all of it', async () => {
    const { client, at, folder } = await realClient();
    const content = pattern(6 * MiB);
    await writeFile(`${folder}/file`, content);
    const chunks: Buffer[] = [];
    const slow = new Writable({
      highWaterMark: 1,
      write(chunk: Buffer, _encoding, callback) {
        chunks.push(chunk);
        setTimeout(callback, 1);
      },
    });
    await pipeline(client.read(at('file')), slow);
    expect(Buffer.concat(chunks).equals(content)).toBe(true);
  });

  it('a primed file is there when it is asked for', async () => {
    const { client, at, folder } = await realClient();
    await writeFile(`${folder}/file`, 'content');
    const primed = client.prime(at('file'));
    expect((await primed.attributes).size).toBe(7);
    const reader = primed.take();
    expect(reader && (await readAll(reader)).toString()).toBe('content');
    client.prime(at('file')).drop();
    expect((await readFile(`${folder}/file`)).length).toBe(7);
  });
});

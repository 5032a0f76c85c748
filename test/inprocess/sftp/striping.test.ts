import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { DelayedChannel } from '../../support/delayed-channel.ts';
import { describeWith } from '../../support/openssh.ts';
import { type RealOptions, realClient } from '../../support/real-sftp.ts';
import { pattern } from '../../support/sftp-client.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';

const MiB = 1024 * 1024;

/** Uploads over a line of 80 ms; each channel has a window of 2 MiB, as sshd gives. */
async function upload(size: number, options: RealOptions = {}) {
  const made: DelayedChannel[] = [];
  const wrap: RealOptions['wrap'] = (inner) => {
    const channel = new DelayedChannel(inner, { oneWay: 40 });
    made.push(channel);
    return channel;
  };
  const real = await realClient({ wrap, ...options });
  const content = pattern(size);
  const sent = real.client.upload(real.at('file'));
  sent.stream.end(content);
  await sent.finish();
  expect((await readFile(`${real.folder}/file`)).equals(content)).toBe(true);
  expect(await readdir(real.folder)).toEqual(['file']);
  return { ...real, channels: sent.channels, made };
}

describeWith([SFTP_SERVER], 'an upload over a long line', () => {
  it('uses several channels for one file, each with a window of its own', async () => {
    const { channels, made } = await upload(48 * MiB);
    expect(channels).toBeGreaterThanOrEqual(4);
    expect(channels).toBeLessThanOrEqual(8);
    expect(made.filter(({ mostOnTheWay }) => mostOnTheWay > MiB).length).toBeGreaterThanOrEqual(2);
  });

  it('uses one channel for a file that is not worth more', async () => {
    const { channels } = await upload(3 * MiB);
    expect(channels).toBe(1);
  });

  it.each<[string, NonNullable<RealOptions['client']>]>([
    ['towards another server', { software: () => 'ProFTPD' }],
    ['towards a server that does not say who it is', { software: () => undefined }],
    ['if it is turned off', { striping: 'never' }],
    ['where there may be one channel', { mostChannels: 1 }],
  ])('uses one channel %s', async (_when, client) => {
    const { channels, made } = await upload(12 * MiB, { client });
    expect(channels).toBe(1);
    expect(made).toHaveLength(1);
  });

  it('uses as many as the server allows, and says so', async () => {
    let open = 0;
    const real = await realClient({ wrap: (inner) => new DelayedChannel(inner, { oneWay: 40 }) });
    const { client, remarks } = await realClient({
      client: {
        openChannel: async () => {
          if (open >= 3) throw new Error('open failed');
          open += 1;
          return real.connect();
        },
      },
    });
    const content = pattern(32 * MiB);
    const sent = client.upload(real.at('file'));
    // On a busy machine it takes more bytes until further channels are worth it.
    const parts: Buffer[] = [];
    while (parts.length < 8 && (parts.length === 0 || remarks.length === 0)) {
      parts.push(content);
      if (!sent.stream.write(content)) await once(sent.stream, 'drain');
    }
    sent.stream.end();
    await sent.finish();
    expect(sent.channels).toBe(3);
    expect(remarks).toEqual(['fewer-channels']);
    expect((await readFile(`${real.folder}/file`)).equals(Buffer.concat(parts))).toBe(true);
  });

  it('is seen by nobody before it is whole, and has no hole then', async () => {
    const { client, at, folder } = await realClient({
      wrap: (inner) => new DelayedChannel(inner, { oneWay: 40 }),
    });
    const content = pattern(32 * MiB);
    const sent = client.upload(at('file'));
    const seen = new Set<string>();
    let over = false;
    const watching = (async () => {
      while (!over) for (const name of await readdir(folder)) seen.add(name.replace(/[0-9a-f]{18}/, '…'));
    })();
    sent.stream.write(content);
    await expect.poll(() => sent.channels, { timeout: 20_000 }).toBeGreaterThan(1);
    expect([...seen]).toEqual(['.sshferry-….part']);
    sent.stream.end();
    await sent.finish();
    over = true;
    await watching;
    expect((await readFile(`${folder}/file`)).equals(content)).toBe(true);
  });
});

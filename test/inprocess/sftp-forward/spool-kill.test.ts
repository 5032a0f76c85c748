import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { describeWith } from '../../support/openssh.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';
import { sshdWithSpool } from '../../support/spool-forward.ts';
import { SSHD } from '../../support/sshd.ts';

/** How many rounds of kills there are. */
const KILLS = Number(process.env.SSHFERRY_SPOOL_KILLS ?? 3);
const FILES = 25;
/** What is killed in a round, by turns. */
const TARGETS = ['sshferry, delivering', 'sshd', 'sshferry, taking uploads', 'both'] as const;

interface Logged {
  lines(): { readonly event: string; readonly msg: string }[];
}
const count = ({ lines }: Logged, name: string, words = /(?:)/) =>
  lines().filter(({ event, msg }) => event === name && words.test(msg)).length;
const delivered = (sshferry: Logged) => count(sshferry, 'spool.delivered');

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describeWith([SSHD, SFTP_SERVER, 'ssh-keygen'], 'A spool whose process or server is killed', () => {
  const { start, connect, killSshd } = sshdWithSpool();

  it(`${KILLS} times at random moments: each file that was confirmed arrives whole, once, and nothing else does`, {
    timeout: 120_000 + KILLS * 100_000,
  }, async () => {
    const first = await start();
    let served: Omit<typeof first, 'again'> = first;
    const { folder, outside } = served;
    const sent = new Map<string, string>();
    const confirmed = new Set<string>();
    const taken: string[] = [];

    /** A program at the server takes files away as soon as they have their names. */
    const consumer = new AbortController();
    const consuming = (async () => {
      while (!consumer.signal.aborted) {
        for (const name of await readdir(folder)) {
          if (name.startsWith('.sshferry-')) continue;
          taken.push(name);
          await rename(path.join(folder, name), path.join(outside, `${name}.${taken.length}`));
        }
        await delay(5);
      }
    })();

    /** Uploads until the process is killed. */
    async function uploadAll(round: number): Promise<void> {
      const client = await connect(served.port);
      for (let i = 0; i < FILES; i++) {
        const name = `f${round}-${i}`;
        const bytes = randomBytes(1 + Math.floor(Math.random() * 200_000));
        sent.set(name, digest(bytes));
        const data = await client.data(await client.passive());
        if (!(await client.command(`STOR ${name}`)).startsWith('150')) continue;
        data.end(bytes);
        if ((await client.reply()).startsWith('226')) confirmed.add(name);
      }
    }

    /** Kills sshd's processes; settles when sshferry is connected again. */
    async function loseSshd(sshferry: typeof served): Promise<void> {
      const times = count(sshferry, 'transport.state', /is connected/);
      await killSshd();
      await sshferry.said('transport.state', /is connected/, times + 1);
    }

    try {
      for (let round = 0; round < KILLS; round++) {
        const target = TARGETS[round % TARGETS.length];
        await served.down();
        const uploading = uploadAll(round);
        uploading.catch(() => {});
        if (target === 'sshferry, taking uploads') await delay(Math.random() * 1500);
        else {
          await uploading;
          served.relay.open = true;
          const before = delivered(served);
          const some = () => Math.floor(Math.random() * FILES * 0.4);
          await served.said('spool.delivered', /./, before + 1 + some());
          await delay(Math.random() * 30);
          if (target === 'sshd') {
            // It goes on by itself, is interrupted once more, and delivers all.
            await loseSshd(served);
            const more = delivered(served) + 1 + some();
            await served.said('spool.delivered', /./, Math.min(before + FILES, more));
            await delay(Math.random() * 30);
            await loseSshd(served);
            await expect.poll(() => served.held(), { timeout: 90_000 }).toEqual([]);
            continue;
          }
          if (target === 'both') {
            await killSshd();
            await delay(Math.random() * 2500);
          }
        }
        served.child.kill('SIGKILL');
        await served.ended;
        await uploading.catch(() => {});
        served.relay.open = true;
        served = await first.again();
      }
      await expect.poll(() => served.held(), { timeout: 60_000 }).toEqual([]);
    } finally {
      consumer.abort();
      await consuming;
    }
    for (const name of await readdir(folder)) if (!name.startsWith('.sshferry-')) taken.push(name);
    expect(confirmed.size).toBeGreaterThan(0);
    expect(new Set(taken).size, 'no file twice').toBe(taken.length);
    expect(
      [...confirmed].filter((name) => !taken.includes(name)),
      'no file is lost',
    ).toEqual([]);
    for (const name of await readdir(outside))
      expect(digest(await readFile(path.join(outside, name))), name).toBe(
        sent.get(name.replace(/\.\d+$/, '')),
      );
  });
});

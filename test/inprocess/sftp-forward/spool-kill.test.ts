import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { describeWith } from '../../support/openssh.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';
import { sshdWithSpool } from '../../support/spool-forward.ts';
import { SSHD } from '../../support/sshd.ts';

/** How often sshferry is killed. */
const KILLS = Number(process.env.SSHFERRY_SPOOL_KILLS ?? 3);
const FILES = 25;

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describeWith([SSHD, SFTP_SERVER, 'ssh-keygen'], 'A spool whose process is killed', () => {
  const { start, connect } = sshdWithSpool();

  it(`at ${KILLS} random moments: each file that was confirmed arrives whole, once, and nothing else does`, {
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

    try {
      for (let round = 0; round < KILLS; round++) {
        await served.down();
        const uploading = uploadAll(round);
        uploading.catch(() => {});
        // Every third time it is killed while it takes uploads, else while it delivers them.
        if (round % 3 === 2) await delay(Math.random() * 1500);
        else {
          await uploading;
          served.relay.open = true;
          await served.said('spool.delivered', /./, 1 + Math.floor(Math.random() * FILES * 0.8));
          await delay(Math.random() * 30);
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

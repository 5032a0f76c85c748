import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { SftpClient } from '../../../src/sftp/client.ts';
import type { Abandoned } from '../../../src/sftp/upload/upload.ts';
import { DelayedChannel } from '../../support/delayed-channel.ts';
import { describeWith } from '../../support/openssh.ts';
import { seeded } from '../../support/random.ts';
import { realClient } from '../../support/real-sftp.ts';
import { pattern } from '../../support/sftp-client.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';

const MiB = 1024 * 1024;
const CUTS = Number(process.env.SSHFERRY_CUTS ?? 12);
const SEED = Number(process.env.SSHFERRY_SEED ?? 1);

/** Uploads, and has `cut` called somewhere on the way; resolves to how it ended. */
async function uploadCut(
  client: SftpClient,
  path: Buffer,
  content: Buffer,
  options: { at: number; keepPartial: boolean; cut: () => boolean },
): Promise<{ whole: boolean; outcome: Abandoned | null }> {
  const { at, keepPartial, cut } = options;
  const upload = client.upload(path, { keepPartial });
  upload.stream.end(content);
  const finished = upload.finish().then(
    () => true,
    () => false,
  );
  let over = false;
  void finished.then(() => {
    over = true;
  });
  while (!over && upload.acknowledged < at) await delay(1);
  // The client goes, or the connection does.
  if (!cut()) return { whole: false, outcome: await settled(upload) };
  const whole = await finished;
  return { whole, outcome: whole ? null : await settled(upload) };
}

async function settled(upload: { abandon(): Promise<Abandoned> }): Promise<Abandoned> {
  for (;;) {
    const outcome = await upload.abandon();
    if (outcome.state !== 'unsettled') return outcome;
    await delay(20);
  }
}

describeWith([SFTP_SERVER], `uploads that are cut (${CUTS} each, seed ${SEED})`, () => {
  it.each([
    ['in one channel', 0, 1 * MiB],
    ['over several channels', 25, 24 * MiB],
  ])(
    '%s leave a whole file, what is contiguous, or what was there',
    { timeout: 60_000 * CUTS },
    async (_how, oneWay, size) => {
      const next = seeded(SEED + oneWay);
      const content = pattern(size);
      const states: Record<string, number> = {};
      for (let i = 0; i < CUTS; i++) {
        const kind = ['kill all', 'kill one', 'client'][Math.floor(next() * 3)] ?? 'client';
        const keepPartial = next() < 0.7;
        const overwrites = next() < 0.5;
        const { client, at, folder, channels } = await realClient({
          wrap: (inner) => (oneWay > 0 ? new DelayedChannel(inner, { oneWay }) : inner),
        });
        if (overwrites) await writeFile(`${folder}/file`, 'old content');
        const cut = () => {
          const open = channels.filter(({ destroyed }) => !destroyed);
          const victims = kind === 'kill all' ? open : kind === 'kill one' ? open.slice(-1) : [];
          for (const { process } of victims) process.kill('SIGKILL');
          return kind !== 'client';
        };
        const { whole, outcome } = await uploadCut(client, at('file'), content, {
          at: Math.floor(next() * size),
          keepPartial,
          cut,
        });
        const about = `${kind}, keepPartial ${keepPartial}, overwrites ${overwrites}, ${JSON.stringify(outcome)}`;
        states[outcome?.state ?? 'whole'] = (states[outcome?.state ?? 'whole'] ?? 0) + 1;
        const names = await readdir(folder);
        expect(
          names.filter((name) => name !== 'file'),
          about,
        ).toEqual([]);
        const found = names.includes('file') ? await readFile(`${folder}/file`) : null;
        if (whole) expect(found?.equals(content), about).toBe(true);
        else if (outcome?.state === 'kept') {
          expect(found?.length, about).toBe(outcome.bytes);
          expect(found?.equals(content.subarray(0, outcome.bytes)), about).toBe(true);
          // What was kept can be resumed.
          const rest = client.upload(at('file'), { mode: { resumeAt: outcome.bytes } });
          rest.stream.end(content.subarray(outcome.bytes));
          await rest.finish();
          expect((await readFile(`${folder}/file`)).equals(content), about).toBe(true);
          expect((await stat(`${folder}/file`)).size).toBe(size);
        } else {
          expect(outcome?.state, about).toBe('unchanged');
          expect(found?.toString(), about).toBe(overwrites ? 'old content' : undefined);
        }
        client.close();
      }
      expect(Object.values(states).reduce((a, b) => a + b)).toBe(CUTS);
    },
  );
});

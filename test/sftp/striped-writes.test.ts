import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OpenFlag, StatusCode } from '../../src/sftp/codec/protocol.ts';
import type { SftpSession } from '../../src/sftp/session/session.ts';
import { type OpenFile, StripedWrites } from '../../src/sftp/upload/striped-writes.ts';
import { MemoryFiles } from '../support/memory-sftp-server.ts';
import { memoryPool, pattern } from '../support/sftp-client.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const path = Buffer.from('/in/file');
const NAME = '/in/file';

describe('StripedWrites that are halted', () => {
  /**
   * Writes over sessions whose WRITEs are answered late, in any order among them, and some not with
   * OK.
   */
  async function run(choices: Iterator<number>, sessions: number) {
    const next = (limit: number) => (choices.next().value as number) % limit;
    const files = new MemoryFiles();
    files.put(NAME, '');
    const { pool } = memoryPool(files, {
      schedule: (answer, { name }) => {
        if (name === 'WRITE') setTimeout(answer, next(8));
        else answer();
      },
      intercept: ({ name, id }, server) => {
        const fails = name === 'WRITE' && next(60) === 0;
        if (fails) setTimeout(() => server.status(id, StatusCode.FAILURE), next(8));
        return fails;
      },
    });
    const used = new Set<SftpSession>();
    const opened: OpenFile[] = [];
    for (let i = 0; i < sessions; i++) {
      const lease = i === 0 ? await pool.lease() : await pool.another(used);
      if (lease === null) throw new Error('no session');
      used.add(lease.session);
      opened.push({ lease, handle: await lease.session.open(path, OpenFlag.WRITE), path, offset: 0 });
    }
    return { files, pool, opened, next };
  }

  it('know exactly the prefix that is in the file', () =>
    fc.assert(
      fc.asyncProperty(
        fc.infiniteStream(fc.nat(1_000_000)),
        fc.integer({ min: 1, max: 5 }),
        async (choices, most) => {
          const { files, pool, opened, next } = await run(choices, most);
          const content = pattern(MiB);
          const failures: Error[] = [];
          const writes = new StripedWrites(pool, opened as [OpenFile], {
            most,
            onError: (error) => failures.push(error),
            onRoom: () => {},
          });
          for (let at = 0; at < content.length; ) {
            const length = 1 + next(60 * KiB);
            writes.push(content.subarray(at, at + length));
            at += length;
            writes.pump();
            if (next(10) === 0) await delay(1);
            if (next(40) === 0) break;
          }
          await writes.halt(new Error('stopped'));
          const written = files.get(NAME)?.content ?? Buffer.alloc(0);
          expect(written.length).toBeGreaterThanOrEqual(writes.contiguous);
          const prefix = written.subarray(0, writes.contiguous);
          expect(prefix.equals(content.subarray(0, writes.contiguous))).toBe(true);
          expect(writes.unanswered).toBe(false);
          // Nothing comes after it.
          await delay(10);
          expect(files.get(NAME)?.content.equals(written)).toBe(true);
        },
      ),
      { numRuns: 25 },
    ));
});

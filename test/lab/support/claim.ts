import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, inject } from 'vitest';

/** How long the file before this one may take to leave its lab, in milliseconds. */
const PATIENCE = 60_000;

/**
 * vitest runs this before each test file. It claims a lab for the file alone, and releases it at
 * the end of the file. VITEST_POOL_ID would not do: two files that run at the same time can have
 * the same one, because vitest (4.1) frees the last numbers of one project when the next project
 * already uses them.
 */
const labs = inject('labs');
if (labs.length > 0) {
  const { index, file } = await claim();
  process.env.SSHFERRY_LAB = String(index);
  afterAll(() => rmSync(file, { force: true }));
}

async function claim(): Promise<{ index: number; file: string }> {
  for (const end = Date.now() + PATIENCE; Date.now() < end; await sleep(50)) {
    for (const [index, { folder }] of labs.entries()) {
      const file = join(folder, 'claimed');
      if (take(file)) return { index, file };
    }
  }
  throw new Error(`each of the ${labs.length} labs is in use by another test file`);
}

function take(file: string): boolean {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    // The worker that claimed it may have died.
    if (!isAlive(file)) rmSync(file, { force: true });
    return false;
  }
}

function isAlive(file: string): boolean {
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    // Empty: claimed at this moment.
    return pid === 0 || process.kill(pid, 0);
  } catch {
    return false;
  }
}

import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'vitest';

/** Makes a folder that goes with the test. */
export async function tempFolder(test: Pick<TestContext, 'onTestFinished'>): Promise<string> {
  const folder = await realpath(await mkdtemp(path.join(tmpdir(), 'sshferry-test-')));
  test.onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

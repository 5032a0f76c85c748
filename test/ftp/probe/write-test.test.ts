import { expect, it } from 'vitest';
import { type WriteTest, writeTest } from '../../../src/ftp/probe/write-test.ts';

it.each([
  ['read-only', 'nothing can be written'],
  ['upload-only', 'the test file could not be removed'],
] as const)('is skipped where access is %s, and says why', async (access, why) => {
  const done: string[] = [];
  const steps = {
    take: () => Promise.reject(new Error('nothing is tried')),
    skipped: (name: string, text: string) => void done.push(`${name}: ${text}`),
  };
  await writeTest({ access, steps } as unknown as WriteTest);
  expect(done).toEqual([`write: write test not tried: access is ${access}, so ${why}`]);
});

import { expect, test } from 'vitest';
import { hash } from '../../../src/cli/commands/hash.ts';
import type { Environment } from '../../../src/cli/environment.ts';
import { parsePasswordHash, verifyPassword } from '../../../src/ftp/server/io/password.ts';
import { Written } from '../fakes.ts';

async function hashed(answers: readonly string[] | null) {
  const rest = [...(answers ?? [])];
  const [stdout, stderr] = [new Written(), new Written()];
  const prompter = {
    interactive: answers !== null,
    ask: async () => rest.shift() ?? '',
    tell: () => {},
  };
  const environment = { stdout, stderr, prompter: () => prompter } as unknown as Environment;
  const status = await hash.run(hash.define(), environment);
  return { status, stdout: stdout.text, stderr: stderr.text };
}

test('hash writes a hash of the password, and nothing else', async () => {
  const { status, stdout, stderr } = await hashed(['geheim ß', 'geheim ß']);
  expect([status, stderr]).toEqual([0, '']);
  const parsed = parsePasswordHash(stdout.trim());
  expect(parsed && (await verifyPassword(Buffer.from('geheim ß'), parsed))).toBe(true);
  expect(parsed && (await verifyPassword(Buffer.from('other'), parsed))).toBe(false);
});

test.each([
  [['a', 'b'], 'the passwords differ'],
  [[''], 'the password is empty'],
  [null, 'no terminal to ask for the password on'],
])('hash refuses %o', async (answers, words) => {
  const { status, stdout, stderr } = await hashed(answers);
  expect([status, stdout]).toEqual([2, '']);
  expect(stderr).toContain(words);
});

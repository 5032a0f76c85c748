import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, it, type TestContext } from 'vitest';
import { notifyService } from '../../../src/cli/serve/service.ts';

/** A PATH with a systemd-notify that runs `script` and nothing else. */
async function fakeProgram(test: TestContext, script: string) {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-'));
  test.onTestFinished(() => rm(dir, { recursive: true }));
  const program = path.join(dir, 'systemd-notify');
  await writeFile(program, `#!/bin/sh\n${script}\n`);
  await chmod(program, 0o755);
  return { dir, env: { PATH: dir, NOTIFY_SOCKET: '/run/somewhere' } };
}

it('notifies systemd through systemd-notify', async (test) => {
  const { dir, env } = await fakeProgram(test, 'echo "$NOTIFY_SOCKET $*" > "$PATH/said"');
  for (const state of ['ready', 'stopping'] as const) {
    expect(await notifyService(state, env)).toBeNull();
    expect(await readFile(path.join(dir, 'said'), 'utf8')).toBe(`/run/somewhere ${state.toUpperCase()}=1\n`);
  }
});

it('does nothing without NOTIFY_SOCKET', async () => {
  expect(await notifyService('ready', { PATH: '/nonexistent' })).toBeNull();
});

it('returns the reason if systemd-notify is missing or fails', async (test) => {
  const { env } = await fakeProgram(test, 'exit 1');
  expect(await notifyService('ready', env)).toMatch(/^cannot notify systemd of the state "ready": /);
  expect(await notifyService('ready', { ...env, PATH: '/nonexistent' })).toMatch(/ENOENT/);
});

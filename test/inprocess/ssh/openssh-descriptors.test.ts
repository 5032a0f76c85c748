import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

/** Runs statements with 100 file descriptors, all of them taken. Returns the output. */
async function withoutDescriptors(statements: string, ...files: string[]): Promise<string> {
  const sources = files.map((file) =>
    fileURLToPath(new URL(`../../../src/core/ssh/${file}`, import.meta.url)),
  );
  const script = `
    import { closeSync, openSync } from 'node:fs';
    const [source] = await Promise.all(${JSON.stringify(sources)}.map((file) => import(file)));
    const taken = [];
    try {
      for (;;) taken.push(openSync('/dev/null'));
    } catch {}
    const release = () => taken.splice(0).forEach((fd) => closeSync(fd));
    ${statements}`;
  const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', script];
  const { stdout } = await promisify(execFile)('sh', ['-c', 'ulimit -n 100; exec "$@"', 'sh', ...node]);
  return stdout.trim();
}

it('ssh that cannot be started for lack of file descriptors has ended, with the reason', async () => {
  const statements = `
    const ssh = new source.SshProcess([], {}, '/nonexistent', { onLine() {}, onOutput() {} });
    release();
    console.log(await ssh.ended);
    await ssh.close();`;
  expect(await withoutDescriptors(statements, 'openssh/process.ts')).toBe('spawn /bin/sh EMFILE');
});

it('a version that cannot be read for lack of file descriptors may be read later', async () => {
  const statements = `
    const error = await source.opensshVersion().catch((error) => error);
    release();
    console.log(error.code, error.retryable);`;
  expect(await withoutDescriptors(statements, 'openssh/version.ts')).toBe('SSH_CONNECT true');
});

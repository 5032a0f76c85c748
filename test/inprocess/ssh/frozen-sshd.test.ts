import type { ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { prepareIdentities } from '../../../src/core/ssh/auth/identity.ts';
import { describeWith, makeKey, run } from '../../support/openssh.ts';
import { connectTo, silentLog, testOptions } from '../../support/ssh-login.ts';
import { SSHD, startSshd } from '../../support/sshd.ts';
import { listenTcp } from '../../support/tcp.ts';

describeWith([SSHD, 'ssh-keygen', 'pgrep'], 'a frozen sshd', () => {
  let dir: string;
  let sshd: { port: number; server: ChildProcess };
  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-frozen-'));
    await Promise.all([makeKey(path.join(dir, 'host')), makeKey(path.join(dir, 'id'))]);
    await writeFile(path.join(dir, 'authorized_keys'), await readFile(path.join(dir, 'id.pub')));
    sshd = await startSshd(dir);
  });
  afterAll(async () => {
    sshd.server.kill();
    await rm(dir, { recursive: true });
  });

  /** The processes that sshd has forked for its connections. */
  async function children(pid: number): Promise<number[]> {
    const own = (await run('pgrep', ['-P', String(pid)]).catch(() => ''))
      .split('\n')
      .filter(Boolean)
      .map(Number);
    return [...own, ...(await Promise.all(own.map(children))).flat()];
  }

  it('is named as the cause of a timeout, not the target, until it continues', async (test) => {
    const options = testOptions({
      port: sshd.port,
      user: os.userInfo().username,
      identityFile: [path.join(dir, 'id')],
      identityFileExplicit: true,
    });
    const ssh = await connectTo(sshd.port, options, {
      identities: await prepareIdentities(options, silentLog),
    });
    test.onTestFinished(() => ssh.close());
    const target = await listenTcp(test, (socket) => socket.write('220 ready\r\n'));
    const forked = await children(sshd.server.pid ?? 0);
    expect(forked).not.toEqual([]);
    for (const pid of forked) process.kill(pid, 'SIGSTOP');
    try {
      await expect(ssh.openStream(target, { timeout: 1000 })).rejects.toMatchObject({
        code: 'SSH_TIMEOUT',
        message: expect.stringMatching(/^the SSH connection to yourserver does not answer/),
      });
    } finally {
      for (const pid of forked) process.kill(pid, 'SIGCONT');
    }
    const stream = await ssh.openStream(target);
    const [greeting] = await stream.take(1).toArray();
    expect(String(greeting)).toBe('220 ready\r\n');
    stream.destroy();
  });
});

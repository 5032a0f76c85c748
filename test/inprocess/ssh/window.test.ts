import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { prepareIdentities } from '../../../src/core/ssh/auth/identity.ts';
import { OPENING_WINDOW } from '../../../src/core/ssh/connection/receive-window.ts';
import { describeWith, makeKey } from '../../support/openssh.ts';
import { connectTo, dialLate, silentLog, testOptions } from '../../support/ssh-login.ts';
import { SSHD, startSshd } from '../../support/sshd.ts';
import { listenTcp } from '../../support/tcp.ts';

const MiB = 1024 * 1024;
const LARGEST = 15 * MiB;
const WORDS = 'see src/core/ssh/ssh2/port.ts: it relies on fields of ssh2 1.17.0 that are not public';

/** What is kept in memory for the bytes that lie unread. */
function inMemory(stream: Duplex): number {
  const { readableBuffer } = stream as unknown as { readableBuffer: Iterable<Buffer> };
  const kept = new Set([...readableBuffer].map(({ buffer }) => buffer));
  return [...kept].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/**
 * The receive window as a real sshd takes it: a mistake of a byte would have it drop data, or stand
 * still for ever.
 */
describeWith([SSHD, 'ssh-keygen'], 'the receive window at a real sshd', () => {
  let dir: string;
  let server: ChildProcess;
  let port: number;

  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-window-'));
    await Promise.all([makeKey(path.join(dir, 'host')), makeKey(path.join(dir, 'id'))]);
    await writeFile(path.join(dir, 'authorized_keys'), await readFile(path.join(dir, 'id.pub')));
    ({ port, server } = await startSshd(dir));
  });
  afterAll(async () => {
    server.kill();
    await rm(dir, { recursive: true });
  });

  async function login() {
    const options = testOptions({
      port,
      user: os.userInfo().username,
      identityFile: [path.join(dir, 'id')],
      identityFileExplicit: true,
      identitiesOnly: true,
    });
    const identities = await prepareIdentities(options, silentLog);
    // On a shorter line the window need not grow.
    return connectTo(port, { ...options }, { identities, dial: dialLate(port, 100) });
  }

  /** Waits until no more arrives, and returns how much is unread. */
  async function stalled(stream: Duplex): Promise<number> {
    for (let last = -1; ; ) {
      const now = stream.readableLength;
      if (now === last && now > 0) return now;
      last = now;
      await delay(300);
    }
  }

  it('starts with 2 MiB, grows to 15 MiB while its reader keeps up, and loses no byte', {
    timeout: 180_000,
  }, async (test) => {
    const connection = await login();
    test.onTestFinished(() => connection.close());
    const block = Buffer.alloc(4 * MiB, 'what sshd sends is what arrives; ');
    const BLOCKS = 40;
    const expected = createHash('sha256');
    for (let i = 0; i < BLOCKS; i++) expected.update(block);
    const to = await listenTcp(test, (socket) => {
      socket.on('error', () => {});
      for (let i = 0; i < BLOCKS; i++) socket.write(block);
      socket.end();
    });
    const stream = await connection.openStream(to, { bulk: true });
    expect(await stalled(stream), `the opening window: ${WORDS}`).toBe(OPENING_WINDOW);

    const got = createHash('sha256');
    let bytes = 0;
    const ended = new Promise<void>((resolve, reject) => {
      stream.once('end', resolve);
      stream.once('error', reject);
    });
    const half = new Promise<void>((resolve) => {
      stream.on('data', (chunk: Buffer) => {
        got.update(chunk);
        bytes += chunk.length;
        if (bytes - chunk.length < 80 * MiB && bytes >= 80 * MiB) {
          stream.pause();
          resolve();
        }
      });
    });
    await half;
    const held = await stalled(stream);
    expect(held, `the grown window: ${WORDS}`).toBeGreaterThan(LARGEST - 2 * MiB);
    expect(held, `the grown window: ${WORDS}`).toBeLessThanOrEqual(LARGEST);
    expect(inMemory(stream)).toBeLessThan(held + 2 * MiB);
    stream.resume();
    await ended;
    expect(bytes).toBe(BLOCKS * block.length);
    expect(got.digest('hex')).toBe(expected.digest('hex'));
    stream.destroy();
  });

  it('is 128 KiB for a control connection, however much has been read', async (test) => {
    const connection = await login();
    test.onTestFinished(() => connection.close());
    const BLOCKS = 8;
    const to = await listenTcp(test, (socket) => {
      socket.on('error', () => {});
      for (let i = 0; i < BLOCKS; i++) socket.write(Buffer.alloc(MiB));
    });
    const stream = await connection.openStream(to, { control: true });
    expect(await stalled(stream), `the opening window: ${WORDS}`).toBe(128 * 1024);
    let bytes = 0;
    await new Promise<void>((resolve) => {
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes - chunk.length < 4 * MiB && bytes >= 4 * MiB) {
          stream.pause();
          resolve();
        }
      });
    });
    expect(await stalled(stream)).toBeLessThanOrEqual(128 * 1024);
    stream.destroy();
  });
});

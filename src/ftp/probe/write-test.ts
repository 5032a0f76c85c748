import { randomBytes } from 'node:crypto';
import type { Endpoint } from '../../core/endpoint.ts';
import { ProbeFailure } from '../../core/probe/failure.ts';
import type { ProbeSteps } from '../../core/probe/probe.ts';
import type { Transport } from '../../core/transport.ts';
import type { Access } from '../server/access.ts';
import type { FtpClient } from './ftp-client.ts';

/** How many bytes the test file has. */
const SIZE = 1024;

/** The dependencies of a write test. */
export interface WriteTest {
  readonly ftp: FtpClient;
  readonly near: Transport;
  readonly steps: ProbeSteps;
  readonly timeout: number;
  /** The rights of the account, as far as sshferry knows. */
  readonly access: Access;
  /** Returns a data port. */
  readonly passive: () => Promise<Endpoint>;
  /** Replaces an error by one that says more. */
  readonly explained: <T>(act: () => Promise<T>) => Promise<T>;
}

/**
 * Writes a small file with a random name into the login's folder, reads it back and removes it. If
 * a step fails, the file is still removed; if that fails as well, the finding names the file.
 */
export async function writeTest(test: WriteTest): Promise<void> {
  const { ftp, near, steps, timeout, access, passive, explained } = test;
  if (access !== 'read-write') {
    const why = access === 'read-only' ? 'nothing can be written' : 'the test file could not be removed';
    return steps.skipped('write', `write test not tried: access is ${access}, so ${why}`);
  }
  const name = `sshferry-check-${randomBytes(8).toString('hex')}.tmp`;
  const content = randomBytes(SIZE);
  const written = await steps.take('write', () =>
    explained(async () => {
      await ftp.binary();
      await ftp.store(near, await passive(), name, content);
      return `${SIZE} bytes as ${name}`;
    }),
  );
  if (!written) {
    // Servers keep what has arrived of an upload that failed; most often there is nothing.
    const failure = await ftp.remove(name).catch((error: unknown) => error);
    if (!(failure instanceof ProbeFailure) || failure.code === 'FTP_REFUSED') return;
    const left = new ProbeFailure(failure.code, `${failure.message}; ${name} may be left in the folder`);
    await steps.take('remove', () => Promise.reject(left));
    return;
  }
  await steps.take('read-back', () =>
    explained(async () => {
      const found = await ftp.retrieve(near, await passive(), name, timeout);
      if (found.equals(content)) return 'the same bytes came back';
      throw new ProbeFailure('FTP_REFUSED', `${name} came back with other bytes than were written`);
    }),
  );
  await steps.take('remove', async () => {
    try {
      await ftp.remove(name);
      return `${name} is removed`;
    } catch (error) {
      if (!(error instanceof ProbeFailure)) throw error;
      throw new ProbeFailure(
        error.code,
        `${error.message}; ${name} is left in the folder: remove it by hand`,
      );
    }
  });
}

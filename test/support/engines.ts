import { execFileSync } from 'node:child_process';
import { silentLogger } from '../../src/core/log.ts';
import type { EngineName } from '../../src/core/ssh/connection/about.ts';
import type { HopConnection } from '../../src/core/ssh/connection/hop-connection.ts';
import { OpenSshConnection } from '../../src/core/ssh/openssh/connection.ts';
import type { OpenSshDeps } from '../../src/core/ssh/openssh/deps.ts';
import { opensshVersion } from '../../src/core/ssh/openssh/version.ts';
import type { SshOptions } from '../../src/core/ssh/options.ts';
import { connectTo, testOptions, typing } from './ssh-login.ts';

/** The engines that this machine has: without OpenSSH's client, its tests are skipped, loudly. */
export const ENGINES: readonly EngineName[] = hasOpenSsh() ? ['ssh2', 'openssh'] : ['ssh2'];

/** Logs in to a test server by this engine, with the password `demo`; accepts every host key. */
export function connectBy(
  engine: EngineName,
  port: number,
  options: Partial<SshOptions> = {},
  deps: Pick<Partial<OpenSshDeps>, 'dial' | 'signal' | 'prompter'> = {},
): Promise<HopConnection> {
  return engine === 'ssh2' ? connectTo(port, options, deps) : connectByOpenSsh(port, options, deps);
}

/** Logs in to a test server by OpenSSH's ssh. Default: as `connectBy` does. */
export async function connectByOpenSsh(
  port: number,
  options: Partial<SshOptions> = {},
  deps: Partial<OpenSshDeps> = {},
): Promise<OpenSshConnection> {
  return OpenSshConnection.connect(
    testOptions({ strictHostKeyChecking: 'no', identityFileExplicit: true, ...options, port }),
    {
      version: await opensshVersion(),
      prompter: typing('demo'),
      log: silentLogger,
      passphrases: new Map(),
      ...deps,
    },
  );
}

function hasOpenSsh(): boolean {
  try {
    execFileSync('ssh', ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    if (process.env.CI === 'true') throw new Error("the tests need OpenSSH's client");
    process.stderr.write('\n!! SKIPPED: the OpenSSH engine: ssh is not installed\n');
    return false;
  }
}

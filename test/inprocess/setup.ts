import { existsSync } from 'node:fs';
import { installMissing } from '../support/packages.ts';

/**
 * On a machine of CI, where nothing may be skipped, installs the programs that some tests run beside sshferry. Elsewhere those
 * tests are skipped, loudly, where a program is missing: a server is not to be put on somebody's machine unasked.
 */
export async function setup(): Promise<void> {
  if (process.env.CI !== 'true' || process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) return;
  const programs = {
    '/usr/sbin/sshd': 'openssh-server',
    'ssh-keygen': 'openssh-client',
    'ssh-agent': 'openssh-client',
    curl: 'curl',
    '/usr/lib/python3/dist-packages/pyftpdlib/__init__.py': 'python3-pyftpdlib',
  };
  await installMissing(programs, (line) => process.stderr.write(`in-process: ${line}\n`));
}

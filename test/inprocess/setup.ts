import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { installMissing } from '../support/packages.ts';

/**
 * The demo and the package hold what is built, so that must be the present source; built once,
 * before anything runs it.
 */
async function build(): Promise<void> {
  await promisify(execFile)('npm', ['run', 'build'], { cwd: path.join(import.meta.dirname, '../..') });
}

/**
 * Builds, and on a machine of CI, where nothing may be skipped, installs the programs that some
 * tests run beside sshferry. Elsewhere those tests are skipped, loudly, where a program is missing:
 * a server must not be installed on a person's machine unasked.
 */
export async function setup(): Promise<void> {
  await build();
  if (process.env.CI !== 'true' || process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) return;
  const programs = {
    '/usr/sbin/sshd': 'openssh-server',
    'ssh-keygen': 'openssh-client',
    'ssh-agent': 'openssh-client',
    curl: 'curl',
    nc: 'netcat-openbsd',
    git: 'git',
    lftp: 'lftp',
    tnftp: 'tnftp',
    ncftp: 'ncftp',
    wget: 'wget',
    python3: 'python3',
    // Of the package that has Net::FTP.
    pod2man: 'perl',
    openssl: 'openssl',
    tmux: 'tmux',
    zsh: 'zsh',
    fish: 'fish',
    '/usr/lib/python3/dist-packages/pyftpdlib/__init__.py': 'python3-pyftpdlib',
  };
  await installMissing(programs, (line) => process.stderr.write(`in-process: ${line}\n`));
}

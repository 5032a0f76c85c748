import { find, run } from './programs.ts';

/** Which FTP server is used: the first of these that is installed. */
export type FtpServer = 'vsftpd' | 'pyftpdlib';

const PYTHON = '/usr/bin/python3';

/** What the bench cannot do without, and the Debian packages that bring it. */
export const PACKAGES: Readonly<Record<string, string>> = {
  sshd: 'openssh-server',
  ssh: 'openssh-client',
  'ssh-keygen': 'openssh-client',
  sftp: 'openssh-client',
  curl: 'curl',
  openssl: 'openssl',
};

/** What has to be installed and is not; `ftpServer` is null where none is. */
export async function survey(): Promise<{ missing: string[]; ftpServer: FtpServer | null }> {
  const missing = Object.keys(PACKAGES).filter((program) => find(program) === null);
  if (find('vsftpd') !== null) return { missing, ftpServer: 'vsftpd' };
  const python = await run(PYTHON, ['-c', 'import pyftpdlib']).then(
    () => true,
    () => false,
  );
  return { missing, ftpServer: python ? 'pyftpdlib' : null };
}

import { find, run } from './programs.ts';

/** The supported FTP servers: the first that is installed is used. */
export type FtpServer = 'vsftpd' | 'pyftpdlib';

const PYTHON = '/usr/bin/python3';

/** The programs that the bench needs, and their Debian packages. */
export const PACKAGES: Readonly<Record<string, string>> = {
  sshd: 'openssh-server',
  ssh: 'openssh-client',
  'ssh-keygen': 'openssh-client',
  sftp: 'openssh-client',
  scp: 'openssh-client',
  curl: 'curl',
  openssl: 'openssl',
};

/** Programs that some rows compare with; a comparison is omitted if its program is missing. */
export const OPTIONAL: Readonly<Record<string, string>> = {
  lftp: 'lftp',
  rclone: 'rclone',
  stunnel: 'stunnel4',
};

/** Returns the programs that are missing. `ftpServer` is null if none is installed. */
export async function survey(): Promise<{ missing: string[]; ftpServer: FtpServer | null }> {
  const missing = Object.keys(PACKAGES).filter((program) => find(program) === null);
  if (find('vsftpd') !== null) return { missing, ftpServer: 'vsftpd' };
  const python = await run(PYTHON, ['-c', 'import pyftpdlib']).then(
    () => true,
    () => false,
  );
  return { missing, ftpServer: python ? 'pyftpdlib' : null };
}

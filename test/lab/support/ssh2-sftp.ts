import { readFileSync } from 'node:fs';
import { serveSftp } from '../../../demo/sftp-server.ts';
import { startSshServer } from '../../support/ssh-server.ts';

/**
 * `ssh2-sftp.ts PORT USER AUTHORIZED_KEY HOST_KEY_FILE ROOT`: an SSH server with an SFTP server for
 * the directory ROOT, which has no extensions of OpenSSH. It ends with its container.
 */
const [port, user = '', authorized = '', hostKeyFile = '', root = ''] = process.argv.slice(2);
await startSshServer({
  host: '::',
  port: Number(port),
  users: { [user]: { publicKeys: [authorized] } },
  hostKeys: [readFileSync(hostKeyFile, 'utf8')],
  sftp: (session) => serveSftp(session, root),
});
console.log('listening');

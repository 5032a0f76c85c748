import type { ProbeSession } from '../../core/probe/probe.ts';
import { folderOf } from '../../core/target.ts';
import type { DataTls } from '../../core/target-tls.ts';
import type { FtpConfig } from '../config.ts';
import { ftpAccount } from './account.ts';
import { FtpClient, loggedIn } from './ftp-client.ts';
import { writeTest } from './write-test.ts';

/**
 * Tries an FTP server: greeting, login, a listing through a data connection, and a write test if
 * that is asked for.
 */
export async function probeFtp(session: ProbeSession, config: FtpConfig): Promise<void> {
  const { client, target, through, accounts, near, gateway, steps, timeout, signal } = session;
  const ftp = new FtpClient(client, session.secured);
  if (!(await steps.take('greeting', () => ftp.greeting()))) return;

  // The account is looked up first. An unusable .netrc is reported only at the login step, after
  // the steps that do not need it.
  const folder = folderOf(target) !== null;
  const account =
    folder && config.users === undefined
      ? Promise.resolve({ user: through.user, password: async () => '' })
      : ftpAccount(target, through, accounts);
  const user = (await account.catch(() => null))?.user ?? through.user;
  let reply = { code: 0, words: '', final: '' };
  const plain = await steps.take('tls', async () => {
    reply = await ftp.user(user);
    if (folder) return 'sshferry takes logins without TLS (SSH encrypts)';
    if (session.secured) return 'the server takes logins through the TLS of sshferry';
    return 'the server takes logins without TLS of its own (SSH encrypts)';
  });
  if (!plain) return;

  const found = await account.catch((error: unknown) => error);
  if (found === null) {
    steps.skipped(
      'ftp-login',
      'login and listing not tried: give --ftp-login USER, or write the login into ~/.netrc',
    );
    return await ftp.leave();
  }
  const entered = await steps.take('ftp-login', async () => {
    const { password } = await account.then((given) => given ?? Promise.reject(new Error('no account')));
    // 331 asks for a password. Any other reply decides the login.
    return reply.code === 331 ? ftp.password(user, await password(signal)) : loggedIn(user, reply);
  });
  if (!entered) return await ftp.leave();

  /**
   * Runs `act`. If it fails, throws the gateway's own error for the data connection, which says
   * more than the FTP reply made from it.
   */
  const explained = async <T>(act: () => Promise<T>) => {
    try {
      return await act();
    } catch (error) {
      throw session.bulkFailure() ?? error;
    }
  };
  let port = 0;
  const offered = await steps.take('data-port', () =>
    explained(async () => {
      const passive = await ftp.passive();
      port = passive.port;
      return `${passive.verb} names a data port`;
    }),
  );
  if (offered) {
    await steps.take('listing', () =>
      explained(async () => {
        const { bytes, lines } = await ftp.list(near, { host: gateway.host, port }, timeout);
        const what = `${lines} ${lines === 1 ? 'line' : 'lines'}, ${bytes} bytes`;
        return `${what} through a data connection${protectionOf(session.dataTls())}`;
      }),
    );
  }
  if (offered && session.writes) {
    const passive = async () => ({ host: gateway.host, port: (await ftp.passive()).port });
    // A server of its own says itself what it permits.
    const access = folder ? (config.users?.get(user)?.access ?? config.access ?? 'read-write') : 'read-write';
    await writeTest({ ftp, near, steps, timeout, access, passive, explained });
  }
  await ftp.leave();
}

function protectionOf(data: DataTls | null): string {
  if (data === null) return '';
  const session = data.resumed ? "the control connection's session" : 'a session of its own';
  return ` with TLS (${data.version}, ${session})`;
}

import { exec, mustExec } from './exec.ts';
import { writeFile } from './keys.ts';
import { type User, YOU } from './users.ts';

export interface Letter {
  readonly to: User;
  readonly subject: string;
  /** In swaks's notation: `\n` is a line break. */
  readonly body: string;
  /** Who sends it, if the server wants a login. */
  readonly login?: User;
}

/** Sends a letter by swaks from host A to an SMTP port of its own. */
export async function sendMail(a: string, port: number, { to, subject, body, login }: Letter): Promise<void> {
  const envelope = ['--from', 'you@example.org', '--to', `${to.name}@yourserver.example.com`];
  const letter = ['--header', `Subject: ${subject}`, '--header', 'Content-Type: text/plain; charset=utf-8'];
  const server = ['--server', 'localhost', '--port', String(port)];
  const auth =
    login === undefined
      ? []
      : ['--auth', 'PLAIN', '--auth-user', login.name, '--auth-password', login.password];
  await mustExec(a, ['swaks', ...server, ...auth, ...envelope, ...letter, '--body', body]);
}

/**
 * Reads the letter with this subject from a mailbox by POP3 with curl, waiting until it is
 * delivered. The text is as it came from the server, dots unstuffed.
 */
export async function readMail(a: string, port: number, user: User, subject: string): Promise<string> {
  // The newest letter is the last of the list.
  const script = `
    url=$1 login=$2 subject=$3
    while :; do
      for n in $(curl -sS --fail --user "$login" "$url/" | tr -d '\\r' | cut -d ' ' -f 1 | sort -nr); do
        letter=$(curl -sS --fail --user "$login" "$url/$n"; echo .)
        case $letter in *"Subject: $subject"*) printf %s "\${letter%.}"; exit 0;; esac
      done
      sleep 0.2
    done`;
  const login = `${user.name}:${user.password}`;
  return mustExec(a, ['sh', '-c', script, 'sh', `pop3://localhost:${port}`, login, subject], { timeout: 30 });
}

/**
 * Fetches a whole mailbox with fetchmail, which empties it; returns the messages, and waits
 * until there is one.
 */
export async function fetchMail(
  a: string,
  port: number,
  user: User,
  protocol: 'POP3' | 'IMAP' = 'POP3',
): Promise<string> {
  const config = `poll localhost protocol ${protocol} port ${port}
    user '${user.name}' password '${user.password}' sslproto '' fetchall mda '/bin/cat'\n`;
  await writeFile(a, '/home/you/.fetchmailrc', config, YOU);
  await mustExec(a, ['chmod', '600', '/home/you/.fetchmailrc']);
  const deadline = Date.now() + 30_000;
  for (;;) {
    const { code, stdout, stderr } = await exec(a, ['fetchmail', '--nodetach', '--silent']);
    if (code === 0) return stdout;
    // 1: no mail yet.
    if (code !== 1 || Date.now() > deadline)
      throw new Error(`fetchmail ended with ${code}: ${stdout}${stderr}`);
  }
}

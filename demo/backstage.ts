import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { newKeyPair } from '../test/support/key-pair.ts';
import { startSshServer } from '../test/support/ssh-server.ts';
import { USER } from './account.ts';
import { startFtpServer } from './ftp-server.ts';
import { FILES, LETTERS } from './furniture.ts';
import { Maildrop } from './maildrop.ts';
import type { Service } from './options.ts';
import { startPop3Server } from './pop3-server.ts';
import { serveSftp } from './sftp-server.ts';
import { type Received, startSmtpSink } from './smtp-sink.ts';

/**
 * The demo's servers: an SSH server with SFTP, three services behind it, and the files to log in
 * with.
 */
export interface Backstage {
  readonly sshPort: number;
  readonly identityFile: string;
  readonly knownHostsFile: string;
  /** The ports of the services, as seen from the SSH server. */
  readonly services: Readonly<Record<Service, number>>;
  /** Stops the servers and removes the temporary directory. */
  close(): Promise<void>;
}

/** Callbacks of the mail servers. `number` is the letter's number in the mailbox, from 1. */
export interface MailEvents {
  onSent(letter: Received, number: number): void;
  onRead(number: number, bytes: number): void;
}

/**
 * Starts all servers on free ports of 127.0.0.1, with new keys. If it fails, it leaves nothing
 * behind.
 */
export async function startBackstage(mail: MailEvents): Promise<Backstage> {
  const endings: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const end of endings.splice(0).reverse()) await end();
  };
  try {
    const directory = await mkdtemp(path.join(tmpdir(), 'sshferry-demo-'));
    endings.push(() => rm(directory, { recursive: true, force: true }));
    const root = path.join(directory, 'ftp');
    await mkdir(root);
    for (const [name, text] of Object.entries(FILES)) await writeFile(path.join(root, name), text);

    const maildrop = new Maildrop();
    for (const letter of LETTERS) maildrop.deliver(Buffer.from(letter));
    const ftp = await startFtpServer(root);
    endings.push(ftp.close);
    const pop3 = await startPop3Server(maildrop, mail.onRead);
    endings.push(pop3.close);
    const smtp = await startSmtpSink((letter) => {
      maildrop.deliver(letter.message);
      mail.onSent(letter, maildrop.list().length);
    });
    endings.push(smtp.close);

    const login = newKeyPair();
    const ssh = await startSshServer({
      users: { [USER]: { publicKeys: [login.public] } },
      sftp: (session) => serveSftp(session, root),
      allowForward: ({ host }) => host === '127.0.0.1' || 'prohibited',
    });
    endings.push(ssh.close);
    const identityFile = path.join(directory, 'id_ed25519');
    await writeFile(identityFile, login.private, { mode: 0o600 });
    const knownHostsFile = path.join(directory, 'known_hosts');
    await writeFile(knownHostsFile, `[127.0.0.1]:${ssh.port} ${ssh.hostKey.line}\n`);
    return {
      sshPort: ssh.port,
      identityFile,
      knownHostsFile,
      services: { ftp: ftp.port, pop3: pop3.port, smtp: smtp.port },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

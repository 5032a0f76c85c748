import type { Ports } from './options.ts';

/** Returns the text shown when the demo runs: how sshferry was started, and commands to paste. */
export function introduction({ ftp, pop3, smtp, folder }: Ports, command: string): string {
  const ftpUrl = `ftp://demo:demo@localhost:${ftp}/`;
  const pop3Url = `pop3://demo:demo@localhost:${pop3}/`;
  return `
The demo runs servers on loopback: SSH with SFTP and, behind it, FTP, POP3 and SMTP. It connects to
them with:
  ${command}

Paste into another terminal:
  list      curl ${ftpUrl}
  download  curl ${ftpUrl}readme.txt
  upload    curl -T package.json ${ftpUrl}
  by SFTP   curl ftp://localhost:${folder}/
  mailbox   curl ${pop3Url}
  read      curl ${pop3Url}1
  send      printf 'Subject: Ahoy\\n\\nHello!\\n' | curl smtp://localhost:${smtp} \\
              --mail-from you@example.com --mail-rcpt demo@example.com -T -
  or        swaks --server localhost:${smtp} --from you@example.com --to demo@example.com

Transfers and mail appear here. Ctrl-C ends the demo.
`;
}

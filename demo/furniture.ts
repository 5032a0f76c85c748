/** The files on the FTP server at the start, by name. */
export const FILES: Readonly<Record<string, string>> = {
  'readme.txt': `This file came by FTP: the control connection and this data connection both went
through one SSH login. The FTP server opened a port of its own for the data;
sshferry followed it there.
`,
  'numbers.txt': Array.from({ length: 20_000 }, (_, index) => `${index + 1}\n`).join(''),
};

/** The letters in the mailbox at the start. */
export const LETTERS: readonly string[] = [
  `From: Harbour Master <harbour@example.com>
To: demo@example.com
Subject: Welcome aboard
Date: Mon, 02 Jun 2025 08:00:00 +0000
Message-ID: <welcome@example.com>

This letter was read by POP3, and its way to you went through SSH.
`,
  `From: Quartermaster <stores@example.com>
To: demo@example.com
Subject: How to write back
Date: Mon, 02 Jun 2025 09:30:00 +0000
Message-ID: <write-back@example.com>

Send a letter by SMTP, to any address: it comes to this mailbox.
The next line is a single dot, which POP3 has to send as two:
.
That was it.
`,
];

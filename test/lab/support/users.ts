/** A user of yourserver and of the FTP hosts; the Dockerfiles know the same names and passwords. */
export interface User {
  readonly name: string;
  readonly password: string;
}

/** Logs in by SSH, FTP, POP3, IMAP and SMTP submission. */
export const ferry: User = { name: 'ferry', password: 'Sesame-4417-open' };

/** Another mailbox on yourserver. */
export const alice: User = { name: 'alice', password: 'Rabbit-9023-hole' };

/** The people on host A; `you` runs sshferry and the clients, `other` shares the machine. */
export const YOU = 'you';
export const OTHER = 'other';

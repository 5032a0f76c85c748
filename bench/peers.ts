/** The ways to the server that are compared. */
export const PEERS = [
  'sshferry',
  'sshferry-prefetch',
  'ssh-session',
  'ssh-N',
  'ssh-gcm',
  'ssh-D',
  'plain',
  'ftps',
  'sftp',
] as const;
export type Peer = (typeof PEERS)[number];

/** What people call them. */
export const NAMES: Record<Peer, string> = {
  sshferry: 'sshferry',
  'sshferry-prefetch': 'sshferry, FtpPrefetch=yes',
  'ssh-session': 'ssh -L with a session',
  'ssh-N': 'ssh -L -N',
  'ssh-gcm': 'ssh -L with a session, aes128-gcm',
  'ssh-D': 'ssh -D with a session, curl by SOCKS',
  plain: 'plain FTP, unencrypted',
  ftps: 'FTPS',
  sftp: 'sftp',
};

/** The peers that are a tunnel with listeners, each on an address of its own: `ssh -L` must have the server's data ports by their numbers. */
export const LISTENS = {
  sshferry: '127.0.0.10',
  'ssh-session': '127.0.0.11',
  'ssh-N': '127.0.0.12',
  'ssh-gcm': '127.0.0.13',
  'ssh-D': '127.0.0.14',
  'sshferry-prefetch': '127.0.0.15',
} as const satisfies Partial<Record<Peer, string>>;
export type Tunnel = keyof typeof LISTENS;

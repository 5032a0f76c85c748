/** The ways to the server that are compared. */
export const PEERS = [
  'sshferry',
  'sshferry-prefetch',
  'sshferry-tls',
  'sshferry-pop3s',
  'stunnel',
  'ssh-session',
  'ssh-N',
  'ssh-gcm',
  'ssh-D',
  'plain',
  'ftps',
  'sftp',
  'folder',
  'sftp-gcm',
  'scp-gcm',
  'rclone-gcm',
] as const;
export type Peer = (typeof PEERS)[number];

/** What people call them. */
export const NAMES: Record<Peer, string> = {
  sshferry: 'sshferry',
  'sshferry-prefetch': 'sshferry, FtpPrefetch=yes',
  'sshferry-tls': 'sshferry, ftp+tls',
  'sshferry-pop3s': 'sshferry, pop3s',
  stunnel: 'stunnel by ssh -L with a session',
  'ssh-session': 'ssh -L with a session',
  'ssh-N': 'ssh -L -N',
  'ssh-gcm': 'ssh -L with a session, aes128-gcm',
  'ssh-D': 'ssh -D with a session, curl by SOCKS',
  plain: 'plain FTP, unencrypted',
  ftps: 'FTPS',
  sftp: 'sftp',
  folder: 'sshferry before a folder',
  'sftp-gcm': 'sftp, aes128-gcm',
  'scp-gcm': 'scp, aes128-gcm',
  'rclone-gcm': 'rclone by SFTP, aes128-gcm',
};

/**
 * The peers that are a tunnel with listeners, each on an address of its own: `ssh -L` must have the
 * server's data ports by their numbers.
 */
export const LISTENS = {
  sshferry: '127.0.0.10',
  'ssh-session': '127.0.0.11',
  'ssh-N': '127.0.0.12',
  'ssh-gcm': '127.0.0.13',
  'ssh-D': '127.0.0.14',
  'sshferry-prefetch': '127.0.0.15',
  'sshferry-tls': '127.0.0.17',
} as const satisfies Partial<Record<Peer, string>>;
export type Tunnel = keyof typeof LISTENS;

/** The peers that give a client without TLS a POP3 server with TLS. */
export const POP3S_LISTENS = { 'sshferry-pop3s': '127.0.0.18', stunnel: '127.0.0.19' } as const;
export type Pop3sPeer = keyof typeof POP3S_LISTENS;

export function isPop3sPeer(peer: Peer): peer is Pop3sPeer {
  return peer in POP3S_LISTENS;
}

/** The address of the sshferry that serves a folder behind SFTP. */
export const FOLDER_LISTENS = '127.0.0.16';
/** The peers that a client reaches by FTP. */
export type FtpPeer = Tunnel | 'plain' | 'ftps' | 'folder';
/** The peers that carry files without FTP. */
export type FilePeer = Exclude<Peer, FtpPeer | Pop3sPeer>;

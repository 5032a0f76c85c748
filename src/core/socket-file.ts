/** How a Unix socket to listen on is created, as in ssh_config(5). */
export interface SocketFile {
  /** StreamLocalBindMask: the permissions that the socket does not get. */
  readonly mask: number;
  /** StreamLocalBindUnlink: whether to remove a socket that exists at the path. */
  readonly unlink: boolean;
}

/** ssh's defaults: only the own user and root can connect, and an existing socket is an error. */
export const PRIVATE_SOCKET: SocketFile = { mask: 0o177, unlink: false };

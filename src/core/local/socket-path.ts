/** The longest path of a Unix socket, in bytes: sun_path without its NUL. */
export const MAX_SOCKET_PATH = process.platform === 'linux' ? 107 : 103;

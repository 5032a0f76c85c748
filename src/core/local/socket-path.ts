/**
 * The longest path of a Unix socket, in bytes: sun_path, including its NUL, is 104 bytes on macOS
 * and BSD, 108 on Linux.
 */
export const MAX_SOCKET_PATH = 103;

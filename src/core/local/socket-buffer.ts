/**
 * How much a socket may hold before its source is paused, in bytes. Node's own 16 KiB is less than
 * one SSH packet.
 */
export const SOCKET_BUFFER = 256 * 1024;

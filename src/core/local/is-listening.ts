import net from 'node:net';

/** Errors of a connection to a path where no program listens. */
const ABSENT: ReadonlySet<string | undefined> = new Set(['ECONNREFUSED', 'ENOENT', 'ENOTSOCK', 'ENOTDIR']);

/** Returns whether a program listens on a Unix socket or a named pipe. */
export function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => settle(true));
    // Other errors, such as a full backlog or missing permission, come from a program that listens.
    socket.once('error', ({ code }: NodeJS.ErrnoException) => settle(!ABSENT.has(code)));
  });
}

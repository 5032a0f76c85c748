import net from 'node:net';

/** The greeting and the two replies of the login. */
const BEFORE = 3;
/** From a reply to the next command, in milliseconds. */
const PAUSE = 20;

/** Logs in at an FTP server and sends NOOP after NOOP; `stop` gives how long each reply took, in milliseconds. */
export async function watchNoop(host: string, port: number): Promise<{ stop(): number[] }> {
  const socket = net.connect({ host, port, noDelay: true });
  const times: number[] = [];
  let replies = 0;
  let sent = 0;
  let timer: NodeJS.Timeout | undefined;
  const ask = () => {
    sent = performance.now();
    socket.write('NOOP\r\n');
  };
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('data', () => socket.write('USER anonymous\r\nPASS bench\r\n'));
    socket.on('data', (chunk) => {
      const lines = chunk.toString().split('\n').length - 1;
      replies += lines;
      if (replies < BEFORE) return;
      if (replies - lines >= BEFORE) times.push(performance.now() - sent);
      timer = setTimeout(ask, PAUSE);
      resolve();
    });
  });
  return {
    stop() {
      clearTimeout(timer);
      socket.destroy();
      return times;
    },
  };
}

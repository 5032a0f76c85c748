import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'basic-ftp';

/** From a reply to the next command, in milliseconds. */
const PAUSE = 20;

/** Logs in at an FTP server and sends NOOP after NOOP; `stop` gives how long each reply took, in milliseconds. */
export async function watchNoop(server: {
  host: string;
  port: number;
}): Promise<{ stop(): Promise<number[]> }> {
  const client = new Client();
  await client.access({ ...server, user: 'anonymous', password: 'bench' });
  const times: number[] = [];
  let stopped = false;
  const watching = (async () => {
    while (!stopped) {
      const sent = performance.now();
      await client.send('NOOP');
      times.push(performance.now() - sent);
      await sleep(PAUSE);
    }
  })();
  // It is looked at by `stop`.
  watching.catch(() => {});
  return {
    async stop() {
      stopped = true;
      await watching.finally(() => client.close());
      return times;
    },
  };
}

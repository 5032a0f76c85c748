import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { onInterrupt } from './interrupt.ts';

/**
 * Sends NOOPs to an FTP server from another process. `stop` returns the latency of each reply, in
 * milliseconds.
 */
export async function watchNoop({ host, port }: { host: string; port: number }): Promise<{
  stop(): Promise<number[]>;
}> {
  const program = path.join(import.meta.dirname, 'noop-client.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', program, host, String(port)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const forget = onInterrupt(() => child.kill());
  const gone = once(child, 'close').then(([code]) => {
    forget();
    throw new Error(`NOOPs to ${host}:${port}: the client of the bench ended with ${code}`);
  });
  // The rejection matters only while a caller waits.
  gone.catch(() => {});
  const lines = createInterface(child.stdout);
  await Promise.race([once(lines, 'line'), gone]);
  return {
    async stop() {
      child.stdin.end();
      const [line] = await Promise.race([once(lines, 'line'), gone]);
      return JSON.parse(line);
    },
  };
}

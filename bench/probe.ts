import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** What V8 takes to count out the buffers that a collection has found dead, which it does in the background, in milliseconds. */
const SWEEPING = 200;

/** Loaded into sshferry beside its own code: SIGUSR2 makes it write what it holds, garbage not counted, into a file. */
const report = process.env.SSHFERRY_BENCH_REPORT ?? '';
process.on('SIGUSR2', async () => {
  for (let i = 0; i < 2; i++) {
    globalThis.gc?.();
    await sleep(SWEEPING);
  }
  writeFileSync(report, JSON.stringify(process.memoryUsage()));
});

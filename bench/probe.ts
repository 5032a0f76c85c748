import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long V8 takes to free dead buffers in the background after a collection, in milliseconds. */
const SWEEPING = 200;

/**
 * Is loaded into sshferry in addition to its code: on SIGUSR2 it writes the memory in use, without
 * garbage, to a file.
 */
const report = process.env.SSHFERRY_BENCH_REPORT ?? '';
process.on('SIGUSR2', async () => {
  for (let i = 0; i < 2; i++) {
    globalThis.gc?.();
    await sleep(SWEEPING);
  }
  writeFileSync(report, JSON.stringify(process.memoryUsage()));
});

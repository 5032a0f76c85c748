import v8 from 'node:v8';
import vm from 'node:vm';

/** By how much V8's old generation may grow over what is in use, in percent, before it is collected. */
const GROWTH = 300;
/** How often it is looked whether the process is idle, in milliseconds. */
const PERIOD = 10_000;
/** Below this share of a period with something to do, the process is idle. */
const IDLE = 0.02;
/** Bytes that a collection must be able to bring back to be worth its time. */
const WORTHWHILE = 2 << 20;

/**
 * Sets V8's rules for a process that carries bytes; to be called before the work begins, in a process of one's own.
 * docs/performance.md has the figures.
 *
 * What a socket reads is memory outside V8's heap that counts as if it were in it. By V8's own rule the heap of 15 MB may grow by 25 MB
 * or so, which the reads between two collections of the young generation come to as well: V8 marked the whole heap 25 to 60
 * times for each GB, as much CPU time as a download takes without that. So the old generation may grow by more. The young
 * generation stays at its first size, so that its collections, which free what was read, come often: it would grow to 32 MB
 * and keep that.
 */
export function setHeapRules(): void {
  v8.setFlagsFromString(`--heap-growing-percent=${GROWTH}`);
  v8.setFlagsFromString('--semi-space-growth-factor=1');
}

/**
 * Collects garbage once when the process has become idle: V8 itself does so only when it allocates, and an idle process would keep all
 * that its busiest minute took. The timer does not keep the process.
 */
export function collectWhenIdle(): void {
  let collected = inUse();
  let before = performance.eventLoopUtilization();
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    if (utilization > IDLE || inUse() - collected < WORTHWHILE) return;
    collect();
    collected = inUse();
  }, PERIOD);
  timer.unref();
}

/** Bytes of the heap and of the buffers outside of it, garbage among them. */
function inUse(): number {
  const { used_heap_size, external_memory } = v8.getHeapStatistics();
  return used_heap_size + external_memory;
}

/** Node has no other way to ask V8 for a collection. */
function collect(): void {
  v8.setFlagsFromString('--expose-gc');
  const gc: () => void = vm.runInNewContext('gc');
  v8.setFlagsFromString('--no-expose-gc');
  gc();
}

import v8 from 'node:v8';
import vm from 'node:vm';

/** How far V8's old generation may grow beyond what is in use before a collection, in percent. */
const GROWTH = 200;
/** How often to check whether the process is idle, in milliseconds. */
const PERIOD = 10_000;
/** The process is idle if it was busy for less than this share of a period. */
const IDLE = 0.02;
/** A collection is worth its time if it can free more bytes than this. */
const WORTHWHILE = 2 << 20;

/**
 * Tunes V8's garbage collection for a process that relays bytes. Call it first, and only in a
 * process that sshferry owns: the flags apply to the whole process. docs/performance.md has the
 * figures.
 *
 * The buffers of socket reads are outside V8's heap but count as part of it. With V8's default, a
 * heap of 15 MB may grow by about 25 MB, and the reads between two collections of the young
 * generation reach that: V8 marked the whole heap 25 to 60 times per GB, which doubled the CPU time
 * of a download. So the old generation may grow further. The young generation keeps its initial
 * size, so that its collections, which free the buffers, stay frequent; by default it would grow to
 * 32 MB.
 */
export function setHeapRules(): void {
  v8.setFlagsFromString(`--heap-growing-percent=${GROWTH}`);
  v8.setFlagsFromString('--semi-space-growth-factor=1');
}

/**
 * Collects garbage once whenever the process becomes idle. V8 collects only when it allocates, so
 * an idle process would keep the memory of its busiest minute. The timer does not keep the process
 * alive.
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

/** Returns the bytes of the heap and of buffers outside it, including garbage. */
function inUse(): number {
  const { used_heap_size, external_memory } = v8.getHeapStatistics();
  return used_heap_size + external_memory;
}

/** Forces a collection. Node has no other way to ask V8 for one. */
function collect(): void {
  v8.setFlagsFromString('--expose-gc');
  const gc: () => void = vm.runInNewContext('gc');
  v8.setFlagsFromString('--no-expose-gc');
  gc();
}

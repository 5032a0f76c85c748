type Cleanup = () => Promise<unknown> | unknown;

const cleanups = new Set<Cleanup>();
let ending = false;

/** Has `cleanup` done when a signal ends the bench before its time; the latest first. Call what it gives when that is no longer needed. */
export function onInterrupt(cleanup: Cleanup): () => void {
  cleanups.add(cleanup);
  return () => void cleanups.delete(cleanup);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, async () => {
    if (ending) return;
    ending = true;
    for (const cleanup of [...cleanups].reverse()) await Promise.resolve(cleanup()).catch(() => {});
    process.exit(1);
  });
}

type Cleanup = () => Promise<unknown> | unknown;

const cleanups = new Set<Cleanup>();
let ending = false;

/**
 * Registers `cleanup` for when a signal ends the bench; the latest runs first. Returns a function
 * that unregisters it.
 */
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

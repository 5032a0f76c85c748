/**
 * Settles when `done` does, after `ms` milliseconds, or once `signal` aborts. Rejects if `done`
 * rejects first.
 */
export async function within(ms: number, done: Promise<unknown>, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return;
  let enough = () => {};
  const late = new Promise<void>((resolve) => {
    enough = resolve;
  });
  const timer = setTimeout(enough, ms);
  signal?.addEventListener('abort', enough, { once: true });
  try {
    await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', enough);
  }
}

/** The bounds of an attempt. */
export interface AttemptOptions<T> {
  /** The time that it may take, in milliseconds. */
  readonly ms: number;
  /** Gives the attempt up. */
  readonly signal?: AbortSignal | undefined;
  /** The reason of its signal when the time is over. */
  readonly reason: Error;
  /** Receives a value that comes too late. Default: it is dropped. */
  readonly discard?: ((value: T) => Promise<unknown>) | undefined;
}

/**
 * Makes an attempt within a time. Returns its value, or null if it took too long or was given up:
 * its own signal is aborted then. Rejects if the attempt fails in time.
 */
export async function inTime<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  { ms, signal, reason, discard = async () => {} }: AttemptOptions<T>,
): Promise<{ readonly value: T } | null> {
  const late = new AbortController();
  const attempted = attempt(signal ? AbortSignal.any([signal, late.signal]) : late.signal);
  let made: { readonly value: T } | null = null;
  const settled = attempted.then((value) => {
    made = { value };
  });
  // It may fail later.
  settled.catch(() => {});
  await within(ms, settled, signal);
  if (made === null) {
    late.abort(reason);
    attempted.then(discard).catch(() => {});
  }
  return made;
}

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

import type { Duplex } from 'node:stream';
import { GatewayError } from '../../../core/errors.ts';
import type { Stream } from '../../../core/stream.ts';
import { within } from '../../../core/within.ts';
import { READING_TIME } from '../../data/reading-time.ts';
import { Interrupt } from './interrupt.ts';

/** How long the client may keep its end open after the last byte, in milliseconds. */
const LINGER = 60_000;

/** The options of both directions. */
export interface CarryOptions {
  /** Aborts the transfer; its reason becomes the error. */
  readonly signal: AbortSignal;
  /** Counts bytes of the data connection. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * Sends the bytes that `next` returns, up to its null, and closes with a FIN. Settles when the
 * system has all of it and the client has had the time to read it: see READING_TIME. Rejects as `next` does, or if the connection breaks; the caller then resets
 * the connection.
 */
export async function sendAll(
  stream: Duplex,
  next: () => Promise<Uint8Array | null>,
  { signal, onBytes }: CarryOptions,
): Promise<void> {
  const interrupt = interruptOf(stream, signal);
  // Drops what the client sends: unread bytes would turn the close into a reset.
  stream.resume();
  for (let bytes = await interrupt.until(next()); bytes !== null; bytes = await interrupt.until(next())) {
    if (bytes.length === 0) continue;
    const room = stream.write(bytes);
    onBytes(bytes.length);
    if (!room) await interrupt.until(event(stream, 'drain'));
  }
  stream.end();
  if (!stream.writableFinished) await interrupt.until(event(stream, 'finish'));
  linger(stream);
  await hasRead(stream, signal);
}

/**
 * Passes the client's bytes to `take`, one portion at a time, up to the client's FIN. Rejects as
 * `take` does, or if the connection breaks; the caller then resets the connection.
 */
export async function receiveAll(
  stream: Stream,
  take: (bytes: Uint8Array) => Promise<void>,
  { signal, onBytes }: CarryOptions,
): Promise<void> {
  const interrupt = interruptOf(stream, signal);
  const chunks = stream.iterator({ destroyOnReturn: false });
  for (
    let next = await interrupt.until(chunks.next());
    !next.done;
    next = await interrupt.until(chunks.next())
  ) {
    const bytes: Buffer = next.value;
    onBytes(bytes.length);
    await interrupt.until(take(bytes));
  }
  await interrupt.until(confirmEnd(stream));
  // If the client was killed, its control connection ended at the same time. That has to be seen
  // first: it shows that the file is not whole.
  await interrupt.until(nextTurn());
  stream.end();
  linger(stream);
}

/** Settles when the client has ended its direction, or has had its time. */
async function hasRead(stream: Duplex, signal: AbortSignal): Promise<void> {
  if (stream.readableEnded || stream.closed) return;
  await within(READING_TIME, Promise.race([event(stream, 'end'), event(stream, 'close')]), signal);
}

/** Fails when the stream breaks, closes before its end, or `signal` aborts. */
function interruptOf(stream: Duplex, signal: AbortSignal): Interrupt {
  const interrupt = new Interrupt();
  const abort = () => interrupt.fail(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  stream.once('error', (error) => interrupt.fail(broken(error)));
  stream.once('close', () => {
    signal.removeEventListener('abort', abort);
    interrupt.fail(broken());
  });
  if (stream.destroyed) interrupt.fail(broken(stream.errored ?? undefined));
  return interrupt;
}

/** Settles if the end that was read is the client's FIN; a reset can look like one. */
function confirmEnd(stream: Stream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.confirmEnd) stream.confirmEnd(resolve);
    else resolve();
  });
}

/** Closes the stream if the client does not close its end in time. */
function linger(stream: Duplex): void {
  if (stream.closed) return;
  const timer = setTimeout(() => stream.destroy(), LINGER);
  stream.once('close', () => clearTimeout(timer));
}

/** Settles after the events that the system has reported already. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

function event(stream: Duplex, name: 'drain' | 'finish' | 'end' | 'close'): Promise<void> {
  return new Promise((resolve) => stream.once(name, () => resolve()));
}

function broken(cause?: Error): GatewayError {
  return new GatewayError('PEER_RESET', 'the client broke the data connection', { cause });
}

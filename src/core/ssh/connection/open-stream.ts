import type { GatewayError } from '../../errors.ts';
import type { ChannelStream } from './channel.ts';

/**
 * How long a channel may take to open, in milliseconds. Includes sshd's own connect to the target.
 */
const OPEN_TIMEOUT = 15_000;
/** How long before its time limit a keepalive asks whether the server is alive, in milliseconds. */
const ASK_BEFORE = 5000;

/** Options of a connection's `openStream`. */
export interface OpenOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds. */
  readonly timeout?: number;
  /** See StreamOptions. */
  readonly bulk?: boolean;
  readonly control?: boolean;
}

/** The parts of an engine that opening a stream needs. */
export interface StreamOpener {
  /** Calls `opened` once, with the error or the stream. Rejects if it cannot ask. */
  open(opened: (outcome: GatewayError | ChannelStream) => void): Promise<unknown>;
  /** Asks the server for a sign of life. */
  ask(): void;
  /** Returns the error for a request without an answer within `timeout` milliseconds. */
  late(timeout: number): GatewayError;
  /** Returns the error for a stream that was closed as soon as it was open. */
  closed(): GatewayError;
}

/**
 * Opens a stream within a time. If `signal` aborts, rejects with its reason; a stream that opens too
 * late is destroyed.
 */
export function openStream(
  opener: StreamOpener,
  { signal, timeout = OPEN_TIMEOUT }: OpenOptions,
): Promise<ChannelStream> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    let settled = false;
    const settle = (act: () => void) => {
      if (settled) return;
      settled = true;
      clearTimeout(asking);
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      act();
    };
    const onAbort = () => settle(() => reject(signal?.reason));
    // The answer shows whether the SSH server or the target is silent.
    const patience = Math.min(ASK_BEFORE, timeout / 2);
    const asking = setTimeout(() => opener.ask(), timeout - patience);
    const timer = setTimeout(() => settle(() => reject(opener.late(timeout))), timeout);
    signal?.addEventListener('abort', onAbort, { once: true });
    const opened = (outcome: GatewayError | ChannelStream) => {
      if (outcome instanceof Error) return settle(() => reject(outcome));
      // After the rest of the segment: the channel may already be closed, before its owner could
      // notice.
      queueMicrotask(() => {
        if (settled) outcome.destroy();
        else if (outcome.destroyed) settle(() => reject(opener.closed()));
        else settle(() => resolve(outcome));
      });
    };
    opener.open(opened).catch((error) => settle(() => reject(error)));
  });
}

import type { Duplex } from 'node:stream';

/**
 * A stream of a Transport: a well-behaved Duplex, with what its transport alone knows about the
 * connection beneath it. A Duplex without these members is a Stream too.
 */
export interface Stream extends Duplex {
  /**
   * Ends the stream so that its other side cannot mistake it for whole. Call `resetStream` instead.
   * Default: `destroy(error)`.
   */
  reset?(error: Error): void;
  /** Whether the writes of one turn of the event loop should go out as one. Default: false. */
  readonly gathersWrites?: boolean;
  /** The software of the SSH server that the stream comes from, such as `OpenSSH_9.2p1`. */
  readonly serverSoftware?: string | undefined;
  /**
   * Calls `ended` if the `end` that was emitted is the other side's end-of-file. Default: at once.
   */
  confirmEnd?(ended: () => void): void;
}

/**
 * Resets a stream: its other side cannot mistake it for whole. A stream without a `reset` of its
 * own is destroyed with `error`, which it emits, so it needs an error handler. Does nothing to a
 * destroyed stream.
 */
export function resetStream(stream: Stream, error: Error): void {
  if (stream.destroyed) return;
  if (stream.reset) stream.reset(error);
  else stream.destroy(error);
}

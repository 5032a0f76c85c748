import { terminalWriter } from '../../core/ssh/prompt/terminal-writer.ts';
import type { Output } from './output.ts';

/** An output that never waits for its reader, and reports how far the reader is behind. */
export interface UnblockedOutput extends Output {
  /** Bytes that the reader has not accepted yet. */
  readonly pending: number;
  /** Calls `drained` once, when the reader has accepted everything. */
  onceDrained(drained: () => void): void;
}

/**
 * Wraps an output so that it does not wait. Node's own streams block on terminals, but not on pipes
 * and sockets.
 */
export function unblocked(output: Output): UnblockedOutput {
  const writer = output.isTTY && output.fd !== undefined ? terminalWriter(output.fd) : null;
  return {
    write: (text) => (writer ?? output).write(text),
    get pending() {
      return writer?.pending ?? output.writableLength ?? 0;
    },
    onceDrained: (drained) => {
      if (writer) writer.onceDrained(drained);
      else output.write('', drained);
    },
    isTTY: output.isTTY === true,
    get columns() {
      return output.columns ?? 0;
    },
    get rows() {
      return output.rows ?? 0;
    },
    on: (event, listener) => output.on?.(event, listener),
    off: (event, listener) => output.off?.(event, listener),
  };
}

import { terminalWriter } from '../../core/ssh/prompt/terminal-writer.ts';
import type { Output } from './output.ts';

/** An output that never waits for its reader, and tells how far that has fallen behind. */
export interface UnblockedOutput extends Output {
  /** Bytes that the reader has not taken yet. */
  readonly pending: number;
  /** Calls `drained` once, when the reader has taken everything. */
  onceDrained(drained: () => void): void;
}

/** Returns the output as one that does not wait: Node's streams wait for a terminal, but not for pipes and sockets. */
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

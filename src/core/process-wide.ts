/**
 * Everything that the gateways of one process share, each with the reason. Anything else belongs to
 * one gateway, so that two of them in one process share nothing by accident. A test fails if a
 * module keeps any other value.
 */
export interface ProcessWide {
  /** core/turns.ts: the event loop is one, so long work of all sessions takes turns. */
  readonly turns: true;
  /** core/local/accept-activity.ts: the clients of every listener wait for the one event loop. */
  readonly 'accept-activity': true;
  /**
   * core/local/kernel-tables.ts: the kernel's tables of connections are the machine's; readers
   * share each reading.
   */
  readonly 'kernel-tables': true;
  /**
   * core/ssh/connection/receive-window.ts: memory is the process's, so all SSH channels share one
   * budget.
   */
  readonly 'receive-windows': true;
  /**
   * sftp/download/byte-budget.ts: memory is the process's, so all downloads over SFTP share one
   * budget.
   */
  readonly 'download-budget': true;
  /**
   * ftp/server/spool/disk/spool.ts: the lock of a spool belongs to the process; a forward that
   * changes hands it to the one that replaces it.
   */
  readonly spools: true;
  /**
   * core/ssh/ssh2/padding.ts: ssh2's cipher class is patched once, and its padding comes from one
   * pool.
   */
  readonly 'ssh2-padding': true;
  /**
   * core/ssh/prompt/terminal-writer.ts: one writer for each terminal, so that two prompts do not
   * mix.
   */
  readonly 'terminal-writers': true;
  /**
   * cli/serve/heap.ts: V8's flags belong to the process. Only the command sets them, never the
   * library.
   */
  readonly 'v8-flags': true;
}

const made = new Map<keyof ProcessWide, unknown>();

/** Returns the one value of that name in this process; `make` makes it at the first call. */
export function processWide<T>(name: keyof ProcessWide, make: () => T): T {
  if (!made.has(name)) made.set(name, make());
  return made.get(name) as T;
}

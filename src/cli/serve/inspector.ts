/** How long a signal from before the handler can still open the inspector, in milliseconds. */
const LATE = 1000;
/** Matches the flags that ask for the inspector. --inspect-port alone opens nothing. */
const ASKED = /(^|\s)--inspect(-brk|-wait)?(=|\s|$)/;

/**
 * Keeps SIGUSR1 from opening Node's inspector, which listens on 127.0.0.1 and lets every user of
 * the machine run code in this process. It ignores the signal from now on, and closes an inspector
 * that the signal has opened, unless `--inspect` asked for one. Call it before loading anything
 * else, and load nothing until it settles. From 22.14 on, Node has `--disable-sigusr1`, which
 * covers its own start as well.
 */
export async function ignoreInspectorSignal(): Promise<void> {
  process.on('SIGUSR1', () => {});
  if (!process.features.inspector || isInspectorWanted(process.execArgv, process.env)) return;
  closeInspector();
  // Node opens it in a turn of the event loop after the signal.
  await new Promise((resolve) => setImmediate(resolve));
  closeInspector();
  setTimeout(closeInspector, LATE).unref();
}

/** Whether Node's arguments or environment ask for the inspector. */
export function isInspectorWanted(execArgv: readonly string[], { NODE_OPTIONS }: NodeJS.ProcessEnv): boolean {
  return ASKED.test([...execArgv, NODE_OPTIONS ?? ''].join(' '));
}

function closeInspector(): void {
  const { url, close } = process.getBuiltinModule('node:inspector');
  if (url() !== undefined) close();
}

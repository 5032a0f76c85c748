/** How long after the start a signal that came before the handler may still open the inspector, in milliseconds. */
const LATE = 1000;
/** What a person writes who wants the inspector; --inspect-port alone opens nothing. */
const ASKED = /(^|\s)--inspect(-brk|-wait)?(=|\s|$)/;

/**
 * Keeps SIGUSR1 from opening Node's inspector, which listens on 127.0.0.1 and lets every user of the machine run code in this
 * process. The signal is ignored from now on; an inspector that it has opened already is closed, unless `--inspect` asked for one.
 * Call it before anything else is loaded, and load nothing until it settles. Node itself has `--disable-sigusr1` from 22.14 on,
 * which covers its own start as well.
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

/** Whether the arguments or the environment of Node ask for its inspector. */
export function isInspectorWanted(execArgv: readonly string[], { NODE_OPTIONS }: NodeJS.ProcessEnv): boolean {
  return ASKED.test([...execArgv, NODE_OPTIONS ?? ''].join(' '));
}

function closeInspector(): void {
  const { url, close } = process.getBuiltinModule('node:inspector');
  if (url() !== undefined) close();
}

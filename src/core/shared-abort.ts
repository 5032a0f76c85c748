import { setMaxListeners } from 'node:events';

/**
 * Returns an AbortController whose signal many operations at a time may listen to. By default, Node
 * warns on standard error at the eleventh listener.
 */
export function sharedAbort(): AbortController {
  const abort = new AbortController();
  setMaxListeners(0, abort.signal);
  return abort;
}

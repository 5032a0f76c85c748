import { begin, connect, transferFailed } from './data-transfer.ts';
import { failureReply } from './failures.ts';
import type { StorePath } from './path.ts';
import { type Reply, reply } from './replies.ts';
import type { ServerSession } from './session.ts';
import { ask, askForTransfer, type Steps } from './steps.ts';

/** An upload whose file is open. */
export interface Upload {
  readonly handle: number;
  readonly verb: string;
  /** As the client wrote it, or the name that STOU found. */
  readonly name: string;
  readonly path: StorePath;
  readonly size: number | null;
  /** The text of 150. */
  readonly opening: string;
}

/**
 * Receives an upload. 226 means that the client closed its side, every byte is in the file, and the
 * store finished it. Otherwise the store first keeps the bytes that can be resumed, and then the
 * client gets the reply: it may ask for the size at once.
 */
export function* upload(session: ServerSession, file: Upload): Steps<Reply> {
  const { handle, name, path } = file;
  const port = yield* connect(session);
  if (typeof port !== 'number') {
    yield* ask<'abort'>({ kind: 'abort', handle, keep: false });
    return port;
  }
  const progress = begin(session, { ...file, id: handle, direction: 'upload' });
  const conversion = session.conversion('upload');
  const received = yield* askForTransfer<'receive'>({ kind: 'receive', port, handle, conversion, progress });
  if (!received.ok) {
    session.emit({ type: 'drop', port });
    yield* giveUp(session, handle);
    return transferFailed(session, received.failure, 'begun', name);
  }
  // The store may still have bytes to write. ABOR is too late from here on.
  const finished = yield* ask<'finish'>({ kind: 'finish', handle });
  if (!finished.ok) {
    yield* giveUp(session, handle);
    return failureReply(finished.failure, 'begun', name);
  }
  session.own.add(path);
  return reply(226, 'Transfer complete');
}

/**
 * Aborts an upload. An account that may not overwrite could not resume it: the part would only
 * block the name.
 */
function* giveUp({ policy, access }: ServerSession, handle: number): Steps<void> {
  const keep = policy.keepPartial && access === 'read-write';
  // If this fails, too, the reply is still about the first failure.
  yield* ask<'abort'>({ kind: 'abort', handle, keep });
}

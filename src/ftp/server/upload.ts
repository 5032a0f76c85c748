import { begin, connect, transferReplies } from './data-transfer.ts';
import { failureReply } from './failures.ts';
import type { StorePath } from './path.ts';
import { type Reply, reply } from './replies.ts';
import type { ServerSession } from './session.ts';
import { ask, askForTransfer, type Steps } from './steps.ts';

/** An upload whose file is open. */
export interface Upload {
  readonly handle: number;
  readonly verb: string;
  /** As the client knows it. */
  readonly name: string;
  readonly path: StorePath;
  readonly size: number | null;
  /** The text of 150. */
  readonly opening: string;
}

/**
 * Receives an upload. 226 means that the client closed its side, every byte went into the file, and the store finished it. In any
 * other case the store keeps what can be resumed, before the client gets the reply: it may ask for the size at once.
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
  const failure = received === 'aborted' || received.answer.ok ? null : received.answer.failure;
  if (received === 'aborted' || failure !== null) {
    session.emit({ type: 'drop', port });
    yield* giveUp(session, handle);
    return failure === null ? transferReplies.aborted(session) : failureReply(failure, 'begun', name);
  }
  // The connection is over; its bytes may still be on their way in the store. ABOR comes too late from here on.
  const finished = yield* ask<'finish'>({ kind: 'finish', handle });
  if (!finished.ok) {
    yield* giveUp(session, handle);
    return failureReply(finished.failure, 'begun', name);
  }
  session.own.add(path);
  return reply(226, 'Transfer complete');
}

/** A part that could not be resumed, since its name may not be written to again, would only be in the way. */
function* giveUp({ policy, access }: ServerSession, handle: number): Steps<void> {
  const keep = policy.keepPartial && access === 'read-write';
  // What the store cannot tidy up stays; the client is told of the failure itself.
  yield* ask<'abort'>({ kind: 'abort', handle, keep });
}

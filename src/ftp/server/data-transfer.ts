import { shownName } from '../wire/command.ts';
import type { Progress, Source } from './action.ts';
import type { Conversion } from './ascii.ts';
import { type Failure, type FailureContext, failureReply } from './failures.ts';
import { type Reply, reply } from './replies.ts';
import type { ServerSession } from './session.ts';
import { askForTransfer, type Steps } from './steps.ts';

/** Replies that several transfer commands share. */
export const transferReplies = {
  noPort: reply(425, 'Use PASV or EPSV first'),
  restartInAscii: reply(501, 'A transfer starts in the middle of a file in TYPE I only'),
};

/** A download that is about to begin. */
export interface Download {
  /** Names the transfer in actions; unique in the session. */
  readonly id: number;
  readonly verb: string;
  /** As the client wrote it. */
  readonly name: string;
  readonly source: Source;
  readonly conversion: Conversion;
  readonly size: number | null;
  /** The text of 150. */
  readonly opening: string;
}

/**
 * Sends a source to the client: the data connection first, then 150, then the bytes. 226 means
 * that all of them went.
 */
export function* sendOver(session: ServerSession, download: Download): Steps<Reply> {
  const { source, conversion } = download;
  const port = yield* connect(session);
  if (typeof port !== 'number') {
    release(session, source);
    return port;
  }
  const progress = begin(session, { ...download, direction: 'download' });
  const sent = yield* askForTransfer<'send'>({ kind: 'send', port, source, conversion, progress });
  release(session, source);
  if (sent.ok) return reply(226, 'Transfer complete');
  session.emit({ type: 'drop', port });
  return transferFailed(session, sent.failure, 'begun', download.name);
}

/** Returns the final reply to a transfer that failed, or was aborted if `failure` is null. */
export function transferFailed(
  session: ServerSession,
  failure: Failure | null,
  context: FailureContext,
  name: string,
): Reply {
  return failure === null ? aborted(session) : failureReply(failure, context, name);
}

/** RFC 959 4.1.3: ABOR also closes the data connection. */
function aborted(session: ServerSession): Reply {
  session.dropPort();
  return reply(426, 'Transfer aborted');
}

function release(session: ServerSession, source: Source): void {
  if (source.from !== 'entries') session.emit({ type: 'release', handle: source.handle });
}

/**
 * Returns the port once its connection is made; otherwise the final reply, and the port is dropped.
 */
export function* connect(session: ServerSession): Steps<number | Reply> {
  const { port } = session;
  if (port === null) return transferReplies.noPort;
  session.port = null;
  const { id } = port;
  const connected = yield* port.listens
    ? askForTransfer<'accept'>({ kind: 'accept', port: id })
    : askForTransfer<'dial'>({ kind: 'dial', port: id, to: port.to });
  if (connected.ok) return id;
  session.emit({ type: 'drop', port: id });
  if (connected.failure === null) return aborted(session);
  return reply(425, `No data connection: ${connected.failure.words}`);
}

/** A transfer whose data connection is made. */
interface Beginning extends Pick<Download, 'id' | 'verb' | 'name' | 'size' | 'opening'> {
  readonly direction: 'download' | 'upload';
}

/** Sends 150; from here on NOOP and STAT are answered at once. */
export function begin(session: ServerSession, beginning: Beginning): Progress {
  const { id, verb, name, size, opening, direction } = beginning;
  const progress: Progress = { bytes: 0 };
  const path = shownName(name);
  session.transfer = { id, verb, path, direction, progress };
  session.send(reply(150, opening));
  const user = shownName(session.settings.user ?? '');
  session.emit({ type: 'transfer', phase: 'start', id, verb, path, direction, user, size, progress });
  return progress;
}

import { transferReplies as replies, sendOver, transferFailed } from './data-transfer.ts';
import { failureReply } from './failures.ts';
import type { CommandEntries } from './handler.ts';
import { ROOT, type StorePath } from './path.ts';
import { type Reply, reply } from './replies.ts';
import type { ServerSession } from './session.ts';
import { askForTransfer, type Steps } from './steps.ts';
import type { WriteMode } from './store.ts';
import { type Upload, upload } from './upload.ts';

/** How many names STOU tries. */
const UNIQUE_TRIES = 100;

function* retr(session: ServerSession, name: string): Steps<Reply> {
  const range = session.takeRange();
  const path = session.path(name);
  session.demand('read', path);
  const conversion = session.conversion('download');
  if (conversion !== 'none' && (range.start > 0 || range.end !== null)) return replies.restartInAscii;
  if (session.port === null) return replies.noPort;
  const opened = yield* askForTransfer<'read'>({ kind: 'read', path, range });
  if (!opened.ok) return transferFailed(session, opened.failure, 'file', name);
  // Converted line ends count as well: the number of bytes is not known then.
  const size = conversion === 'none' ? opened.value.size : null;
  const form = session.settings.type === 'image' ? 'BINARY' : 'ASCII';
  const length = size === null ? '' : ` (${size} bytes)`;
  return yield* sendOver(session, {
    id: opened.id,
    verb: 'RETR',
    name,
    source: { from: 'file', handle: opened.id },
    conversion,
    size,
    opening: `Opening ${form} mode data connection for ${name}${length}`,
  });
}

function* stor(session: ServerSession, name: string): Steps<Reply> {
  const range = session.takeRange();
  const path = session.path(name, 'name');
  const resumes = range.start > 0;
  if (range.end !== null) return reply(501, 'RANG is for RETR and HASH; use REST');
  if (resumes && session.conversion('upload') !== 'none') return replies.restartInAscii;
  const mode: WriteMode = resumes ? { kind: 'resume', start: range.start } : { kind: 'replace' };
  return yield* store(session, 'STOR', name, path, mode);
}

function* appe(session: ServerSession, name: string): Steps<Reply> {
  session.takeRange();
  return yield* store(session, 'APPE', name, session.path(name, 'name'), { kind: 'append' });
}

/** Stores a file. An account that may not overwrite can only use a name that is free. */
function* store(
  session: ServerSession,
  verb: string,
  name: string,
  path: StorePath,
  wanted: WriteMode,
): Steps<Reply> {
  const size = session.takeAllocated();
  let mode = wanted;
  if (!session.permits('overwrite', path)) {
    session.demand(wanted.kind === 'resume' ? 'overwrite' : 'create', path);
    mode = { kind: 'create' };
  }
  if (path === ROOT) return failureReply({ reason: 'is-directory', words: 'is a directory' }, 'name', name);
  if (session.port === null) return replies.noPort;
  const opened = yield* askForTransfer<'write'>({ kind: 'write', path, mode, size });
  if (!opened.ok) return transferFailed(session, opened.failure, 'name', name);
  const begun: Upload = { handle: opened.id, verb, name, path, size, opening: `Ready for ${name}` };
  return yield* upload(session, begun);
}

/**
 * Stores a file under a name that is free: the one that the client suggests, or that with a number.
 * 150 says which (RFC 959 4.1.3, RFC 1123 4.1.2.9).
 */
function* stou(session: ServerSession, suggestion: string): Steps<Reply> {
  session.takeRange();
  const size = session.takeAllocated();
  const isName = suggestion !== '' && session.path(suggestion, 'name') !== ROOT;
  const wanted = isName ? suggestion : 'upload';
  if (session.port === null) return replies.noPort;
  let base = wanted.replace(/\/+$/, '');
  let guess = true;
  for (let tries = 0; tries < UNIQUE_TRIES; tries++) {
    const name = tries === 0 ? wanted : `${base}.${tries}`;
    const path = session.path(name, 'name');
    session.demand('create', path);
    const mode: WriteMode = guess ? { kind: 'create', guess } : { kind: 'create' };
    const opened = yield* askForTransfer<'write'>({ kind: 'write', path, mode, size });
    if (opened.ok) {
      const begun: Upload = { handle: opened.id, verb: 'STOU', name, path, size, opening: `FILE: ${name}` };
      return yield* upload(session, begun);
    }
    const { failure } = opened;
    if (guess && failure?.reason === 'deferred') {
      // The names on the server are unknown: the time makes one that is unlikely to be taken.
      base = `${base}.${session.policy.now()}`;
      guess = false;
    } else if (failure?.reason !== 'exists') return transferFailed(session, failure, 'name', name);
  }
  return reply(553, 'No free name was found');
}

export const transferCommands: CommandEntries = {
  RETR: { run: retr, usage: '<file>', needsArgument: true },
  STOR: { run: stor, usage: '<file>', needsArgument: true },
  APPE: { run: appe, usage: '<file>', needsArgument: true },
  STOU: { run: stou, usage: '[name]' },
};

import { factsOf } from './facts.ts';
import type { CommandEntries } from './handler.ts';
import { ROOT, type StorePath } from './path.ts';
import { multiline, type Reply, reply } from './replies.ts';
import type { ServerSession } from './session.ts';
import { need, type Steps } from './steps.ts';
import type { FileFacts } from './store.ts';
import { formatTime, parseTime } from './time.ts';

function* dele(session: ServerSession, name: string): Steps<Reply> {
  const path = session.path(name);
  session.demand('remove', path);
  yield* need<'remove'>({ kind: 'remove', path }, name);
  return reply(250, 'File removed');
}

function* rnfr(session: ServerSession, name: string): Steps<Reply> {
  session.settings.renameFrom = null;
  const path = session.path(name);
  session.demand('rename', path);
  if (path === ROOT) return reply(550, 'The root cannot be renamed');
  yield* need<'stat'>({ kind: 'stat', path }, name);
  session.settings.renameFrom = path;
  return reply(350, 'Send RNTO');
}

/**
 * Replaces a file of the new name, as POSIX does and clients rely on, if the account permits that.
 */
function* rnto(session: ServerSession, name: string): Steps<Reply> {
  const from = session.settings.renameFrom;
  if (from === null) return reply(503, 'Send RNFR first');
  session.settings.renameFrom = null;
  const to = session.path(name, 'name');
  session.demand('create', to);
  if (to === ROOT) return reply(553, 'The root cannot be replaced');
  const replace = session.permits('overwrite', to);
  yield* need<'rename'>({ kind: 'rename', from, to, replace }, name, 'name');
  session.own.rename(from, to);
  return reply(250, 'Renamed');
}

/** Returns the facts of a file that the account may see. */
function* facts(session: ServerSession, path: StorePath, name: string): Steps<FileFacts> {
  session.demand('see', path);
  return yield* need<'stat'>({ kind: 'stat', path }, name);
}

/** As `facts`, for commands that clients send before RETR. */
function* factsBeforeRead(session: ServerSession, path: StorePath, name: string): Steps<FileFacts> {
  session.demand('see', path);
  const next = session.permits('read', path) ? 'read' : null;
  return yield* need<'stat'>({ kind: 'stat', path, next }, name);
}

/**
 * Returns the size as it would be transferred (RFC 3659 4). In ASCII that needs reading the whole
 * file; other servers refuse it, too.
 */
function* size(session: ServerSession, name: string): Steps<Reply> {
  const path = session.path(name);
  if (session.conversion('download') !== 'none') return reply(550, 'SIZE works in TYPE I');
  const { type, size } = yield* factsBeforeRead(session, path, name);
  return type === 'file' ? reply(213, `${size}`) : reply(550, `${name}: not a plain file`);
}

function* mdtm(session: ServerSession, name: string): Steps<Reply> {
  const { modified } = yield* factsBeforeRead(session, session.path(name), name);
  return modified === null ? reply(550, `${name}: no time is known`) : reply(213, formatTime(modified));
}

/** Sets the time of a file (draft-somers-ftp-mfxx 3). */
function* mfmt(session: ServerSession, argument: string): Steps<Reply> {
  const [, digits = '', name = ''] = /^(\S+) ([\s\S]+)$/.exec(argument) ?? [];
  const time = parseTime(digits);
  if (time === null) return reply(501, 'MFMT takes YYYYMMDDHHMMSS and a file');
  const path = session.path(name);
  session.demand('change', path);
  yield* need<'set-modified'>({ kind: 'set-modified', path, time }, name);
  return reply(213, `Modify=${formatTime(time)}; ${name}`);
}

/** Returns the facts of a file, without a name of the current directory (RFC 3659 7). */
function* mlst(session: ServerSession, name: string): Steps<Reply> {
  const path = session.path(name);
  const found = yield* facts(session, path, name);
  const own = session.own.has(path);
  const line = ` ${factsOf(found, session.settings.facts, session.access, own)} ${session.shown(path)}`;
  return multiline(250, 'Facts', [line], 'End');
}

/**
 * Returns the hash of the range of RANG or REST; its reply names the first and the last byte
 * (draft-bryan-ftpext-hash 3).
 */
function* hash(session: ServerSession, name: string): Steps<Reply> {
  const { hash: algorithm } = session.settings;
  const range = session.takeRange();
  if (algorithm === null) return reply(502, 'HASH is not implemented');
  const path = session.path(name);
  session.demand('read', path);
  const { type, size } = yield* need<'stat'>({ kind: 'stat', path }, name);
  if (type !== 'file') return reply(550, `${name}: not a plain file`);
  const end = Math.min(range.end ?? size, size);
  if (range.start > end) return reply(554, `${name}: the range begins after the end of the file`);
  const sum = yield* need<'hash'>(
    { kind: 'hash', path, algorithm, range: { start: range.start, end } },
    name,
  );
  return reply(213, `${algorithm} ${range.start}-${Math.max(range.start, end - 1)} ${sum} ${name}`);
}

/** Returns the free space (draft-peterson-streamlined-ftp-command-extensions 4). */
function* avbl(session: ServerSession, name: string): Steps<Reply> {
  const path = session.path(name);
  const bytes = yield* need<'available'>({ kind: 'available', path }, name);
  return reply(213, `${bytes}`);
}

export const fileCommands: CommandEntries = {
  DELE: { run: dele, usage: '<file>', needsArgument: true },
  RNFR: { run: rnfr, usage: '<file>', needsArgument: true },
  RNTO: { run: rnto, usage: '<file>', needsArgument: true },
  SIZE: { run: size, usage: '<file>', needsArgument: true },
  MDTM: { run: mdtm, usage: '<file>', needsArgument: true },
  MFMT: { run: mfmt, usage: 'YYYYMMDDHHMMSS <file>', needsArgument: true },
  MLST: { run: mlst, usage: '[file]' },
  HASH: { run: hash, usage: '<file>', needsArgument: true },
  AVBL: { run: avbl, usage: '[directory]' },
};

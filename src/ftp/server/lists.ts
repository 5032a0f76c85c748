import type { ListSource } from './action.ts';
import { transferReplies as replies, sendOver, transferFailed } from './data-transfer.ts';
import { isPattern } from './glob.ts';
import type { CommandEntries, Handler } from './handler.ts';
import { statusReply } from './help.ts';
import { Listing, type ListingStyle } from './listing.ts';
import { nameOf, parentOf, type StorePath } from './path.ts';
import { multiline, type Reply, reply } from './replies.ts';
import type { ServerSession } from './session.ts';
import { askForTransfer, need, type Steps } from './steps.ts';

/** The argument of LIST, NLST or STAT. */
interface ListRequest {
  /** As the client wrote it, without options. */
  readonly name: string;
  readonly format: ListingStyle['format'];
  /** `-a`. */
  readonly all: boolean;
  /** `-d`: a directory itself, not its entries. */
  readonly itself: boolean;
}

/**
 * Reads the options of ls(1) that clients put before the name; ignores those without a use here.
 */
export function listRequest(argument: string, format: ListingStyle['format']): ListRequest {
  let name = argument;
  let options = '';
  for (let match = OPTION.exec(name); match !== null; match = OPTION.exec(name)) {
    options += match[1] ?? '';
    name = name.slice(match[0].length);
  }
  const long = format === 'long' || options.includes('l');
  return {
    name,
    format: long ? 'long' : format,
    all: /[aA]/.test(options),
    itself: options.includes('d'),
  };
}

const OPTION = /^-(\S*)(?: +|$)/;

const list: Handler = (session, argument) => sendList(session, 'LIST', listRequest(argument, 'long'));
const nlst: Handler = (session, argument) => sendList(session, 'NLST', listRequest(argument, 'names'));

function* sendList(session: ServerSession, verb: string, request: ListRequest): Steps<Reply> {
  session.takeRange();
  // A wrong name counts before a missing data port.
  session.path(request.name);
  if (session.port === null) return replies.noPort;
  const found = yield* find(session, request);
  if ('code' in found) return found;
  return yield* sendEntries(session, verb, request.name, found);
}

/** RFC 3659 7: a directory only. */
function* mlsd(session: ServerSession, name: string): Steps<Reply> {
  session.takeRange();
  const path = session.path(name);
  if (session.port === null) return replies.noPort;
  const opened = yield* askForTransfer<'list'>({ kind: 'list', path });
  if (!opened.ok) {
    return opened.failure?.reason === 'not-directory'
      ? reply(501, `${name}: not a directory`)
      : transferFailed(session, opened.failure, 'file', name);
  }
  const facts = style(session, path, { format: 'facts', all: true });
  const source: ListSource = { from: 'directory', handle: opened.id, style: facts };
  return yield* sendEntries(session, 'MLSD', name, { id: opened.id, source });
}

function* sendEntries(session: ServerSession, verb: string, name: string, found: Found): Steps<Reply> {
  const { id, source } = found;
  const opening = 'Here comes the list';
  return yield* sendOver(session, { id, verb, name, source, conversion: 'none', size: null, opening });
}

/** STAT with a name lists over the control connection (RFC 959 4.1.3). */
function* statName(session: ServerSession, argument: string): Steps<Reply> {
  const request = listRequest(argument, 'long');
  const found = yield* find(session, request);
  if ('code' in found) return found;
  const { source } = found;
  const most = session.policy.limits.statEntries;
  const entries =
    source.from === 'entries'
      ? source.entries
      : yield* need<'collect'>({ kind: 'collect', handle: source.handle, most }, request.name);
  if (entries === null) return reply(450, `More than ${most} entries; use LIST or MLSD`);
  const lines = new Listing(source.style).lines(entries);
  return multiline(source.from === 'entries' ? 213 : 212, `Status of ${request.name || '.'}:`, lines, 'End');
}

/** A list that was found; `id` is that of the question that found it. */
interface Found {
  readonly id: number;
  readonly source: ListSource;
}

/** Finds a directory, the files of a pattern, or a single file. A Reply is final. */
function* find(session: ServerSession, request: ListRequest): Steps<Found | Reply> {
  const path = session.path(request.name);
  let pattern = isPattern(nameOf(path)) ? nameOf(path) : null;
  if (pattern !== null && session.permits('see', path)) {
    // A file may have such a name.
    const named = yield* askForTransfer<'stat'>({ kind: 'stat', path });
    if (named.ok) pattern = null;
    else if (named.failure === null) return transferFailed(session, null, 'file', request.name);
  }
  if (request.itself && pattern === null) return yield* single(session, request, path);
  const directory = pattern === null ? path : parentOf(path);
  const opened = yield* askForTransfer<'list'>({ kind: 'list', path: directory });
  if (opened.ok) {
    const prefix = request.format === 'names' ? directoryOf(session, request.name, pattern !== null) : '';
    const listed = { ...style(session, directory, request), pattern, prefix };
    return { id: opened.id, source: { from: 'directory', handle: opened.id, style: listed } };
  }
  const { failure } = opened;
  if (failure?.reason === 'not-directory' && pattern === null) return yield* single(session, request, path);
  return transferFailed(session, failure, 'file', request.name);
}

/** Finds a single file, or a directory itself: one line. */
function* single(session: ServerSession, request: ListRequest, path: StorePath): Steps<Found | Reply> {
  session.demand('see', path);
  const found = yield* askForTransfer<'stat'>({ kind: 'stat', path });
  if (!found.ok) return transferFailed(session, found.failure, 'file', request.name);
  const name = session.settings.names.toStore(request.name) || '.';
  const entries = [{ name, facts: found.value }];
  const shown = { ...style(session, path, request), all: true, only: null };
  return { id: found.id, source: { from: 'entries', entries, style: shown } };
}

function style(
  { settings, access, policy, own }: ServerSession,
  directory: StorePath,
  { format, all }: Pick<ListRequest, 'format' | 'all'>,
): ListingStyle {
  const { facts, charset } = settings;
  const only = access === 'upload-only' ? own.namesIn(directory) : null;
  return { format, all, pattern: null, prefix: '', only, facts, access, charset, now: policy.now() };
}

/**
 * Returns the directory as the client wrote it, to put before each listed name; in the store's
 * bytes.
 */
function directoryOf({ settings }: ServerSession, name: string, lastIsPattern: boolean): string {
  const stored = settings.names.toStore(name) ?? '';
  const directory = lastIsPattern ? stored.slice(0, stored.lastIndexOf('/') + 1) : stored;
  if (directory === '' || directory === '.') return '';
  return directory.endsWith('/') ? directory : `${directory}/`;
}

const stat: Handler = (session, argument) =>
  argument === '' ? statusReply(session) : statName(session, argument);

export const listCommands: CommandEntries = {
  LIST: { run: list, usage: '[-a] [name]' },
  NLST: { run: nlst, usage: '[-a] [name]' },
  MLSD: { run: mlsd, usage: '[directory]' },
  STAT: { run: stat, usage: '[name]' },
};

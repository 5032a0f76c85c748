import type { Source } from './action.ts';
import { transferReplies as replies, sendOver } from './data-transfer.ts';
import { failureReply } from './failures.ts';
import { isPattern } from './glob.ts';
import type { CommandEntries, Handler } from './handler.ts';
import { statusReply } from './help.ts';
import { Listing, type ListingStyle } from './listing.ts';
import { nameOf, parentOf, type StorePath } from './path.ts';
import { multiline, type Reply, reply } from './replies.ts';
import type { ServerSession } from './session.ts';
import { askForTransfer, need, type Steps } from './steps.ts';

/** What LIST, NLST or STAT is to show. */
interface ListRequest {
  /** As the client gave it, without options. */
  readonly name: string;
  readonly format: ListingStyle['format'];
  /** `-a`. */
  readonly all: boolean;
  /** `-d`: a directory itself, not what is in it. */
  readonly itself: boolean;
}

/** Reads the options of ls(1) that clients put before the name; those without a meaning here are ignored. */
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
  // The name is looked at first, so that a wrong one is told as such.
  session.path(request.name);
  if (session.port === null) return replies.noPort;
  const found = yield* find(session, request);
  if ('code' in found) return found;
  return yield* sendEntries(session, verb, request.name, found);
}

/** RFC 3659 7: a directory only. */
function* mlsd(session: ServerSession, name: string): Steps<Reply> {
  const path = session.path(name);
  if (session.port === null) return replies.noPort;
  const opened = yield* askForTransfer<'list'>({ kind: 'list', path });
  if (opened === 'aborted') return replies.aborted(session);
  if (!opened.answer.ok) {
    const { failure } = opened.answer;
    return failure.reason === 'not-directory'
      ? reply(501, `${name}: not a directory`)
      : failureReply(failure, 'file', name);
  }
  const source = { handle: opened.id, style: style(session, path, { format: 'facts', all: true }) };
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
    'entries' in source
      ? source.entries
      : yield* need<'collect'>({ kind: 'collect', handle: source.handle, most }, request.name);
  if (entries === null) return reply(450, `More than ${most} entries; use LIST or MLSD`);
  const lines = new Listing(source.style).lines(entries);
  return multiline('entries' in source ? 213 : 212, `Status of ${request.name || '.'}:`, lines, 'End');
}

/** Where a list comes from; `id` is that of the question that found it. */
interface Found {
  readonly id: number;
  readonly source: Exclude<Source, { handle: number; style?: never }> & { readonly style: ListingStyle };
}

/** Finds what a request means: a directory, a pattern in one, or a single file. A Reply is final. */
function* find(session: ServerSession, request: ListRequest): Steps<Found | Reply> {
  const path = session.path(request.name);
  if (request.itself) return yield* single(session, request, path);
  let pattern = isPattern(nameOf(path)) ? nameOf(path) : null;
  if (pattern !== null && session.permits('see', path)) {
    // A file may have such a name.
    const named = yield* askForTransfer<'stat'>({ kind: 'stat', path });
    if (named === 'aborted') return replies.aborted(session);
    if (named.answer.ok) pattern = null;
  }
  const directory = pattern === null ? path : parentOf(path);
  const opened = yield* askForTransfer<'list'>({ kind: 'list', path: directory });
  if (opened === 'aborted') return replies.aborted(session);
  if (opened.answer.ok) {
    const prefix = request.format === 'names' ? directoryOf(session, request.name, pattern !== null) : '';
    return {
      id: opened.id,
      source: { handle: opened.id, style: { ...style(session, directory, request), pattern, prefix } },
    };
  }
  const { failure } = opened.answer;
  if (failure.reason === 'not-directory' && pattern === null) return yield* single(session, request, path);
  return failureReply(failure, 'file', request.name);
}

/** One line: of a file, or of a directory itself. */
function* single(session: ServerSession, request: ListRequest, path: StorePath): Steps<Found | Reply> {
  session.demand('see', path);
  const found = yield* askForTransfer<'stat'>({ kind: 'stat', path });
  if (found === 'aborted') return replies.aborted(session);
  if (!found.answer.ok) return failureReply(found.answer.failure, 'file', request.name);
  const name = session.settings.names.toStore(request.name) || '.';
  const entries = [{ name, facts: found.answer.value }];
  return {
    id: found.id,
    source: { entries, style: { ...style(session, path, request), all: true, only: null } },
  };
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

/** What the client has to put before a listed name: what it wrote itself, in the store's bytes. */
function directoryOf({ settings }: ServerSession, name: string, lastIsPattern: boolean): string {
  const stored = settings.names.toStore(name) ?? '';
  const directory = lastIsPattern ? stored.slice(0, stored.lastIndexOf('/') + 1) : stored;
  return directory === '' || directory === '.' || directory.endsWith('/')
    ? directory.replace(/^\.$/, '')
    : `${directory}/`;
}

const stat: Handler = (session, argument) =>
  argument === '' ? statusReply(session) : statName(session, argument);

export const listCommands: CommandEntries = {
  LIST: { run: list, usage: '[-a] [name]' },
  NLST: { run: nlst, usage: '[-a] [name]' },
  MLSD: { run: mlsd, usage: '[directory]' },
  STAT: { run: stat, usage: '[name]' },
};

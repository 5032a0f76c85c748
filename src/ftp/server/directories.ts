import { failureReply } from './failures.ts';
import type { CommandEntries } from './handler.ts';
import { ROOT } from './path.ts';
import { type Reply, reply } from './replies.ts';
import type { ServerSession } from './session.ts';
import { ask, need, type Steps } from './steps.ts';

function* cwd(session: ServerSession, name: string): Steps<Reply> {
  const path = session.path(name);
  // The root is there; asking would cost a round trip that many clients begin with.
  if (path !== ROOT) {
    const found = yield* ask<'stat'>({ kind: 'stat', path });
    // A folder that cannot be looked up may be entered: most clients upload to one.
    if (!found.ok && found.failure.reason !== 'deferred') return failureReply(found.failure, 'file', name);
    if (found.ok && found.value.type !== 'directory') {
      return failureReply({ reason: 'not-directory', words: 'not a directory' }, 'file', name);
    }
  }
  session.settings.cwd = path;
  return reply(250, `Directory is ${session.shown(path)}`);
}

function pwd(session: ServerSession): Reply {
  return reply(257, `${session.quoted(session.settings.cwd)} is the current directory`);
}

function* mkd(session: ServerSession, name: string): Steps<Reply> {
  const path = session.path(name);
  session.demand('create', path);
  if (path === ROOT) return failureReply({ reason: 'exists', words: 'exists' }, 'file', name);
  yield* need<'make-directory'>({ kind: 'make-directory', path }, name);
  session.own.add(path);
  return reply(257, `${session.quoted(path)} created`);
}

function* rmd(session: ServerSession, name: string): Steps<Reply> {
  const path = session.path(name);
  session.demand('remove', path);
  if (path === ROOT) return failureReply({ reason: 'permission', words: 'not removable' }, 'file', name);
  yield* need<'remove-directory'>({ kind: 'remove-directory', path }, name);
  return reply(250, 'Directory removed');
}

export const directoryCommands: CommandEntries = {
  CWD: { run: cwd, usage: '<directory>', needsArgument: true },
  // RFC 959 4.1.1: its replies are those of CWD.
  CDUP: { run: (session) => cwd(session, '..'), usage: '' },
  PWD: { run: pwd, usage: '' },
  MKD: { run: mkd, usage: '<directory>', needsArgument: true },
  RMD: { run: rmd, usage: '<directory>', needsArgument: true },
};

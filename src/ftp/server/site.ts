import type { CommandEntries, Handler } from './handler.ts';
import { multiline, type Reply, reply } from './replies.ts';
import type { ServerSession } from './session.ts';
import { need, type Steps } from './steps.ts';

const site: Handler = (session, argument) => {
  const [, verb = '', rest = ''] = /^(\S+) ?([\s\S]*)$/.exec(argument) ?? [];
  switch (verb.toUpperCase()) {
    case 'CHMOD':
      return chmod(session, rest);
    case 'HELP':
      return multiline(214, 'SITE commands:', [' CHMOD HELP'], 'End');
    default:
      return reply(500, 'Unknown SITE command');
  }
};

/** Sets the mode of a file: three octal digits, and no set-user-id or the like. */
function* chmod(session: ServerSession, argument: string): Steps<Reply> {
  const [, digits, name = ''] = /^0?([0-7]{3}) ([\s\S]+)$/.exec(argument) ?? [];
  if (digits === undefined) return reply(501, 'SITE CHMOD takes three octal digits and a file');
  const path = session.path(name);
  session.demand('change', path);
  yield* need<'set-mode'>({ kind: 'set-mode', path, mode: Number.parseInt(digits, 8) }, name);
  return reply(200, 'Mode changed');
}

export const siteCommands: CommandEntries = {
  SITE: { run: site, usage: 'CHMOD <mode> <file> | HELP', needsArgument: true },
};

import { shownName } from '../wire/command.ts';
import type { CommandEntries, Handler } from './handler.ts';
import { type Reply, reply } from './replies.ts';
import type { ServerSession } from './session.ts';
import { ask, type Steps } from './steps.ts';

/** The delay of the first failed login of a session, in milliseconds; it doubles each time. */
const FAILURE_DELAY = 1000;
const LONGEST_DELAY = 8000;

const user: Handler = (session, argument) => {
  // RFC 959 4.1.1: USER may come again, and begins a new login; other settings stay.
  session.settings.user = argument;
  session.settings.access = null;
  return reply(331, 'Send the password');
};

function* pass(session: ServerSession, argument: string): Steps<Reply> {
  const { settings, policy } = session;
  if (settings.user === null || settings.access !== null) return reply(503, 'Send USER first');
  if (policy.login === 'any') {
    session.login(policy.access);
    return reply(230, 'Logged in');
  }
  const password = Buffer.from(argument, 'latin1');
  const answer = yield* ask<'verify'>({ kind: 'verify', user: settings.user, password });
  // The accounts do not answer. This does not count as a failed login.
  if (!answer.ok) return reply(421, closing(session, answer.failure.words));
  if (typeof answer.value === 'object') {
    session.login(answer.value.access);
    return reply(230, 'Logged in');
  }
  return yield* failed(session, settings.user, answer.value);
}

/** Answers a failed login. It is slow, so that guessing is, and logged for fail2ban. */
function* failed(session: ServerSession, name: string, verdict: 'wrong' | 'locked'): Steps<Reply> {
  session.failedLogins += 1;
  const { failedLogins, policy } = session;
  const shown = shownName(name);
  const why = verdict === 'locked' ? 'too many failed logins from this address' : 'wrong user or password';
  session.note('ftp.login.failed', `login of ${shown} from ${policy.client} failed: ${why}`, shown);
  const ms = Math.min(LONGEST_DELAY, FAILURE_DELAY * 2 ** (failedLogins - 1));
  yield* ask<'delay'>({ kind: 'delay', ms });
  session.settings.user = null;
  if (failedLogins >= policy.limits.logins) return reply(421, closing(session, 'Too many failed logins'));
  // The same words for every cause: a guesser learns nothing.
  return reply(530, 'Login incorrect');
}

function closing(session: ServerSession, words: string): string {
  session.closing = true;
  return words;
}

const quit: Handler = (session) => {
  session.dropPort();
  return reply(221, closing(session, 'Goodbye'));
};

const rein: Handler = (session) => {
  session.reset();
  return reply(220, 'Ready for a new user');
};

/** Accepts any host name, before the login only (RFC 7151 3): the server has one host. */
const host: Handler = ({ settings }) =>
  settings.user === null ? reply(220, 'Host accepted') : reply(503, 'HOST comes before USER');

export const loginCommands: CommandEntries = {
  USER: { run: user, usage: '<user>', needsArgument: true, beforeLogin: true },
  PASS: { run: pass, usage: '<password>', beforeLogin: true },
  // RFC 959 5.4: no account is needed here.
  ACCT: { run: () => reply(202, 'No account is needed'), usage: '<account>', beforeLogin: true },
  HOST: { run: host, usage: '<host name>', needsArgument: true, beforeLogin: true },
  REIN: { run: rein, usage: '', beforeLogin: true },
  QUIT: { run: quit, usage: '', beforeLogin: true },
};

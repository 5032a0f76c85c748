import type { Reply } from './replies.ts';
import type { ServerSession } from './session.ts';
import type { Steps } from './steps.ts';

/** Carries out one command: returns its final reply, or the steps that lead to it. */
export type Handler = (session: ServerSession, argument: string, verb: string) => Reply | Steps<Reply>;

/** A command as the server knows it. */
export interface CommandEntry {
  readonly run: Handler;
  /** What HELP says: the argument. Empty if there is none. */
  readonly usage: string;
  /** It means nothing without an argument: 501. */
  readonly needsArgument?: true;
  /** It may come before the login. */
  readonly beforeLogin?: true;
}

/** Several commands by verb. */
export type CommandEntries = Readonly<Record<string, CommandEntry>>;

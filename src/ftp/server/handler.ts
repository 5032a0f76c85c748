import type { Reply } from './replies.ts';
import type { ServerSession } from './session.ts';
import type { Steps } from './steps.ts';

/** Returns the final reply of a command, or the steps that lead to it. */
export type Handler = (session: ServerSession, argument: string) => Reply | Steps<Reply>;

/** A command as the server knows it. */
export interface CommandEntry {
  readonly run: Handler;
  /** The argument as HELP shows it; empty if there is none. */
  readonly usage: string;
  /** Without an argument it gets 501. */
  readonly needsArgument?: true;
  /** It may come before the login. */
  readonly beforeLogin?: true;
}

/** Several commands by verb. */
export type CommandEntries = Readonly<Record<string, CommandEntry>>;

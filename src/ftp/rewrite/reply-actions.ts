import { GOING_DOWN, namesPort } from '../wire/reply.ts';
import type { Pending } from './pending.ts';

/** The kind of command that a reply answers; `none` if no command waits for it. */
export type ReplyRow = 'none' | Exclude<Pending['kind'], 'local'>;

/** The classes of reply codes that the rewriter tells apart; 6yz (RFC 2228) counts as a refusal. */
export type ReplyColumn = '1yz' | '2yz' | '3yz' | '4yz-5yz' | '227-229' | '421';

/**
 * What becomes of a reply: the command that it answers × its code → the action.
 *
 * `commandFor` in pending-queue.ts chooses the row. The cells with `fault` cannot occur: it never
 * returns such a command for such a code. If one occurs all the same, the session ends, because
 * sshferry no longer knows which reply is whose. control.ts has one case for each action.
 */
export const REPLY_ACTIONS = {
  /** No command waits for the reply. */
  none: {
    '1yz': 'passUnasked',
    '2yz': 'passUnasked',
    '3yz': 'passUnasked',
    '4yz-5yz': 'passUnasked',
    '227-229': 'dropUnaskedPort',
    '421': 'passUnasked',
  },
  /** The connection itself. */
  greeting: {
    '1yz': 'fault',
    '2yz': 'passGreeting',
    '3yz': 'passGreeting',
    '4yz-5yz': 'passGreeting',
    '227-229': 'fault',
    '421': 'passGreeting',
  },
  /** A command that passes as it came. */
  passed: {
    '1yz': 'passPreliminary',
    '2yz': 'passFinal',
    '3yz': 'passFinal',
    '4yz-5yz': 'passFinal',
    '227-229': 'fault',
    '421': 'passFinal',
  },
  /** FEAT. */
  feat: {
    '1yz': 'fault',
    '2yz': 'passFeatures',
    '3yz': 'passFeatures',
    '4yz-5yz': 'passFeatures',
    '227-229': 'fault',
    '421': 'passFeatures',
  },
  /** PASV, EPSV or LPSV at the server. */
  port: {
    '1yz': 'fault',
    '2yz': 'fault',
    '3yz': 'readPort',
    '4yz-5yz': 'refusePort',
    '227-229': 'readPort',
    '421': 'endPortRequest',
  },
  /** PORT or EPRT at the server, naming a listener at its side (FtpActive=remote-forward). */
  remote: {
    '1yz': 'fault',
    '2yz': 'acceptListener',
    '3yz': 'refuseListener',
    '4yz-5yz': 'refuseListener',
    '227-229': 'fault',
    '421': 'refuseListener',
  },
  /** RETR, STOR, LIST and the like. */
  transfer: {
    '1yz': 'beginTransfer',
    '2yz': 'completeTransfer',
    '3yz': 'fault',
    '4yz-5yz': 'failTransfer',
    '227-229': 'fault',
    '421': 'failTransfer',
  },
  /** A command of sshferry's own, such as the ABOR of an upload that the client cut short. */
  hidden: {
    '1yz': 'fault',
    '2yz': 'dropReply',
    '3yz': 'dropReply',
    '4yz-5yz': 'dropReply',
    '227-229': 'fault',
    '421': 'passShutdown',
  },
} as const satisfies Record<ReplyRow, Record<ReplyColumn, string>>;

type ActionOf<R extends ReplyRow> = (typeof REPLY_ACTIONS)[R][ReplyColumn];
type EntryOf<R extends ReplyRow> = R extends 'none' ? undefined : Extract<Pending, { kind: R }>;

/**
 * The action for a reply, with the command that it answers. The table decides which types go
 * together.
 */
export type ReplyDecision = {
  [R in ReplyRow]: { readonly action: ActionOf<R>; readonly entry: EntryOf<R> };
}[ReplyRow];

/** Returns the column of a reply code. */
export function columnOf(code: number): ReplyColumn {
  if (code === GOING_DOWN) return '421';
  if (namesPort(code)) return '227-229';
  if (code < 200) return '1yz';
  if (code < 300) return '2yz';
  return code < 400 ? '3yz' : '4yz-5yz';
}

/** Looks the action up. A local reply is never answered by the server, so it has no row. */
export function decide(code: number, entry: Pending | undefined): ReplyDecision {
  const row = entry?.kind ?? 'none';
  const action = row === 'local' ? 'fault' : REPLY_ACTIONS[row][columnOf(code)];
  // The compiler cannot see that action and entry come from the same row.
  return { action, entry } as ReplyDecision;
}

import { type Reply, reply } from './replies.ts';
import type { StoreReason } from './store.ts';

/** Why a question failed. `connection`: a data connection could not be made, or broke. */
export interface Failure {
  readonly reason: StoreReason | 'connection';
  /** For the client; one byte a character. */
  readonly words: string;
}

/**
 * The context that decides between codes. `name`: the command makes a file of this name, and 553 is
 * the code for names (RFC 959 4.2.2). `begun`: 150 was sent, so the reply ends a transfer.
 */
export type FailureContext = 'file' | 'name' | 'begun';

const CODES: Readonly<Record<Failure['reason'], number>> = {
  'not-found': 550,
  permission: 550,
  exists: 550,
  'not-empty': 550,
  'is-directory': 550,
  'not-directory': 550,
  'bad-name': 550,
  'bad-offset': 554,
  'no-space': 452,
  quota: 552,
  busy: 450,
  changed: 451,
  unavailable: 450,
  deferred: 450,
  unsupported: 504,
  failed: 451,
  connection: 425,
};
const NAME_REASONS: ReadonlySet<Failure['reason']> = new Set([
  'permission',
  'exists',
  'is-directory',
  'not-directory',
  'bad-name',
]);
/** The codes of RFC 959 5.4 that can end a transfer, and 552, 553 for uploads. */
const CODES_OF_BEGUN: Readonly<Partial<Record<Failure['reason'], number>>> = {
  'no-space': 452,
  quota: 552,
  exists: 553,
  connection: 426,
  // As for a lost connection: the client should try again.
  unavailable: 426,
  deferred: 426,
};

/** Returns the code for a failure. */
export function failureCode({ reason }: Failure, context: FailureContext): number {
  if (context === 'begun') return CODES_OF_BEGUN[reason] ?? 451;
  if (context === 'name' && NAME_REASONS.has(reason)) return 553;
  return CODES[reason];
}

/** Returns the reply for a failure; `subject` is what it concerns, as the client named it. */
export function failureReply(failure: Failure, context: FailureContext, subject: string): Reply {
  const words = subject === '' ? failure.words : `${subject}: ${failure.words}`;
  return reply(failureCode(failure, context), words);
}

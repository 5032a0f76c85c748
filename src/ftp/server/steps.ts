import type { Answer, Answers, Question, QuestionKind, QuestionOf } from './action.ts';
import { type Failure, type FailureContext, failureReply } from './failures.ts';
import type { Reply } from './replies.ts';

/**
 * A running command: yields the questions whose answers it needs and returns its result. So a
 * command that waits reads from top to bottom, and still does no I/O.
 */
export type Steps<T> = Generator<Asked, T, Answered>;

/** A question, and whether ABOR may end the wait for its answer. */
export interface Asked {
  readonly question: Question;
  readonly abortable: boolean;
}

/** An answer with the id of its question, or 'aborted' if the transfer ended before it came. */
export type Answered = { readonly id: number; readonly answer: Answer } | 'aborted';

/** Ends a command with a reply, from anywhere inside it. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly reply: Reply;

  constructor(reply: Reply) {
    super(`${reply.code}`);
    this.reply = reply;
  }
}

/** Asks, and returns the answer. */
export function* ask<K extends QuestionKind>(
  question: QuestionOf<K> & { kind: K },
): Steps<Answer<Answers[K]>> {
  const answered = yield { question, abortable: false };
  if (answered === 'aborted') throw new Error(`${question.kind} cannot be aborted`);
  return typed<K>(answered.answer);
}

/** Asks, and returns the answer's value; a failure ends the command with the reply for it. */
export function* need<K extends QuestionKind>(
  question: QuestionOf<K> & { kind: K },
  subject: string,
  context: FailureContext = 'file',
): Steps<Answers[K]> {
  const answer = yield* ask<K>(question);
  if (!answer.ok) throw new Refusal(failureReply(answer.failure, context, subject));
  return answer.value;
}

/** The answer to a question of a transfer; `failure` is null if the transfer was aborted. */
type TransferAnswer<T> =
  | { readonly ok: true; readonly id: number; readonly value: T }
  | { readonly ok: false; readonly failure: Failure | null };

/** Asks for a transfer, which ABOR may end, and returns the answer with the question's id. */
export function* askForTransfer<K extends QuestionKind>(
  question: QuestionOf<K> & { kind: K },
): Steps<TransferAnswer<Answers[K]>> {
  const answered = yield { question, abortable: true };
  if (answered === 'aborted') return { ok: false, failure: null };
  const answer = typed<K>(answered.answer);
  return answer.ok ? { ...answer, id: answered.id } : answer;
}

/** Types an answer: `complete` takes what `Answers` says for the kind of the question. */
function typed<K extends QuestionKind>(answer: Answer): Answer<Answers[K]> {
  return answer as Answer<Answers[K]>;
}

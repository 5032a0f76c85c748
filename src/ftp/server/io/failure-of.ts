import { GatewayError } from '../../../core/errors.ts';
import type { Failure } from '../failures.ts';
import { StoreError } from '../store.ts';

/**
 * Returns an error as the client may read it. Errors of other classes keep their words for the log.
 */
export function failureOf(error: unknown): Failure {
  if (error instanceof StoreError) return { reason: error.reason, words: bytes(error.message) };
  if (error instanceof GatewayError) return { reason: 'connection', words: bytes(error.message) };
  return { reason: 'failed', words: 'internal error' };
}

/** Returns UTF-8 with one byte a character, as replies hold it. */
function bytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

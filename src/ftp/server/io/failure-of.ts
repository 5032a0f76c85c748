import { GatewayError } from '../../../core/errors.ts';
import type { Failure } from '../failures.ts';
import { StoreError } from '../store.ts';

/** Returns what the client is told of an error. Of one that is neither a store's nor a connection's it learns nothing. */
export function failureOf(error: unknown): Failure {
  if (error instanceof StoreError) return { reason: error.reason, words: bytes(error.message) };
  if (error instanceof GatewayError) return { reason: 'connection', words: bytes(error.message) };
  return { reason: 'failed', words: 'internal error' };
}

/** Replies hold one byte a character. */
function bytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

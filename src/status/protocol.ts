import { z } from 'zod';
import { LineSplitter } from '../core/lines.ts';
import { statusSchema } from './schema.ts';

/** Bytes that one request may take. */
export const MAX_REQUEST = 4096;
/** Bytes that one answer may take. */
export const MAX_ANSWER = 4 * 1024 * 1024;

/** What a running sshferry is asked: one line of JSON, once in a connection. */
export const requestSchema = z.discriminatedUnion('request', [
  z.object({ request: z.literal('status') }),
  /** A Status at once and then every so many milliseconds, until the asker hangs up. */
  z.object({ request: z.literal('watch'), every: z.int().min(100).max(60_000) }),
  /** Read the config file again. */
  z.object({ request: z.literal('reload') }),
]);

export type Request = z.infer<typeof requestSchema>;

/** What it answers: one line of JSON, or for `watch` many. */
export const answerSchema = z.union([
  z.object({ status: statusSchema }),
  /** What a reload has changed, in lines for people. */
  z.object({ reloaded: z.array(z.string()) }),
  z.object({ error: z.string() }),
]);

/** Why there is nothing to reload. */
export const NO_FILE = 'it was started from arguments; there is no file to read again';

export type Answer = z.infer<typeof answerSchema>;

/** Makes messages of bytes in any portions; each is checked. `limit` is in bytes, for one message. */
export class MessageReader<T> {
  readonly #lines: LineSplitter;
  readonly #schema: z.ZodType<T>;

  constructor(schema: z.ZodType<T>, limit: number) {
    this.#schema = schema;
    this.#lines = new LineSplitter(limit);
  }

  /** Throws where a message is too long or is not what is expected. */
  push(chunk: Uint8Array): T[] {
    return this.#lines.push(chunk).map((line) => {
      if (line === 'too-long') throw new Error('the message is too long');
      return this.#schema.parse(JSON.parse(Buffer.from(line).toString()));
    });
  }
}

/** A message as it is sent. */
export function writeMessage(message: Request | Answer): string {
  return `${JSON.stringify(message)}\n`;
}

import { z } from 'zod';
import { LineSplitter } from '../core/lines.ts';
import { statusSchema } from './schema.ts';

/** The largest request, in bytes. */
export const MAX_REQUEST = 4096;
/** The largest answer, in bytes. */
export const MAX_ANSWER = 4 * 1024 * 1024;

/** A request to a running sshferry: one line of JSON, once in a connection. */
export const requestSchema = z.discriminatedUnion('request', [
  z.object({ request: z.literal('status') }),
  /** Asks for a Status at once and then every `every` milliseconds, until the client hangs up. */
  z.object({ request: z.literal('watch'), every: z.int().min(100).max(60_000) }),
  /** Asks for a reload of the config file. */
  z.object({ request: z.literal('reload') }),
  /** Asks it to end, as SIGTERM does. The connection lasts until it has ended. */
  z.object({ request: z.literal('stop') }),
]);

/** How an end begins: `seconds` is the time that connected clients get to finish. */
const stopping = z.object({ clients: z.int().nonnegative(), seconds: z.number().nonnegative() });

export type Stopping = z.infer<typeof stopping>;

export type Request = z.infer<typeof requestSchema>;

/** An answer: one line of JSON, or many for `watch`. */
export const answerSchema = z.union([
  z.object({ status: statusSchema }),
  /** The changes that a reload made, as lines for people. */
  z.object({ reloaded: z.array(z.string()) }),
  z.object({ stopping }),
  z.object({ error: z.string() }),
]);

/** The error for a reload without a config file. */
export const NO_FILE = 'it was started from arguments; there is no file to read again';

export type Answer = z.infer<typeof answerSchema>;

/**
 * Parses and checks messages from a byte stream, however it is split. `limit` is the largest
 * message, in bytes.
 */
export class MessageReader<T> {
  readonly #lines: LineSplitter;
  readonly #schema: z.ZodType<T>;

  constructor(schema: z.ZodType<T>, limit: number) {
    this.#schema = schema;
    this.#lines = new LineSplitter(limit);
  }

  /**
   * Returns the messages that `chunk` completes. Throws if one is too long or does not match the
   * schema.
   */
  push(chunk: Uint8Array): T[] {
    return this.#lines.push(chunk).map((line) => {
      if (line === 'too-long') throw new Error('the message is too long');
      return this.#schema.parse(JSON.parse(Buffer.from(line).toString()));
    });
  }
}

/** Returns a message as it is sent. */
export function writeMessage(message: Request | Answer): string {
  return `${JSON.stringify(message)}\n`;
}

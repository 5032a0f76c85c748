import { z } from 'zod';

const eventShape = z.discriminatedUnion('event', [
  z.object({ event: z.literal('transport.state'), state: z.string(), msg: z.string() }),
  z.object({ event: z.literal('forward.listening'), forward: z.string(), port: z.number() }),
  z.object({
    event: z.literal('session.end'),
    forward: z.string(),
    bytesUp: z.number(),
    bytesDown: z.number(),
    ms: z.number(),
    level: z.string(),
    msg: z.string(),
  }),
  z.object({
    event: z.literal('transfer.end'),
    verb: z.string(),
    path: z.string(),
    direction: z.enum(['download', 'upload']),
    outcome: z.enum(['complete', 'failed']),
    bytes: z.number(),
    ms: z.number(),
    msg: z.string(),
  }),
]);

/**
 * The events of sshferry's log that the demo reports. Sizes are in bytes, times in milliseconds.
 */
export type LogEvent = z.infer<typeof eventShape>;

const lineShape = z.looseObject({ level: z.string(), msg: z.string().optional() });

/**
 * Parses one line of sshferry's JSON log: a reported event, the message of an error, or neither.
 */
export function readLogLine(text: string): { event: LogEvent | null; complaint: string | null } {
  const line = lineShape.safeParse(parseJson(text)).data;
  // Not a line of the log: a fatal message of Node itself.
  if (line === undefined) return { event: null, complaint: text };
  return {
    event: eventShape.safeParse(line).data ?? null,
    complaint: ['error', 'fatal'].includes(line.level) ? (line.msg ?? null) : null,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

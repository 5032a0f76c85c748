import type { Readable } from 'node:stream';

/** Longest command line, in bytes. */
const MAX_LINE = 4096;

/**
 * Yields the lines of a control connection as UTF-8, without CRLF or LF. Throws if a line is too
 * long for a command.
 */
export async function* lines(source: Readable): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  for await (const chunk of source) {
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf('\n'); end !== -1; end = rest.indexOf('\n')) {
      const line = rest.subarray(0, end).toString();
      rest = rest.subarray(end + 1);
      yield line.endsWith('\r') ? line.slice(0, -1) : line;
    }
    if (rest.length > MAX_LINE) throw new RangeError('command line too long');
  }
}

/** Splits `RETR a b` into the verb, in upper case, and the rest. */
export function parseCommand(line: string): { verb: string; argument: string } {
  const space = line.indexOf(' ');
  return space === -1
    ? { verb: line.toUpperCase(), argument: '' }
    : { verb: line.slice(0, space).toUpperCase(), argument: line.slice(space + 1) };
}

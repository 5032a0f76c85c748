import type { Readable } from 'node:stream';
import { LineSplitter } from '../../lines.ts';

/** Receives a line without its end; `crlf`: that was CR LF. */
export type OnLine = (line: string, crlf: boolean) => void;

/**
 * Reads ssh's standard error. Skips lines of more than `limit` bytes. Settles when the stream has
 * ended or closed; an unfinished line counts. Never rejects; errors are the stream's.
 */
export async function readLines(stream: Readable, limit: number, onLine: OnLine): Promise<void> {
  const splitter = new LineSplitter(limit);
  const read = (line: Uint8Array) => {
    const text = Buffer.from(line).toString();
    onLine(text.replace(/\r*\n$/, ''), text.endsWith('\r\n'));
  };
  const ended = new Promise((resolve) => stream.once('close', resolve).once('end', resolve));
  stream.on('data', (chunk: Buffer) => {
    for (const line of splitter.push(chunk)) if (line !== 'too-long') read(line);
  });
  await ended;
  const rest = splitter.rest();
  if (rest.length > 0) read(rest);
}

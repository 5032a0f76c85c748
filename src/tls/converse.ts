import { GatewayError } from '../core/errors.ts';
import { LineSplitter, lineText } from '../core/lines.ts';
import type { Stream } from '../core/stream.ts';
import type { Dialogue } from './upgrade/dialogue.ts';

/** The longest line that is read, in bytes. */
const LONGEST_LINE = 16 * 1024;
/** How long a server may take for a line, in milliseconds: some delay their greeting. */
const PATIENCE = 60_000;

export interface ConverseOptions {
  /** The server, for messages. */
  readonly peer: string;
  readonly signal?: AbortSignal | undefined;
}

/** The result of a dialogue, and the bytes that the server has sent beyond it. */
export interface Conversed<R> {
  readonly result: R;
  readonly rest: Buffer;
}

/**
 * Holds a dialogue with the server over a stream without another reader. Leaves it open and paused.
 * Rejects with the error of the dialogue, of the stream, or the reason of the signal; then the
 * stream is the caller's to end.
 */
export async function converse<R>(
  stream: Stream,
  dialogue: Dialogue<R>,
  { peer, signal }: ConverseOptions,
): Promise<Conversed<R>> {
  const splitter = new LineSplitter(LONGEST_LINE);
  const lines: Uint8Array[] = [];
  const nextLine = async (): Promise<string> => {
    while (lines.length === 0) {
      const chunk = await nextChunk(stream, peer, signal);
      for (const line of splitter.push(chunk)) {
        if (line === 'too-long') throw new GatewayError('TLS_REFUSED', `${peer} sends endless lines`);
        lines.push(line);
      }
    }
    return lineText(lines.shift() ?? new Uint8Array());
  };
  let step = dialogue.next();
  while (!step.done) {
    if (step.value !== null) stream.write(`${step.value}\r\n`, 'latin1');
    step = dialogue.next(await nextLine());
  }
  const unread: Buffer[] = [];
  for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) unread.push(chunk);
  return { result: step.value, rest: Buffer.concat([...lines, splitter.rest(), ...unread]) };
}

/** Resolves to the next bytes. Rejects if the stream ends, breaks or is silent for too long. */
function nextChunk(stream: Stream, peer: string, signal: AbortSignal | undefined): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const settle = (act: () => void) => {
      clearTimeout(timer);
      stream.off('readable', look).off('end', ended).off('error', failed).off('close', ended);
      signal?.removeEventListener('abort', aborted);
      act();
    };
    const look = () => {
      const chunk: Buffer | null = stream.read();
      if (chunk !== null) settle(() => resolve(chunk));
    };
    const ended = () =>
      settle(() => reject(stream.errored ?? new GatewayError('PEER_RESET', `${peer} hung up before TLS`)));
    const failed = (error: Error) => settle(() => reject(error));
    const aborted = () => settle(() => reject(signal?.reason));
    const timer = setTimeout(() => {
      const text = `${peer} said nothing for ${PATIENCE / 1000} s`;
      settle(() => reject(new GatewayError('CHANNEL_TIMEOUT', text)));
    }, PATIENCE);
    signal?.addEventListener('abort', aborted, { once: true });
    stream.on('readable', look).once('end', ended).once('error', failed).once('close', ended);
    if (stream.destroyed || stream.readableEnded) ended();
    else look();
  });
}

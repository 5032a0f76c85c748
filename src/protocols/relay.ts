import type { GatewayError } from '../core/errors.ts';
import { pump } from '../core/pipe.ts';
import type { SessionContext } from '../core/plugin.ts';

const LF = 0x0a;

/**
 * Carries a connection byte for byte. Rejects with the GatewayError that says why the target could not be reached or was
 * lost; the client is then still there to be told, unless it was in the middle of a line: words of ours must not look like
 * the rest of the server's.
 */
export async function relay(session: SessionContext): Promise<void> {
  const { client } = session;
  const upstream = await session.far.openStream(session.target);
  let midLine = false;
  const result = await pump(client, upstream, {
    spare: 'a',
    onData: (direction, chunk) => {
      session.count(direction === 'aToB' ? 'up' : 'down', chunk.length);
      if (direction === 'bToA') midLine = chunk[chunk.length - 1] !== LF;
    },
  });
  if (result.error === null) return;
  if (midLine) client.destroy();
  throw result.error;
}

/** One line of ASCII, CRLF at its end; anything else in `text` is replaced, so that no error text can inject a second line. */
export function line(text: string): Uint8Array {
  return Buffer.from(`${text.replace(/[^\x20-\x7e]+/g, ' ').trim()}\r\n`, 'latin1');
}

/** The error's message as it may stand in a reply line. */
export function inWords(error: GatewayError): string {
  return `sshferry: ${error.message}`.slice(0, 400);
}

import { formatEndpoint } from '../core/endpoint.ts';
import { asGatewayError } from '../core/errors.ts';
import { pump, resetStream } from '../core/pipe.ts';
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
  const lost = [result.bToA, result.aToB].find((leg) => leg.end === 'cut' && leg.by === 'b');
  if (lost?.end !== 'cut') return;
  const error = asGatewayError(lost.error, 'PEER_RESET', formatEndpoint(session.target));
  if (midLine) resetStream(client, error);
  throw error;
}

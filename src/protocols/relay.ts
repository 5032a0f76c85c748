import type { Duplex } from 'node:stream';
import { z } from 'zod';
import { asGatewayError } from '../core/errors.ts';
import type { SessionContext } from '../core/plugin.ts';
import { pump } from '../core/pump.ts';
import { resetStream } from '../core/stream.ts';
import { destinationOf, formatTarget } from '../core/target.ts';
import { awaitGreeting, type ClientGate, clientSpeaksFirst } from './greeting.ts';
import type { StartTlsRules } from './starttls/rules.ts';
import { untilLogin } from './starttls/until-login.ts';

const LF = 0x0a;

/**
 * Returns the schema of a protocol that is passed through unchanged. `idleTimeout` is the default,
 * in seconds; 0 is no limit.
 */
export function relaySchema(idleTimeout: number) {
  return z.strictObject({
    idleTimeout: z
      .number()
      .int()
      .min(0)
      .max(604_800)
      .default(idleTimeout)
      .describe(
        `Seconds without a byte after which a session ends; 0 is no limit (default: ${idleTimeout}).`,
      ),
  });
}

/**
 * How long clients of a mail protocol may be silent, in seconds. Their own timers are shorter (RFC
 * 1939 3, 5321 4.5.3.2, 9051 5.4).
 */
const MAIL_IDLE_TIMEOUT = 7200;

/** Returns the schema of a mail protocol, in which the server speaks first. */
export function mailSchema() {
  return relaySchema(MAIL_IDLE_TIMEOUT).extend({ clientSpeaksFirst });
}

/**
 * Carries a connection byte for byte. Rejects with a GatewayError if the target could not be
 * reached or was lost. The client then stays open, so that the session can send a refusal. It is
 * reset if the server's last line is incomplete: our text must not look like the rest of that line.
 */
export async function relay(session: SessionContext, config: { idleTimeout: number }): Promise<void> {
  session.endWhenIdle(config.idleTimeout * 1000);
  await carry(session, await session.far.openStream(destinationOf(session.target)), null);
}

/**
 * Relays a protocol in which the server speaks first. Refuses a client whose first words are wrong.
 */
export async function relayGreeted(
  session: SessionContext,
  config: { idleTimeout: number; clientSpeaksFirst: boolean },
  about: { protocol: string; tlsPorts: readonly number[]; startTls: new () => StartTlsRules },
): Promise<void> {
  session.endWhenIdle(config.idleTimeout * 1000);
  const { clientSpeaksFirst } = config;
  const { server, gate, said } = await awaitGreeting(session, { clientSpeaksFirst, ...about });
  gate.greeted();
  session.signal.throwIfAborted();
  const { clientTls } = session;
  if (clientTls?.mode === 'upgrade') {
    const rules = new about.startTls();
    if (!(await untilLogin(session, clientTls, { server, gate, said, rules }))) return;
  } else if (said.length > 0) server.write(said);
  await carry(session, server, gate);
}

/**
 * Carries a connection between the client and a stream to its target. Rejects as `relay` does.
 * `target` is its name, for messages.
 */
export async function carry(
  session: SessionContext,
  upstream: Duplex,
  gate: ClientGate | null,
  target = formatTarget(session.target),
): Promise<void> {
  const { client } = session;
  let midLine = false;
  const result = await pump(client, upstream, {
    spare: 'a',
    ...(gate && { gate }),
    onData: (direction, chunk) => {
      session.count(direction === 'aToB' ? 'up' : 'down', chunk.length);
      if (direction === 'bToA') midLine = chunk[chunk.length - 1] !== LF;
    },
  });
  const lost = [result.bToA, result.aToB].find((leg) => leg.end === 'cut' && leg.by === 'b');
  if (lost?.end !== 'cut') return;
  const error = asGatewayError(lost.error, 'PEER_RESET', target);
  // A server that has sent all may close without reading the client's QUIT. A lost SSH connection
  // is always an error.
  if (result.bToA.end === 'eof' && error.fault !== 'ssh') return;
  if (midLine) resetStream(client, error);
  throw error;
}

import type { Duplex } from 'node:stream';
import { z } from 'zod';
import { type Endpoint, formatEndpoint } from '../../core/endpoint.ts';
import { asGatewayError, GatewayError } from '../../core/errors.ts';
import type { ProtocolPlugin, SessionContext } from '../../core/plugin.ts';
import { carry, relaySchema } from '../relay.ts';
import type { SocksFailure } from './dialogue.ts';
import { negotiate } from './negotiate.ts';
import { isPermitted, parsePermitted } from './permitted.ts';

const schema = relaySchema(0).extend({
  permit: z
    .string()
    .transform((text, context) => {
      const permitted = parsePermitted(text);
      if (permitted !== null) return permitted;
      context.addIssue('any, none, or host:port separated by blanks, where * is any host or any port');
      return z.NEVER;
    })
    .optional()
    .describe(
      'Destinations that clients may ask for: any, none, or host:port separated by blanks, with * for any host or port (default: any; for -R by PermitRemoteOpen).',
    ),
});

type SocksConfig = z.infer<typeof schema>;

/**
 * SOCKS 4, 4a and 5: each client names the target of its own connection, and the far side resolves
 * the name. It has no words for a refusal before the request.
 */
export const socks: ProtocolPlugin<SocksConfig> = {
  name: 'socks',
  schema,
  defaultPorts: [],
  isDynamic: true,
  run: runSocks,
  refusal: () => null,
};

async function runSocks(session: SessionContext, config: SocksConfig): Promise<void> {
  const { client, log } = session;
  session.endWhenIdle(config.idleTimeout * 1000);
  const { dialogue, to } = await negotiate(session);
  log.debug({ event: 'socks.request', to }, `a client asks for ${formatEndpoint(to)}`);
  let upstream: Duplex;
  try {
    upstream = await dial(session, to, config);
  } catch (error) {
    const failure = asGatewayError(error, 'SESSION_FAILED', formatEndpoint(to));
    if (client.writable) client.end(dialogue.failed(failureOf(failure)));
    throw ordinary(failure);
  }
  client.write(dialogue.connected());
  await carry(session, upstream, null, formatEndpoint(to));
}

async function dial(
  { far, forward }: SessionContext,
  to: Endpoint,
  { permit = 'any' }: SocksConfig,
): Promise<Duplex> {
  if (isPermitted(to, permit)) return far.openStream({ tcp: to });
  throw new GatewayError(
    'CHANNEL_REFUSED',
    `a client asked for ${formatEndpoint(to)}, which is not permitted`,
    {
      where: forward,
      reason: 'prohibited',
      hint: 'SocksPermit or PermitRemoteOpen can permit it',
    },
  );
}

/** Returns the SOCKS failure that reports an error to the client. */
export function failureOf({ code, fault, reason, failure }: GatewayError): SocksFailure {
  if (code === 'CHANNEL_TIMEOUT') return 'host-unreachable';
  if (fault === 'ssh' && reason === undefined) return 'network-unreachable';
  if (reason === 'prohibited' || reason === 'unknown-type') return 'not-allowed';
  if (failure === 'refused') return 'refused';
  return failure === undefined ? 'general' : 'host-unreachable';
}

/** A client may ask for any host: that one does not answer is no fault of the forward. */
function ordinary(error: GatewayError): GatewayError {
  const { code, what, where, hint, reason } = error;
  const isTarget = code === 'CHANNEL_TIMEOUT' || (code === 'CHANNEL_REFUSED' && reason === 'connect-failed');
  return isTarget
    ? new GatewayError(code, what, { cause: error, where, hint, reason, expected: true })
    : error;
}

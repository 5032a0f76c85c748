import type { z } from 'zod';
import type { ProtocolPlugin } from '../core/plugin.ts';
import { relay, relaySchema } from './relay.ts';

const schema = relaySchema(0);

/** Any protocol over one TCP connection. It has no words for a refusal: it can only hang up. */
export const tcp: ProtocolPlugin<z.infer<typeof schema>> = {
  name: 'tcp',
  schema,
  defaultPorts: [],
  tlsTypes: { 'tcp+tls': 'implicit' },
  run: relay,
  refusal: () => null,
};

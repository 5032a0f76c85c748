import type { z } from 'zod';
import type { ProtocolPlugin } from '../core/plugin.ts';
import { MAIL_IDLE_TIMEOUT, relay, relaySchema } from './relay.ts';
import { inWords, line } from './words.ts';

const schema = relaySchema(MAIL_IDLE_TIMEOUT);

/** SMTP (RFC 5321) and submission, untouched. Refuses with 421, and RFC 3463's 4.3.2: not accepting network messages. */
export const smtp: ProtocolPlugin<z.infer<typeof schema>> = {
  name: 'smtp',
  schema,
  defaultPorts: [25, 587],
  run: relay,
  refusal: (error) => line(`421 4.3.2 ${inWords(error)}`),
};

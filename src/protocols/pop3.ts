import type { z } from 'zod';
import type { ProtocolPlugin } from '../core/plugin.ts';
import { MAIL_IDLE_TIMEOUT, relay, relaySchema } from './relay.ts';
import { inWords, line } from './words.ts';

const schema = relaySchema(MAIL_IDLE_TIMEOUT);

/** POP3 (RFC 1939), untouched. Refuses with RFC 3206's SYS/TEMP, which tells a client to try again later. */
export const pop3: ProtocolPlugin<z.infer<typeof schema>> = {
  name: 'pop3',
  schema,
  defaultPorts: [110],
  run: relay,
  refusal: (error) => line(`-ERR [SYS/TEMP] ${inWords(error)}`),
};

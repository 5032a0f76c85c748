import type { z } from 'zod';
import type { ProtocolPlugin } from '../core/plugin.ts';
import { MAIL_IDLE_TIMEOUT, relay, relaySchema } from './relay.ts';
import { inWords, line } from './words.ts';

const schema = relaySchema(MAIL_IDLE_TIMEOUT);

/** IMAP (RFC 9051), untouched. Refuses with an untagged BYE (7.1.5) and RFC 5530's UNAVAILABLE. */
export const imap: ProtocolPlugin<z.infer<typeof schema>> = {
  name: 'imap',
  schema,
  defaultPorts: [143],
  run: relay,
  refusal: (error) => line(`* BYE [UNAVAILABLE] ${inWords(error)}`),
};

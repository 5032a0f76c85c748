import type { z } from 'zod';
import type { ProtocolPlugin } from '../core/plugin.ts';
import { greet, type Manners } from './probe-greeting.ts';
import { mailSchema, relayGreeted } from './relay.ts';
import { ImapStartTls } from './starttls/imap.ts';
import { line, refusalFor } from './words.ts';

const schema = mailSchema();

// RFC 9051 7.1.
const manners: Manners = {
  protocol: 'IMAP',
  welcome: /^\* (OK|PREAUTH)\b/i,
  refusal: /^\* BYE\b/i,
  goodbye: 'a LOGOUT',
};

/**
 * IMAP (RFC 9051), passed through unchanged. Refuses with an untagged BYE (7.1.5) and RFC 5530's
 * UNAVAILABLE.
 */
export const imap: ProtocolPlugin<z.infer<typeof schema>> = {
  name: 'imap',
  schema,
  defaultPorts: [143],
  tlsTypes: { imaps: 'implicit', 'imap+starttls': 'upgrade' },
  run: (session, config) =>
    relayGreeted(session, config, { protocol: 'Imap', tlsPorts: [993], startTls: ImapStartTls }),
  refusal: (error) => refusalFor(error, (text) => line(`* BYE [UNAVAILABLE] ${text}`)),
  greet: (client) => greet(client, manners),
};

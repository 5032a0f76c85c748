import type { z } from 'zod';
import type { ProtocolPlugin } from '../core/plugin.ts';
import { greet, type Manners } from './probe-greeting.ts';
import { mailSchema, relayGreeted } from './relay.ts';
import { Pop3StartTls } from './starttls/pop3.ts';
import { line, refusalFor } from './words.ts';

const schema = mailSchema();

// RFC 1939 3.
const manners: Manners = {
  protocol: 'POP3',
  welcome: /^\+OK\b/,
  refusal: /^-ERR\b/,
  goodbye: 'QUIT',
};

/**
 * POP3 (RFC 1939), passed through unchanged. Refuses with RFC 3206's SYS/TEMP, which tells a client
 * to try again later.
 */
export const pop3: ProtocolPlugin<z.infer<typeof schema>> = {
  name: 'pop3',
  schema,
  defaultPorts: [110],
  tlsTypes: { pop3s: 'implicit', 'pop3+starttls': 'upgrade' },
  run: (session, config) =>
    relayGreeted(session, config, { protocol: 'Pop3', tlsPorts: [995], startTls: Pop3StartTls }),
  refusal: (error) => refusalFor(error, (text) => line(`-ERR [SYS/TEMP] ${text}`)),
  greet: (client) => greet(client, manners),
};

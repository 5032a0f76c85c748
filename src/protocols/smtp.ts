import type { z } from 'zod';
import type { ProtocolPlugin } from '../core/plugin.ts';
import { greet, type Manners } from './probe-greeting.ts';
import { mailSchema, relayGreeted } from './relay.ts';
import { SmtpStartTls } from './starttls/smtp.ts';
import { line, refusalFor } from './words.ts';

const schema = mailSchema();

// RFC 5321 3.1: 220, 554 or 421.
const manners: Manners = {
  protocol: 'SMTP',
  welcome: /^220[ -]/,
  refusal: /^[45]\d\d[ -]/,
  continues: /^220-/,
  goodbye: 'QUIT',
};

/**
 * SMTP (RFC 5321) and submission, passed through unchanged. Refuses with 421, and RFC 3463's 4.3.2:
 * not accepting network messages.
 */
export const smtp: ProtocolPlugin<z.infer<typeof schema>> = {
  name: 'smtp',
  schema,
  defaultPorts: [25, 587],
  tlsTypes: { smtps: 'implicit', 'smtp+starttls': 'upgrade' },
  run: (session, config) =>
    relayGreeted(session, config, { protocol: 'Smtp', tlsPorts: [465], startTls: SmtpStartTls }),
  refusal: (error) => refusalFor(error, (text) => line(`421 4.3.2 ${text}`)),
  greet: (client) => greet(client, manners),
};

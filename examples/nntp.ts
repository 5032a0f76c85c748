// A protocol of one's own: NNTP (RFC 3977), refused in its own words. It takes a forward to port 119, or `type: nntp`.
import { type ProtocolPlugin, relay, relaySchema } from 'sshferry';
import type { z } from 'zod';

const schema = relaySchema(3600);

/** Readers are told 400 (RFC 3977, 3.2.1) when there is no server behind the forward, and hang up by themselves. */
export const nntp: ProtocolPlugin<z.infer<typeof schema>> = {
  name: 'nntp',
  schema,
  defaultPorts: [119],
  // Whatever is opened through the session (session.far, session.near) ends with it.
  run: (session, config) => relay(session, config),
  refusal: ({ message }) => Buffer.from(`400 ${message.replaceAll(/[^\x20-\x7e]/g, '?')}\r\n`),
};

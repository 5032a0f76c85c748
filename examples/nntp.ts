// A custom protocol: NNTP (RFC 3977), with refusals in its own words. It serves forwards to port 119, or with `type: nntp`.
import { type ProtocolPlugin, relay, relaySchema } from 'sshferry';
import type { z } from 'zod';

const schema = relaySchema(3600);

/** If the server cannot be reached, readers get 400 (RFC 3977, 3.2.1). They hang up by themselves. */
export const nntp: ProtocolPlugin<z.infer<typeof schema>> = {
  name: 'nntp',
  schema,
  defaultPorts: [119],
  // Every stream opened through the session (session.far, session.near) ends with it.
  run: (session, config) => relay(session, config),
  refusal: ({ message }) => Buffer.from(`400 ${message.replaceAll(/[^\x20-\x7e]/g, '?')}\r\n`),
};

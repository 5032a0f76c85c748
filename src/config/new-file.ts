import { stringify } from 'yaml';
import { parseDestination } from '../core/ssh/config/destination.ts';
import { parseTarget } from './address.ts';
import { typeByPort } from './forward-spec.ts';
import type { ArgumentsInput } from './load.ts';
import type { ConfigPlugins } from './schema.ts';

/**
 * The text of a new config file, with comments for those who will change it, that says what these arguments say. `schema` is
 * where editors find its JSON Schema.
 */
export function newConfigFile(input: ArgumentsInput, plugins: ConfigPlugins, schema: string): string {
  const [[destination, server] = ['', {}]] = Object.entries(input.servers);
  const name = nameOf(destination);
  const { session, gatewayPorts, options, identityFile, ...login } = server;
  const block = stringify(
    {
      servers: {
        [name]: {
          ...login,
          ...(identityFile !== undefined && { identityFile }),
          ...(session === false && { session }),
          ...(gatewayPorts === true && { gatewayPorts }),
          ...(Object.keys(Object(options)).length > 0 && { options: singly(Object(options)) }),
        },
      },
    },
    { lineWidth: 0 },
  );
  const forwards = Object.entries(input.forwards).map(([forward, given]) => {
    const { listen, to, type, direction, server: _server, ...more } = given;
    const own = typeByPort(parseTarget(String(to)).port, plugins) === type;
    const value = {
      listen: /^\d+$/.test(String(listen)) ? Number(listen) : listen,
      server: name,
      to,
      ...(!own && { type }),
      ...(direction === 'remote' && { direction }),
      ...more,
    };
    return `  ${forward}: ${stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim()}\n`;
  });
  const rest = { drainTimeout: input.drainTimeout, localUsers: input.localUsers };
  const others = Object.values(rest).some((value) => value !== undefined) ? `\n${stringify(rest)}` : '';
  const [first = 'files'] = Object.keys(input.forwards);
  return `# yaml-language-server: $schema=${schema}
# What sshferry up forwards. See what works with sshferry check; after a change: sshferry reload.

# How to log in, as ssh does: what is left out comes from ~/.ssh/config. No secret belongs here: sshferry asks for passwords,
# and takes keys from files and the agent.
${block}
# Each forward has a name of your own. It listens on this machine, and leads to a host and port as the SSH server sees them:
# localhost is the server itself. The type (ftp, pop3, smtp, imap, tcp) follows the port; for another port say type: ftp.
forwards:
${forwards.join('')}
# Names for several forwards: sshferry up NAME
# groups:
#   all: [${first}]
${others}`;
}

/** `you@office.example.com` → `office`. */
function nameOf(destination: string): string {
  const { host } = parseDestination(destination);
  const label = /^[\d.:]+$/.test(host) ? 'server' : (host.split('.')[0] ?? '');
  return label.replace(/[^\p{L}\p{N}_-]/gu, '') || 'server';
}

/** A list of one value as that value. */
function singly(options: Record<string, string[]>): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(options).map(([key, values]) => [key, (values.length === 1 && values[0]) || values]),
  );
}

import { stringify } from 'yaml';
import { parseDestination } from '../core/ssh/config/destination.ts';
import { DYNAMIC } from '../core/target.ts';
import { parseListen, parseTarget } from './address.ts';
import { typeOf } from './forward-spec.ts';
import type { ArgumentsInput } from './load.ts';
import type { ConfigPlugins } from './schema.ts';

/**
 * Returns the text of a new config file that is equivalent to these arguments, with comments for
 * its editor. `schema` is the path of the JSON Schema, for text editors.
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
    const { listen, to, type, direction, server: _server, tls, ...more } = given;
    const target = to === undefined ? DYNAMIC : parseTarget(String(to));
    // Without a target, only the type says what the forward is.
    const own = to !== undefined && typeOf({ listen: parseListen(String(listen)), target }, plugins) === type;
    const value = {
      listen: /^\d+$/.test(String(listen)) ? Number(listen) : listen,
      server: name,
      ...(to !== undefined && { to }),
      ...(!own && { type }),
      ...(direction === 'remote' && { direction }),
      ...more,
      // Without options, the type says it all.
      ...(Object.keys(Object(tls)).length > 0 && { tls }),
    };
    return `  ${forward}: ${stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim()}\n`;
  });
  const rest = { drainTimeout: input.drainTimeout, localUsers: input.localUsers };
  const others = Object.values(rest).some((value) => value !== undefined) ? `\n${stringify(rest)}` : '';
  const [first = 'files'] = Object.keys(input.forwards);
  return `# yaml-language-server: $schema=${schema}
# Forwards of sshferry up. Test them with sshferry check; after a change, run sshferry reload.

# SSH servers, by names that you choose. Omitted settings come from ~/.ssh/config. Do not write secrets here: sshferry asks for
# passwords, and uses keys from files and the agent.
${block}
# Forwards, by names that you choose. Each listens on this machine and leads to a host and port as seen from the SSH server:
# localhost is the server itself. The type (ftp, pop3, smtp, imap, tcp) depends on the port; for other ports add type: ftp.
# Types such as ftp+tls and pop3s speak TLS to the target, for a server that demands it.
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

/** Replaces lists of one value by that value. */
function singly(options: Record<string, string[]>): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(options).map(([key, values]) => [key, (values.length === 1 && values[0]) || values]),
  );
}

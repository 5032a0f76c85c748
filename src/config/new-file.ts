import { stringify } from 'yaml';
import { parseDestination } from '../core/ssh/config/destination.ts';
import { DYNAMIC } from '../core/target.ts';
import { parseListen, parseTarget } from './address.ts';
import { typeOf } from './forward-spec.ts';
import { freeName } from './free-name.ts';
import type { ArgumentsInput } from './load.ts';
import type { ConfigPlugins } from './schema.ts';

/** One server with its forwards; `name` is preferred for it. */
export interface NewServer {
  readonly name?: string;
  readonly input: ArgumentsInput;
}

/**
 * Returns the text of a new config file that is equivalent to these arguments, with comments for
 * its editor. `schema` is the path of the JSON Schema, for text editors.
 */
export function newConfigFile(given: readonly NewServer[], plugins: ConfigPlugins, schema: string): string {
  const servers: Record<string, unknown> = {};
  const forwards: Record<string, string> = {};
  for (const { name: wanted, input } of given) {
    const [[destination, server] = ['', {}]] = Object.entries(input.servers);
    const name = freeName(servers, wanted === undefined ? nameOf(destination) : wordOf(wanted));
    servers[name] = serverBlock(server);
    for (const [forward, value] of Object.entries(input.forwards))
      forwards[freeName(forwards, forward)] = forwardBlock(value, name, plugins);
  }
  const block = stringify({ servers }, { lineWidth: 0 });
  const lines = Object.entries(forwards).map(([name, value]) => `  ${name}: ${value}\n`);
  const { drainTimeout, localUsers } = given[0]?.input ?? {};
  const rest = { drainTimeout, localUsers };
  const others = Object.values(rest).some((value) => value !== undefined) ? `\n${stringify(rest)}` : '';
  const [first = 'files'] = Object.keys(forwards);
  return `# yaml-language-server: $schema=${schema}
# Forwards of sshferry up. Test them with sshferry check; after a change, run sshferry reload.

# SSH servers, by names that you choose. Omitted settings come from ~/.ssh/config. Do not write secrets here: sshferry asks for
# passwords, and uses keys from files and the agent.
${block}
# Forwards, by names that you choose. Each listens on this machine and leads to a host and port as seen from the SSH server:
# localhost is the server itself. The type (ftp, pop3, smtp, imap, tcp) depends on the port; for other ports add type: ftp.
# Types such as ftp+tls and pop3s speak TLS to the target, for a server that demands it.
forwards:
${lines.join('')}
# Names for several forwards: sshferry up NAME
# groups:
#   all: [${first}]
${others}`;
}

function serverBlock({
  session,
  gatewayPorts,
  options,
  identityFile,
  ...login
}: Readonly<Record<string, unknown>>) {
  return {
    ...login,
    ...(identityFile !== undefined && { identityFile }),
    ...(session === false && { session }),
    ...(gatewayPorts === true && { gatewayPorts }),
    ...(Object.keys(Object(options)).length > 0 && { options: singly(Object(options)) }),
  };
}

function forwardBlock(
  given: Readonly<Record<string, unknown>>,
  name: string,
  plugins: ConfigPlugins,
): string {
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
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim();
}

/** `you@office.example.com` → `office`. */
function nameOf(destination: string): string {
  const { host } = parseDestination(destination);
  const label = /^[\d.:]+$/.test(host) ? 'server' : (host.split('.')[0] ?? '');
  return wordOf(label);
}

/** Makes a name of a text, as a config file allows it. */
function wordOf(text: string): string {
  return (
    text
      .trim()
      .replace(/\s+/g, '-')
      .replace(/[^\p{L}\p{N}_@.-]/gu, '') || 'server'
  );
}

/** Replaces lists of one value by that value. */
function singly(options: Record<string, string[]>): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(options).map(([key, values]) => [key, (values.length === 1 && values[0]) || values]),
  );
}

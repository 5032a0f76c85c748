import { GatewayError } from '../core/errors.ts';
import { portOf, type Target } from '../core/target.ts';
import type { TlsMode } from '../core/target-tls.ts';
import { didYouMean } from '../core/text/suggest.ts';
import {
  AddressError,
  type ListenAddress,
  parseBindHost,
  parseFolder,
  parseHost,
  parseListen,
  parsePort,
  splitColons,
} from './address.ts';

/** The part of a ProtocolPlugin that the parser needs. */
export interface ForwardType {
  readonly name: string;
  readonly defaultPorts: readonly number[];
  /** Whether it can serve a folder behind SFTP. */
  readonly servesFolders?: boolean;
  /** Further types: the same protocol with TLS to the target. */
  readonly tlsTypes?: Readonly<Record<string, TlsMode>>;
}

/** A type of forward: the plugin that serves it, and how TLS to the target begins, or null. */
export interface NamedType {
  readonly plugin: string;
  readonly tls: TlsMode | null;
}

/** Returns all types by the names that a forward can give. */
export function namedTypes(types: readonly ForwardType[]): ReadonlyMap<string, NamedType> {
  const named = new Map<string, NamedType>();
  for (const { name } of types) named.set(name, { plugin: name, tls: null });
  for (const { name, tlsTypes = {} } of types)
    for (const [other, tls] of Object.entries(tlsTypes)) named.set(other, { plugin: name, tls });
  return named;
}

/** A parsed argument of `-L` or `-R`. */
export interface ForwardArgument {
  readonly type: string;
  readonly listen: ListenAddress;
  readonly target: Target;
}

/**
 * Returns the default type of a forward to this target: the one that serves folders, or the one of
 * the port; `tcp` if no protocol claims that port.
 */
export function typeOf(target: Target, types: readonly ForwardType[]): string {
  const port = portOf(target);
  const fits = ({ defaultPorts, servesFolders = false }: ForwardType) =>
    port === null ? servesFolders : defaultPorts.includes(port);
  return types.find(fits)?.name ?? 'tcp';
}

/** `[type/][bind_address:]port:sftp:[folder]`. A host called sftp is followed by a port. */
const TO_FOLDER = /^(?:([^/:[\]]*)\/)?((?:\[[^\]]*\]:|[^:/[\]]*:)?[^:/[\]]+):(sftp:(?!\d+$).*)$/s;

const FORM = '[type/][bind_address:]port:host:hostport';
const UNIX_SOCKET = new AddressError(`forwarding Unix sockets is not supported; expected ${FORM}`);

/**
 * Parses the argument of `-L` or `-R`: `[type/][bind_address:]port:host:hostport`, IPv6 addresses
 * in brackets, as in ssh(1). The `type/` prefix is that of SSH Tectia. An empty bind address and
 * `*` mean every interface. Port 0 means any free port. `origin` names the argument in errors:
 * `-L`, `-R`, or ssh_config's `LocalForward`, `RemoteForward`.
 *
 * Throws a GatewayError that shows the argument, the invalid part and what was expected:
 * `CONFIG_INVALID`, or `CONFIG_UNSUPPORTED` for Unix sockets.
 */
export function parseForward(text: string, types: readonly ForwardType[], origin = '-L'): ForwardArgument {
  const flag = /R/.test(origin) ? '-R' : '-L';
  try {
    const folder = toFolder(text.trim(), types);
    if (folder !== null) return folder;
    const { type, address } = splitType(text.trim(), types);
    const fields = splitColons(address);
    if (fields.length > 4) {
      throw new AddressError(
        `too many colons; expected ${FORM} with IPv6 addresses in brackets`,
        '8021:[::1]:21',
      );
    }
    if (fields.length < 3) {
      const missing = fields.length === 1 ? 'the host and its port are missing' : 'only two parts';
      throw new AddressError(`${missing}; expected ${FORM}`);
    }
    const [hostPort = '', host = '', port = '', bind] = fields.reverse();
    const listen = {
      host: bind === undefined ? null : parseBindHost(bind),
      port: listenPort(port, types, [host, hostPort]),
    };
    const target = {
      host: parseHost(host, 'the target host'),
      port: parsePort(hostPort, 'the target port'),
    };
    return { type: type ?? typeOf(target, types), listen, target };
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
    const code = error === UNIX_SOCKET ? 'CONFIG_UNSUPPORTED' : 'CONFIG_INVALID';
    const usual = TO_FOLDER.test(text.trim()) ? '8021:sftp:/srv/in' : '8021:localhost:21';
    const example = error.example ?? usual;
    throw new GatewayError(code, `${error.message}, such as ${flag} ${example}`, {
      where: `${origin} ${text}`,
    });
  }
}

/** Parses a forward to a folder behind SFTP; null for any other. */
function toFolder(text: string, types: readonly ForwardType[]): ForwardArgument | null {
  const [, prefix, listen, to] = TO_FOLDER.exec(text) ?? [];
  if (listen === undefined || to === undefined) return null;
  const target = parseFolder(to.slice('sftp:'.length));
  const type = prefix?.toLowerCase() ?? typeOf(target, types);
  const serving = types.filter(({ servesFolders }) => servesFolders).map(({ name }) => name);
  if (!serving.includes(type))
    throw new AddressError(`type '${prefix}' does not serve a folder; expected ${serving.join(', ')}`);
  return { type, listen: parseListen(listen), target };
}

/**
 * Splits off a leading `type/`. Any other slash belongs to the path of a Unix socket or to ssh's
 * old syntax for IPv6.
 */
function splitType(text: string, types: readonly ForwardType[]): { type: string | null; address: string } {
  const slash = text.indexOf('/');
  if (slash === -1) return { type: null, address: text };
  const prefix = text.slice(0, slash);
  const known = [...namedTypes(types).keys()];
  if (known.includes(prefix.toLowerCase())) {
    const address = text.slice(slash + 1);
    if (address.includes('/')) throw UNIX_SOCKET;
    return { type: prefix.toLowerCase(), address };
  }
  if (prefix === '' || prefix.includes(':')) throw UNIX_SOCKET;
  if (/^\d+$/.test(prefix)) {
    throw new AddressError(`the separator is ':', not '/': ${FORM}`);
  }
  throw new AddressError(
    `unknown type '${prefix}'${didYouMean(prefix, known)}; expected one of ${known.join(', ')}`,
  );
}

function listenPort(text: string, types: readonly ForwardType[], [host, hostPort]: [string, string]): number {
  const name = text.toLowerCase();
  const plugin = namedTypes(types).get(name)?.plugin;
  const type = types.find((each) => each.name === plugin);
  if (type !== undefined) {
    const port = 8000 + (type.defaultPorts[0] ?? 80);
    throw new AddressError(
      `the port to listen on is '${text}'; use a number, and put the type before a slash`,
      `${name}/${port}:${host}:${hostPort}`,
    );
  }
  return parsePort(text, 'the port to listen on', { zero: true });
}

import { isSocketPath, unixEndpoint } from '../core/endpoint.ts';
import { GatewayError } from '../core/errors.ts';
import { DYNAMIC, folderOf, isDynamic, isUnix, portOf } from '../core/target.ts';
import type { TlsMode } from '../core/target-tls.ts';
import { didYouMean } from '../core/text/suggest.ts';
import {
  AddressError,
  absoluteEnds,
  type Ends,
  type ListenAddress,
  parseBindHost,
  parseFolder,
  parseHost,
  parseListen,
  parsePort,
  parseSocketPath,
  splitColons,
} from './address.ts';

/** The part of a ProtocolPlugin that the parser needs. */
export interface ForwardType {
  readonly name: string;
  readonly defaultPorts: readonly number[];
  /** Whether it can serve a folder behind SFTP. */
  readonly servesFolders?: boolean;
  /** See ProtocolPlugin. */
  readonly isDynamic?: boolean;
  readonly needsAddresses?: boolean;
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

/** A parsed argument of `-L`, `-R` or `-D`. */
export interface ForwardArgument extends Ends {
  readonly type: string;
}

/**
 * Returns the default type of a forward with these ends: the one that serves folders, the one whose
 * clients name their targets, or the one of the target's port; `tcp` if no protocol claims it.
 */
export function typeOf(ends: Ends, types: readonly ForwardType[]): string {
  const { target } = ends;
  const port = portOf(target);
  const claims = ({ defaultPorts, servesFolders = false, isDynamic: dynamic = false }: ForwardType) => {
    if (isDynamic(target)) return dynamic;
    if (folderOf(target) !== null) return servesFolders;
    return port !== null && defaultPorts.includes(port);
  };
  return types.find((type) => claims(type) && mismatch(type, ends) === null)?.name ?? 'tcp';
}

/** Returns why a type cannot serve a forward with these ends; null if it can. */
export function mismatch(type: ForwardType, { listen, target }: Ends): string | null {
  const { name, isDynamic: dynamic = false, needsAddresses = false } = type;
  if (dynamic && !isDynamic(target)) return `type ${name} takes no target: its clients name it`;
  if (!dynamic && isDynamic(target)) return `type ${name} needs a target`;
  const isSocket = isUnix(target) || (listen.host !== null && isSocketPath(listen.host));
  if (!needsAddresses || !isSocket) return null;
  return `type ${name} opens further ports, so neither end can be a Unix socket; type tcp carries the control connection alone`;
}

/** `[type/][bind_address:]port:sftp:[folder]`. A host called sftp is followed by a port. */
const TO_FOLDER = /^(?:([^/:[\]]*)\/)?((?:\[[^\]]*\]:|[^:/[\]]*:)?[^:/[\]]+|\/[^:]*):(sftp:(?!\d+$).*)$/s;

const FORM = '[type/][bind_address:]port:host:hostport';
const DYNAMIC_FORM = '[bind_address:]port';

/**
 * Parses the argument of `-L` or `-R`: `[type/][bind_address:]port:host:hostport`, IPv6 addresses
 * in brackets, as in ssh(1). The path of a Unix socket can replace `[bind_address:]port` or
 * `host:hostport`. `-R` without a target is dynamic. The `type/` prefix is that of SSH Tectia. An
 * empty bind address and `*` mean every interface. Port 0 means any free port. `origin` names the
 * argument in errors: `-L`, `-R`, or ssh_config's `LocalForward`, `RemoteForward`.
 *
 * Throws `CONFIG_INVALID`, which shows the argument, the invalid part and what was expected.
 */
export function parseForward(text: string, types: readonly ForwardType[], origin = '-L'): ForwardArgument {
  const isRemote = /R/.test(origin);
  const usual = TO_FOLDER.test(text.trim()) ? '8021:sftp:/srv/in' : '8021:localhost:21';
  return explained(`${origin} ${text}`, `${isRemote ? '-R' : '-L'}`, usual, () => {
    const folder = toFolder(text.trim(), types);
    if (folder !== null) return folder;
    const { type, address } = splitType(text.trim(), types);
    const ends = isRemote && isAddress(address) ? dynamicEnds(address) : readEnds(address, types);
    return typed(type, absoluteEnds(ends, isRemote ? 'remote' : 'local'), types);
  });
}

/**
 * Parses the argument of `-D`: `[bind_address:]port` or the path of a Unix socket. `origin` names
 * it in errors: `-D`, or ssh_config's `DynamicForward`. Throws `CONFIG_INVALID`.
 */
export function parseDynamic(text: string, types: readonly ForwardType[], origin = '-D'): ForwardArgument {
  return explained(`${origin} ${text}`, '-D', '1080', () => {
    const { type, address } = splitType(text.trim(), types);
    if (!isAddress(address))
      throw new AddressError(`a dynamic forward has no target; expected ${DYNAMIC_FORM}`);
    return typed(type, absoluteEnds(dynamicEnds(address), 'local'), types);
  });
}

/** Adds the argument and an example to an AddressError, as a GatewayError. */
function explained<T>(where: string, flag: string, usual: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
    const example = `${error.message}, such as ${flag} ${error.example ?? usual}`;
    throw new GatewayError('CONFIG_INVALID', example, { where });
  }
}

function typed(given: string | null, ends: Ends, types: readonly ForwardType[]): ForwardArgument {
  const type = given ?? typeOf(ends, types);
  const plugin = namedTypes(types).get(type)?.plugin;
  const own = types.find(({ name }) => name === plugin);
  const wrong = own === undefined ? null : mismatch(own, ends);
  if (wrong !== null) throw new AddressError(wrong);
  return { type, ...ends };
}

/** Whether the text is only an address to listen on. */
function isAddress(text: string): boolean {
  const fields = splitColons(text);
  return fields.length === 1 || (fields.length === 2 && !fields.some(isSocketPath));
}

function dynamicEnds(text: string): Ends {
  const [first = ''] = splitColons(text);
  return { listen: isSocketPath(first) ? socket(first) : parseListen(text), target: DYNAMIC };
}

/** Reads `[bind_address:]port:host:hostport`, where a path can replace either end. */
function readEnds(address: string, types: readonly ForwardType[]): Ends {
  const fields = splitColons(address);
  const [first = '', ...more] = fields;
  const last = more.at(-1) ?? '';
  const isFromSocket = isSocketPath(first);
  if (fields.length > 1 && isSocketPath(last)) {
    const from = fields.slice(0, -1);
    if (from.length > 2 || (isFromSocket && from.length > 1)) throw tooManyColons('8080:/run/app.sock');
    const target = { unix: parseSocketPath(last, 'the target socket') };
    if (isFromSocket) return { listen: socket(first), target };
    const [port = '', bind] = from.reverse();
    return { listen: listenAddress(bind, parsePort(port, 'the port to listen on', { zero: true })), target };
  }
  if (fields.length > (isFromSocket ? 3 : 4)) throw tooManyColons('8021:[::1]:21');
  if (fields.length < 3) {
    const missing = fields.length === 1 ? 'the host and its port are missing' : 'only two parts';
    throw new AddressError(`${missing}; expected ${FORM}`);
  }
  const [hostPort = '', host = '', port = '', bind] = fields.reverse();
  const listen = isFromSocket
    ? socket(first)
    : listenAddress(bind, listenPort(port, types, [host, hostPort]));
  const target = {
    host: parseHost(host, 'the target host'),
    port: parsePort(hostPort, 'the target port'),
  };
  return { listen, target };
}

function socket(path: string): ListenAddress {
  return unixEndpoint(parseSocketPath(path, 'the socket to listen on'));
}

function listenAddress(bind: string | undefined, port: number): ListenAddress {
  return { host: bind === undefined ? null : parseBindHost(bind), port };
}

function tooManyColons(example: string): AddressError {
  return new AddressError(`too many colons; expected ${FORM} with IPv6 addresses in brackets`, example);
}

/** Parses a forward to a folder behind SFTP; null for any other. */
function toFolder(text: string, types: readonly ForwardType[]): ForwardArgument | null {
  const [, prefix, listen, to] = TO_FOLDER.exec(text) ?? [];
  if (listen === undefined || to === undefined) return null;
  const ends = { listen: parseListen(listen), target: parseFolder(to.slice('sftp:'.length)) };
  const serving = types.filter(({ servesFolders }) => servesFolders).map(({ name }) => name);
  const type = prefix?.toLowerCase() ?? serving[0] ?? 'tcp';
  if (!serving.includes(type))
    throw new AddressError(`type '${prefix}' does not serve a folder; expected ${serving.join(', ')}`);
  return typed(type, ends, types);
}

/** Splits off a leading `type/`. Any other slash belongs to the path of a Unix socket. */
function splitType(text: string, types: readonly ForwardType[]): { type: string | null; address: string } {
  const slash = text.indexOf('/');
  const prefix = text.slice(0, Math.max(0, slash));
  if (slash === -1 || /^(\[?(~|\.{0,2})|.*:.*)$/s.test(prefix)) return { type: null, address: text };
  const known = [...namedTypes(types).keys()];
  if (known.includes(prefix.toLowerCase()))
    return { type: prefix.toLowerCase(), address: text.slice(slash + 1) };
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

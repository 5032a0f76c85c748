import { absolutePath } from '../core/absolute-path.ts';
import { addressFamily, isSocketPath, unixEndpoint } from '../core/endpoint.ts';
import type { SftpFolder, Target } from '../core/target.ts';

/** An invalid part of an address. The message names the part, its value, and what was expected. */
export class AddressError extends Error {
  override readonly name = 'AddressError';
  /** An argument that would be right, without its flag; null for the usual one. */
  readonly example: string | null;

  constructor(message: string, example: string | null = null) {
    super(message);
    this.example = example;
  }
}

/**
 * Where to listen: `localhost` means both loopbacks, `*` every interface. Null means the default by
 * GatewayPorts (`-g`). A path is a Unix socket; its port is 0.
 */
export interface ListenAddress {
  readonly host: string | null;
  readonly port: number;
}

/** Both ends of a forward. */
export interface Ends {
  readonly listen: ListenAddress;
  readonly target: Target;
}

/**
 * Splits text at colons outside `[brackets]`, and drops the brackets. As in ssh, a backslash makes
 * the next character part of a field, and brackets can hold the path of a Unix socket. Throws an
 * AddressError.
 */
export function splitColons(text: string): string[] {
  const fields: string[] = [];
  let rest = text;
  for (;;) {
    const bracketed = /^\[([^\]]*)\](:|$)/.exec(rest);
    const field = bracketed ?? /^((?:\\.|[^:\\])*)(:|$)/s.exec(rest);
    if (bracketed === null && rest.startsWith('[')) {
      throw new AddressError(
        rest.includes(']')
          ? `'${rest}' continues after ']'; expected ':'`
          : `'${rest}' has a '[' without a ']'; expected an IPv6 address in brackets, such as [::1]`,
      );
    }
    const [all = '', value = '', separator = ''] = field ?? [];
    if (bracketed !== null && addressFamily(value) !== 6 && !isSocketPath(value)) {
      throw new AddressError(
        `'[${value}]' is not an IPv6 address; write addresses as [::1], and names without brackets`,
      );
    }
    fields.push(bracketed === null ? value.replace(/\\(.)/gs, '$1') : value);
    if (separator === '') return fields;
    rest = rest.slice(all.length);
  }
}

/**
 * Parses a decimal TCP port. 0 is valid only with `zero`, as "any free port". `what` names the port
 * in the AddressError.
 */
export function parsePort(text: string, what: string, { zero = false } = {}): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (port >= (zero ? 0 : 1) && port <= 65535) return port;
  const range = zero ? '0 (any free port) to 65535' : '1 to 65535';
  throw new AddressError(
    text === ''
      ? `${what} is missing; expected a number from ${range}`
      : `${what} '${text}' is invalid; expected a number from ${range}`,
  );
}

/** Parses a host name or an IP address without brackets. Throws an AddressError. */
export function parseHost(text: string, what: string): string {
  if (text === '') throw new AddressError(`${what} is empty; expected a host name or an address`);
  if (text.includes('@')) {
    throw new AddressError(`${what} '${text}' is invalid; expected a host without a user name`);
  }
  if (addressFamily(text) === 0 && !/^[\p{L}\p{N}_.-]+$/u.test(text)) {
    throw new AddressError(`${what} '${text}' is invalid; expected a host name or an address`);
  }
  return text;
}

/** Parses an address to listen on. Empty and `*` mean every interface, as in ssh(1). */
export function parseBindHost(text: string): string {
  return text === '' || text === '*' ? '*' : parseHost(text, 'the bind address');
}

/** The beginning of a text that is the path of a Unix socket, where it could be something else. */
const PATH = /^(~|\.{1,2})?\//;

/** Parses `port`, `bind_address:port`, or the path of a Unix socket. Throws an AddressError. */
export function parseListen(text: string): ListenAddress {
  if (PATH.test(text)) return unixEndpoint(parseSocketPath(text, 'the socket to listen on'));
  const fields = splitColons(text);
  if (fields.length > 2) throw tooManyColons(text);
  const [port = '', host] = fields.reverse();
  return {
    host: host === undefined ? null : parseBindHost(host),
    port: parsePort(port, 'the port to listen on', { zero: true }),
  };
}

/** A folder after `sftp:`. A number is the port of a host of that name. */
const FOLDER = /^sftp:(\/.*|~(?:\/.*)?|)$/s;

/** Parses `host:port`, `sftp:folder`, or the path of a Unix socket. Throws an AddressError. */
export function parseTarget(text: string): Target {
  const [, folder] = FOLDER.exec(text) ?? [];
  if (folder !== undefined) return parseFolder(folder);
  if (PATH.test(text)) return { unix: parseSocketPath(text, 'the target socket') };
  const [host = '', port = '', ...more] = splitColons(text);
  if (more.length > 0) throw tooManyColons(text);
  return { host: parseHost(host, 'the target host'), port: parsePort(port, 'the target port') };
}

/** Parses the path of a Unix socket. Throws an AddressError. */
export function parseSocketPath(text: string, what: string): string {
  if (/[\0-\x1f\x7f]/.test(text)) throw new AddressError(`${what} has a control character`);
  if (text.endsWith('/')) throw new AddressError(`${what} '${text}' is a folder; name a file in it`);
  return text;
}

/** Returns the path of a Unix socket of the server. Throws an AddressError if it is relative. */
export function remoteSocketPath(text: string, what: string): string {
  if (text.startsWith('/')) return text;
  throw new AddressError(
    `${what} '${text}' is not absolute; paths on the server have to be`,
    '8080:/run/app.sock',
  );
}

/**
 * Makes the Unix sockets at both ends of a forward absolute. Throws an AddressError for a relative
 * path on the server.
 */
export function absoluteEnds(
  { listen, target }: Ends,
  direction: 'local' | 'remote',
): { listen: ListenAddress; target: Target } {
  const absolute = (isHere: boolean, text: string, what: string) =>
    isHere ? absolutePath(text) : remoteSocketPath(text, what);
  const isLocal = direction === 'local';
  const { host } = listen;
  return {
    listen:
      host !== null && isSocketPath(host)
        ? unixEndpoint(absolute(isLocal, host, 'the socket to listen on'))
        : listen,
    target: 'unix' in target ? { unix: absolute(!isLocal, target.unix, 'the target socket') } : target,
  };
}

/** Parses a folder behind SFTP: absolute, `~/…`, or empty for the home. Throws an AddressError. */
export function parseFolder(text: string): SftpFolder {
  if (/[\0-\x1f\x7f]/.test(text)) throw new AddressError('the folder has a control character');
  if (text !== '' && !/^(\/|~$|~\/)/.test(text)) {
    const home = text.startsWith('~') ? 'homes of other users are not supported' : 'it is not absolute';
    throw new AddressError(
      `the folder '${text}' is invalid: ${home}; expected an absolute path, one below ~, or nothing for the home`,
    );
  }
  return { sftp: text === '~' || text === '~/' ? '' : text };
}

function tooManyColons(text: string): AddressError {
  return new AddressError(`'${text}' has too many colons; put IPv6 addresses in [brackets]`);
}

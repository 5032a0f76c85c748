import { addressFamily } from '../core/endpoint.ts';
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
 * GatewayPorts (`-g`).
 */
export interface ListenAddress {
  readonly host: string | null;
  readonly port: number;
}

/** Splits text at colons outside `[brackets]`, and drops the brackets. Throws an AddressError. */
export function splitColons(text: string): string[] {
  const fields: string[] = [];
  let rest = text;
  for (;;) {
    const bracketed = /^\[([^\]]*)\](:|$)/.exec(rest);
    const field = bracketed ?? /^([^:]*)(:|$)/.exec(rest);
    if (bracketed === null && rest.startsWith('[')) {
      throw new AddressError(
        rest.includes(']')
          ? `'${rest}' continues after ']'; expected ':'`
          : `'${rest}' has a '[' without a ']'; expected an IPv6 address in brackets, such as [::1]`,
      );
    }
    const [all = '', value = '', separator = ''] = field ?? [];
    if (bracketed !== null && addressFamily(value) !== 6) {
      throw new AddressError(
        `'[${value}]' is not an IPv6 address; write addresses as [::1], and names without brackets`,
      );
    }
    fields.push(value);
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

/** Parses `port` or `bind_address:port`. Throws an AddressError. */
export function parseListen(text: string): ListenAddress {
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

/** Parses `host:port`, or `sftp:folder`. Throws an AddressError. */
export function parseTarget(text: string): Target {
  const [, folder] = FOLDER.exec(text) ?? [];
  if (folder !== undefined) return parseFolder(folder);
  const [host = '', port = '', ...more] = splitColons(text);
  if (more.length > 0) throw tooManyColons(text);
  return { host: parseHost(host, 'the target host'), port: parsePort(port, 'the target port') };
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

import { GatewayError } from '../../errors.ts';

export interface Destination {
  readonly user: string | null;
  readonly host: string;
  readonly port: number | null;
}

/** Parses `[user@]host` or `ssh://[user@]host[:port]`. Throws `CONFIG_INVALID` with the cause. */
export function parseDestination(text: string): Destination {
  const destination = text.startsWith('ssh://') ? parseUri(text) : parsePlain(text);
  checkHost(destination.host, text);
  if (destination.user !== null) checkUser(destination.user, text);
  return destination;
}

function parsePlain(text: string): Destination {
  const at = text.lastIndexOf('@');
  return { user: at < 0 ? null : text.slice(0, at), host: text.slice(at + 1), port: null };
}

function parseUri(text: string): Destination {
  const parts = /^ssh:\/\/(?:(.*)@)?(\[[^\]]*\]|[^:[\]]*)(?::(\d+))?\/?$/.exec(text);
  const host = parts?.[2]?.replace(/^\[|\]$/g, '').replace(/\/$/, '');
  const port = parts?.[3] === undefined ? null : Number(parts[3]);
  if (!host || (port !== null && (port < 1 || port > 65_535)))
    invalid(text, 'the port or the host is wrong', 'ssh://[user@]host[:port]');
  return { user: parts?.[1] === undefined ? null : decode(parts[1], text), host, port };
}

function decode(part: string, text: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return invalid(text, 'the user name is not well-formed');
  }
}

/** Like valid_hostname in OpenSSH's ssh.c: the name may end up in a ProxyCommand's shell. */
export function checkHost(host: string, text: string): void {
  if (host === '') invalid(text, 'the host is missing');
  if (host.startsWith('-')) invalid(text, 'a host name cannot begin with -');
  if (/[\s\x00-\x1f\x7f'`"$\\;&<>|(){},]/.test(host)) invalid(text, 'the host name has invalid characters');
}

/** Like valid_ruser in OpenSSH's ssh.c. */
export function checkUser(user: string, text: string): void {
  if (user === '') invalid(text, 'the user name is empty');
  if (user.startsWith('-')) invalid(text, 'a user name cannot begin with -');
  if (/[\x00-\x1f\x7f'`";&<>|(){}]|\\$|\s-/.test(user)) invalid(text, 'the user name has invalid characters');
}

function invalid(text: string, why: string, form = '[user@]host'): never {
  throw new GatewayError('CONFIG_INVALID', `${JSON.stringify(text)} is not an SSH destination: ${why}`, {
    hint: `write ${form}`,
  });
}

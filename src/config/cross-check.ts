import { isAnyPort, isLoopback, isSocketPath } from '../core/endpoint.ts';
import { GatewayError } from '../core/errors.ts';
import { checkUser, parseDestination } from '../core/ssh/config/destination.ts';
import { canonicalKey, checkOption } from '../core/ssh/config/keys.ts';
import { didYouMean } from '../core/text/suggest.ts';
import { AddressError, parseListen } from './address.ts';

/** One mistake in a file's content, at the value or the key that `path` leads to. */
export interface Issue {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly at: 'key' | 'value';
}

/**
 * Returns the mistakes that the schema cannot detect, because they span several parts of a file or
 * need ssh's own rules: unknown names, duplicate ports, invalid hosts and unknown options of ssh.
 * `input` is the content of the file as it was read, valid or not. What the schema refuses is
 * skipped here.
 */
export function crossCheck(input: unknown): Issue[] {
  const { servers, forwards, groups } = keysOf(input);
  return [
    ...Object.entries(keysOf(servers)).flatMap(([name, server]) => checkServer(['servers', name], server)),
    ...checkNames('servers', servers, SERVER_NAME),
    ...checkNames('forwards', forwards),
    ...checkServerNames(forwards, servers),
    ...checkPorts(forwards),
    ...checkNames('groups', groups),
    ...checkGroups(groups, forwards),
  ];
}

function checkServer(path: string[], server: unknown): Issue[] {
  const { host, user, options } = keysOf(server);
  const issues: Issue[] = [];
  const attempt = (key: string[], at: Issue['at'], check: () => void, hint = '') => {
    try {
      check();
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      // The path already names the key.
      const message = error.where === undefined ? error.message : error.what;
      issues.push({ path: [...path, ...key], message: message + hint, at });
    }
  };
  if (typeof host === 'string' && host !== '') {
    attempt(['host'], 'value', () => parseDestination(host));
  }
  if (typeof user === 'string' && user !== '') attempt(['user'], 'value', () => checkUser(user, user));
  for (const [key, value] of Object.entries(keysOf(options))) {
    const text = typeof value === 'boolean' ? (value ? 'yes' : 'no') : String([value].flat()[0]);
    const hint = canonicalKey(key) === null ? '; expected one of ssh_config(5)' : '; leave it out';
    attempt(['options', key], 'key', () => checkOption(key, text, ''), hint);
  }
  return issues;
}

/** Names are words of a command line, where `user@host` and `ssh://host` are hosts. */
const NAME = /^[\p{L}\p{N}_][\p{L}\p{N}_.-]*$/u;
/** The name of a server appears only in the file and the log. */
const SERVER_NAME = /./;

function checkNames(part: 'servers' | 'forwards' | 'groups', named: unknown, allowed = NAME): Issue[] {
  return Object.keys(keysOf(named))
    .filter((name) => !allowed.test(name) || name === '__proto__')
    .map((name) => ({
      path: [part, name],
      message: `invalid name '${name}'; use letters, digits, -, _ and ., such as mail-in`,
      at: 'key',
    }));
}

function checkServerNames(forwards: unknown, servers: unknown): Issue[] {
  // If `servers` is missing, that is the mistake.
  if (servers === undefined) return [];
  const known = Object.keys(keysOf(servers));
  return Object.entries(keysOf(forwards)).flatMap(([name, forward]): Issue[] => {
    const { server } = keysOf(forward);
    if (typeof server !== 'string' || server === '' || known.includes(server)) return [];
    const expected = known.length > 0 ? `one of ${known.join(', ')}` : 'a name from servers';
    const message = `unknown server '${server}'${didYouMean(server, known)}; expected ${expected}`;
    return [{ path: ['forwards', name, 'server'], message, at: 'value' }];
  });
}

/** An address that a forward listens on. */
export interface Claim {
  readonly name: string;
  /** This machine, or a server: each has its own ports. */
  readonly machine: string;
  readonly host: string;
  readonly port: number;
}

function checkPorts(forwards: unknown): Issue[] {
  const claims: Claim[] = [];
  const issues: Issue[] = [];
  for (const [name, forward] of Object.entries(keysOf(forwards))) {
    const claim = claimOf(name, forward);
    if (claim === null) continue;
    const earlier = claims.find((other) => collide(claim, other));
    claims.push(claim);
    if (earlier === undefined) continue;
    const [what, own] = isSocketPath(claim.host) ? [claim.host, 'path'] : [`port ${claim.port}`, 'port'];
    const message = `${what} is already used by ${earlier.name}; give each forward its own ${own}`;
    issues.push({ path: ['forwards', name, 'listen'], message, at: 'value' });
  }
  return issues;
}

/** Returns the address of a forward as written; null if the system chooses it, or if it is invalid. */
export function claimOf(name: string, forward: unknown): Claim | null {
  const { listen, server, direction } = keysOf(forward);
  if (typeof listen !== 'number' && typeof listen !== 'string') return null;
  try {
    const { host, port } = parseListen(String(listen));
    const machine = direction === 'remote' ? `server ${server}` : 'this machine';
    return isAnyPort({ host, port }) ? null : { name, machine, host: host ?? 'localhost', port };
  } catch (error) {
    if (error instanceof AddressError) return null;
    throw error;
  }
}

/** Whether two forwards cannot both listen. */
export function collide(a: Claim, b: Claim): boolean {
  if (a.machine !== b.machine || a.port !== b.port) return false;
  if (a.host === b.host || a.host === '*' || b.host === '*') return true;
  // Two addresses of 127.0.0.0/8 do not collide. localhost is one of them, and ::1.
  return [a.host, b.host].includes('localhost') && isLoopback(a.host) && isLoopback(b.host);
}

function checkGroups(groups: unknown, forwards: unknown): Issue[] {
  const known = Object.keys(keysOf(forwards));
  return Object.entries(keysOf(groups)).flatMap(([group, members]): Issue[] => {
    const issues: Issue[] = [];
    if (known.includes(group)) {
      const message = `${group} is already the name of a forward; choose another name for the group`;
      issues.push({ path: ['groups', group], message, at: 'key' });
    }
    for (const [index, member] of (Array.isArray(members) ? members : []).entries()) {
      if (typeof member !== 'string' || known.includes(member)) continue;
      const message = `unknown forward '${member}'${didYouMean(member, known)}; expected one of ${known.join(', ')}`;
      issues.push({ path: ['groups', group, index], message, at: 'value' });
    }
    return issues;
  });
}

/** Returns the content of a mapping; of another value, an empty object. */
function keysOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

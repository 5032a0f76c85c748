import path from 'node:path';
import { formatEndpoint, isAnyPort, isSocketPath } from '../core/endpoint.ts';
import { GatewayError } from '../core/errors.ts';
import { parseDestination } from '../core/ssh/config/destination.ts';
import { canonicalKey } from '../core/ssh/config/keys.ts';
import { formatTarget, isDynamic } from '../core/target.ts';
import type { ListenAddress } from './address.ts';
import { checkParts, tell } from './check-input.ts';
import { type ForwardArgument, namedTypes, parseDynamic, parseForward } from './forward-spec.ts';
import { freeName } from './free-name.ts';
import {
  capitalized,
  findProtocolOption,
  type OptionOwner,
  protocolOptions,
  readProtocolValue,
  splitOption,
} from './protocol-options.ts';
import type { Config, ConfigPlugins, LogConfig } from './schema.ts';
import { listenTlsOptionsSchema, tlsOptionsSchema } from './tls.ts';

/** The arguments of a command line, each as it was typed. */
export interface Arguments {
  /** `[user@]host` or `ssh://[user@]host[:port]`. */
  readonly destination: string;
  /** The arguments of `-L`. */
  readonly forwards: readonly string[];
  /** The arguments of `-R`. */
  readonly remoteForwards?: readonly string[] | undefined;
  /** The arguments of `-D`. */
  readonly dynamicForwards?: readonly string[] | undefined;
  /** The arguments of `-o`, including those of flags that abbreviate one. */
  readonly options: readonly string[];
  readonly user?: string | undefined;
  readonly port?: number | undefined;
  readonly identityFile?: readonly string[] | undefined;
  readonly addressFamily?: 4 | 6 | undefined;
  readonly sshConfig?: string | undefined;
  readonly gatewayPorts: boolean;
  readonly session: boolean;
  readonly log: LogConfig;
}

/** Returns the arguments of all forwards, in the order of -L, -R and -D. */
export function allForwards({ forwards, remoteForwards = [], dynamicForwards = [] }: Arguments): string[] {
  return [...forwards, ...remoteForwards, ...dynamicForwards];
}

/** The forwards of ssh_config, in the syntax of `-L`, `-R` and `-D`. */
export interface ForwardLines {
  readonly local: readonly string[];
  readonly remote: readonly string[];
  readonly dynamic: readonly string[];
}

const NO_LINES: ForwardLines = { local: [], remote: [], dynamic: [] };

/** Arguments in the form of a config file. Values that were not given are undefined. */
export interface ArgumentsInput {
  readonly servers: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly forwards: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly log: LogConfig;
  readonly localUsers: string | undefined;
  readonly drainTimeout: number | string | undefined;
}

/**
 * Returns the Config of these arguments, with one server whose name is the destination. `lines` are
 * the LocalForward, RemoteForward and DynamicForward lines of ssh_config, in the syntax of `-L`, `-R`
 * and `-D`. Throws `CONFIG_*`, naming the argument and what was expected.
 */
export function configFromArguments(
  args: Arguments,
  plugins: ConfigPlugins,
  lines: ForwardLines = NO_LINES,
): Config {
  const checked = checkParts(inputFromArguments(args, plugins, lines), plugins);
  if ('config' in checked) return checked.config;
  const issues = checked.issues.map((issue) => {
    const option = OWN_NAMES.find((name) => name === issue.path.at(-1));
    // All other arguments were checked when they were parsed.
    return option === undefined ? tell(issue) : `-o ${capitalized(option)}: ${issue.message}`;
  });
  throw new GatewayError('CONFIG_INVALID', issues.join('; '));
}

/**
 * Returns the arguments in the form of a config file, not yet checked as a whole. Throws like
 * `configFromArguments`.
 */
export function inputFromArguments(
  args: Arguments,
  plugins: ConfigPlugins,
  lines: ForwardLines = NO_LINES,
): ArgumentsInput {
  const { ssh, protocols, own } = sortOptions(args.options, plugins);
  const { listenTls } = protocols;
  if (listenTls !== undefined && (listenTls.cert === undefined || listenTls.key === undefined)) {
    const key = `ListenTls${capitalized(Object.keys(listenTls)[0] ?? '')}`;
    throw new GatewayError('CONFIG_INVALID', `-o ${key}: TLS with clients needs a certificate and its key`, {
      hint: 'set ListenTlsCert and ListenTlsKey',
    });
  }
  const named = namedTypes(plugins);
  const forwards: Record<string, Readonly<Record<string, unknown>>> = {};
  const taken = new Map<string, string>();
  const add = (forward: ForwardArgument, text: string, direction: 'local' | 'remote') => {
    const address = formatListen(forward.listen);
    const place = `${direction} ${address}`;
    const isSocket = isSocketPath(address);
    const earlier = isAnyPort(forward.listen) ? undefined : taken.get(place);
    if (earlier !== undefined) {
      const [what, own] = isSocket ? [address, 'path'] : [`port ${forward.listen.port}`, 'port'];
      throw new GatewayError('CONFIG_INVALID', `${text}: ${what} is already used by ${earlier}`, {
        hint: `give each forward its own ${own}`,
      });
    }
    taken.set(place, text);
    const { plugin: type, tls } = named.get(forward.type) ?? { plugin: forward.type, tls: null };
    forwards[freeName(forwards, nameOf(forward, direction))] = {
      direction,
      listen: address,
      server: args.destination,
      ...(!isDynamic(forward.target) && { to: formatTarget(forward.target) }),
      type: forward.type,
      ...(protocols[type] && { [type]: protocols[type] }),
      ...(tls !== null && { tls: protocols.tls ?? {} }),
      ...(listenTls !== undefined && { listenTls }),
    };
  };
  for (const [direction, origin, texts, parse] of [
    ['local', '-L', args.forwards, parseForward],
    ['remote', '-R', args.remoteForwards ?? [], parseForward],
    ['local', '-D', args.dynamicForwards ?? [], parseDynamic],
    ['local', 'LocalForward', lines.local, parseForward],
    ['remote', 'RemoteForward', lines.remote, parseForward],
    ['local', 'DynamicForward', lines.dynamic, parseDynamic],
  ] as const) {
    for (const text of texts) add(parse(text, plugins, origin), `${origin} ${text}`, direction);
  }
  const isUsed = Object.values(forwards).some(({ tls }) => tls !== undefined);
  if (protocols.tls !== undefined && !isUsed) {
    const key = `Tls${capitalized(Object.keys(protocols.tls)[0] ?? '')}`;
    throw new GatewayError('CONFIG_INVALID', `-o ${key}: no forward speaks TLS to its target`, {
      hint: 'use a type that does, such as -L pop3s/8110:host:995',
    });
  }

  const { destination, user, port, identityFile, addressFamily, sshConfig, gatewayPorts, session, log } =
    args;
  const typed = parseDestination(destination);
  return {
    servers: {
      [destination]: {
        // -l and -p take precedence over the destination, as in ssh.
        host: typed.host,
        user: user ?? typed.user ?? undefined,
        port: port ?? typed.port ?? undefined,
        identityFile,
        addressFamily,
        sshConfig,
        gatewayPorts,
        session,
        options: byKey(ssh),
        dataConnections: numeric(own.dataConnections),
        sshEngine: own.sshEngine?.toLowerCase(),
      },
    },
    forwards,
    log,
    localUsers: own.localUsers,
    drainTimeout: numeric(own.drainTimeout),
  };
}

/**
 * The options of sshferry that belong to no protocol, with their descriptions. In `-o` the names
 * are capitalized.
 */
export const OWN_OPTIONS = {
  localUsers:
    'Other users of this machine who may connect to loopback forwards: any, or user names and uids; Linux only.',
  dataConnections:
    'Additional SSH connections for bulk data, 0 to 16 (default: 1 if the login asks no questions, otherwise 0).',
  sshEngine:
    'What logs in and encrypts: ssh2 (built in), openssh (the installed ssh), or auto: ssh2 unless the login needs OpenSSH, as for certificates, security keys or Kerberos (default: auto).',
  drainTimeout: 'Seconds that connected clients may take to finish after SIGTERM (default: 10).',
} as const;
type OwnOption = keyof typeof OWN_OPTIONS;
const OWN_NAMES = Object.keys(OWN_OPTIONS) as OwnOption[];

/** Returns the protocols and TLS on both sides, as owners of options that `-o` sets. */
export function optionOwners(plugins: ConfigPlugins): readonly OptionOwner[] {
  return [
    ...plugins,
    { name: 'tls', schema: tlsOptionsSchema },
    { name: 'listenTls', schema: listenTlsOptionsSchema },
  ];
}

/**
 * Sorts `-o` into the options of ssh_config, of protocols, and of sshferry. The first value of a
 * key counts, as in ssh.
 */
function sortOptions(texts: readonly string[], plugins: ConfigPlugins) {
  const owners = optionOwners(plugins);
  const known = protocolOptions(owners);
  const own: Partial<Record<OwnOption, string>> = {};
  const ssh: [string, string][] = [];
  const protocols: Record<string, Record<string, unknown>> = {};
  for (const text of texts) {
    const [key, value] = splitOption(text);
    const name = OWN_NAMES.find((option) => option.toLowerCase() === key.toLowerCase());
    if (name !== undefined) {
      own[name] ??= value;
      continue;
    }
    // TCPKeepAlive is an option of ssh_config, not of tcp.
    const option = canonicalKey(key) === null ? findProtocolOption(key, known) : null;
    if (option === null) {
      ssh.push([key, value]);
      continue;
    }
    const read = readProtocolValue(option, value);
    protocols[option.protocol] = { [option.field]: read, ...protocols[option.protocol] };
  }
  for (const { name, schema } of owners) {
    const issues = schema.safeParse(protocols[name] ?? {}).error?.issues ?? [];
    if (issues.length > 0) {
      throw new GatewayError('CONFIG_INVALID', `-o: ${issues.map(({ message }) => message).join('; ')}`);
    }
  }
  return { ssh, protocols, own };
}

/** Groups options by key, as in a config file. Values keep their order. */
function byKey(options: readonly (readonly [string, string])[]): Record<string, string[]> {
  const record: Record<string, string[]> = {};
  for (const [key, value] of options) record[key] = [...(record[key] ?? []), value];
  return record;
}

/** Converts digits to a number. Other text is left for the schema to refuse. */
function numeric(text: string | undefined): number | string | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : text;
}

/**
 * Returns a forward's name for logs: its type and port, or its type and the file name of its
 * socket.
 */
function nameOf({ type, listen }: ForwardArgument, direction: 'local' | 'remote'): string {
  // A config file, which init may write, allows no + in a name.
  const word = type.replaceAll('+', '-');
  const { host, port } = listen;
  const end =
    host !== null && isSocketPath(host) ? path.basename(host).replace(/[^\p{L}\p{N}_.-]/gu, '-') : port;
  return `${direction === 'remote' ? 'remote-' : ''}${word}-${end}`;
}

function formatListen({ host, port }: ListenAddress): string {
  return host === null ? String(port) : formatEndpoint({ host, port });
}

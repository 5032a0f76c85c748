import { formatEndpoint } from '../core/endpoint.ts';
import { GatewayError } from '../core/errors.ts';
import { parseDestination } from '../core/ssh/config/destination.ts';
import { canonicalKey } from '../core/ssh/config/keys.ts';
import type { ListenAddress } from './address.ts';
import { checkParts, tell } from './check-input.ts';
import { type ForwardArgument, parseForward } from './forward-spec.ts';
import {
  capitalized,
  findProtocolOption,
  protocolOptions,
  readProtocolValue,
  splitOption,
} from './protocol-options.ts';
import type { Config, ConfigPlugins, LogConfig } from './schema.ts';

/** What the command line says, each argument still as it was typed. */
export interface Arguments {
  /** `[user@]host` or `ssh://[user@]host[:port]`. */
  readonly destination: string;
  /** The arguments of `-L`. */
  readonly forwards: readonly string[];
  /** The arguments of `-R`. */
  readonly remoteForwards?: readonly string[] | undefined;
  /** The arguments of `-o`, those of flags that are short for one included. */
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

/** Forwards as ssh_config has them, written as `-L` and `-R` take them. */
interface ForwardLines {
  readonly local: readonly string[];
  readonly remote: readonly string[];
}

/** What a config file would say in place of the arguments; what nobody said is undefined. */
export interface ArgumentsInput {
  readonly servers: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly forwards: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly log: LogConfig;
  readonly localUsers: string | undefined;
  readonly drainTimeout: number | string | undefined;
}

/**
 * Makes the arguments a Config with one server, which is named as the destination is. `lines` are ssh_config's LocalForward
 * and RemoteForward lines, written as `-L` and `-R` take them. Throws `CONFIG_*` naming the argument and what was expected.
 */
export function configFromArguments(
  args: Arguments,
  plugins: ConfigPlugins,
  lines: ForwardLines = { local: [], remote: [] },
): Config {
  const checked = checkParts(inputFromArguments(args, plugins, lines), plugins);
  if ('config' in checked) return checked.config;
  const issues = checked.issues.map((issue) => {
    const option = OWN_NAMES.find((name) => name === issue.path.at(-1));
    // Everything else was checked as the argument that it is.
    return option === undefined ? tell(issue) : `-o ${capitalized(option)}: ${issue.message}`;
  });
  throw new GatewayError('CONFIG_INVALID', issues.join('; '));
}

/** The same as a config file would say it, not checked whole. Throws `CONFIG_*` naming the argument and what was expected. */
export function inputFromArguments(
  args: Arguments,
  plugins: ConfigPlugins,
  lines: ForwardLines = { local: [], remote: [] },
): ArgumentsInput {
  const { ssh, protocols, own } = sortOptions(args.options, plugins);
  const forwards: Record<string, Readonly<Record<string, unknown>>> = {};
  const taken = new Map<string, string>();
  const add = (forward: ForwardArgument, text: string, direction: 'local' | 'remote') => {
    const address = formatListen(forward.listen);
    const place = `${direction} ${address}`;
    const earlier = forward.listen.port === 0 ? undefined : taken.get(place);
    if (earlier !== undefined) {
      throw new GatewayError(
        'CONFIG_INVALID',
        `${text}: port ${forward.listen.port} is already used by ${earlier}; give each forward its own port`,
      );
    }
    taken.set(place, text);
    forwards[freeName(forward, direction, forwards)] = {
      direction,
      listen: address,
      server: args.destination,
      to: formatEndpoint(forward.target),
      type: forward.type,
      ...(protocols[forward.type] && { [forward.type]: protocols[forward.type] }),
    };
  };
  for (const [direction, origin, texts] of [
    ['local', '-L', args.forwards],
    ['remote', '-R', args.remoteForwards ?? []],
    ['local', 'LocalForward', lines.local],
    ['remote', 'RemoteForward', lines.remote],
  ] as const) {
    for (const text of texts) add(parseForward(text, plugins, origin), `${origin} ${text}`, direction);
  }

  const { destination, user, port, identityFile, addressFamily, sshConfig, gatewayPorts, session, log } =
    args;
  const typed = parseDestination(destination);
  return {
    servers: {
      [destination]: {
        // -l and -p go before what stands in the destination, as in ssh.
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
      },
    },
    forwards,
    log,
    localUsers: own.localUsers,
    drainTimeout: numeric(own.drainTimeout),
  };
}

/** Options of sshferry's own that belong to no protocol, as `-o` names them with a capital, and what they are. */
export const OWN_OPTIONS = {
  localUsers:
    'Other users of this machine who may connect to loopback forwards: any, or user names and uids; Linux only.',
  dataConnections:
    'Additional SSH connections for bulk data, 0 to 16 (default: 1 if the login asks no questions, otherwise 0).',
  drainTimeout: 'Seconds that connected clients may take to finish after SIGTERM (default: 10).',
} as const;
type OwnOption = keyof typeof OWN_OPTIONS;
const OWN_NAMES = Object.keys(OWN_OPTIONS) as OwnOption[];

/** Splits `-o` into ssh_config's options, in order, and each protocol's own; the first of a key counts, as in ssh. */
function sortOptions(texts: readonly string[], plugins: ConfigPlugins) {
  const known = protocolOptions(plugins);
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
    // TCPKeepAlive is no option of tcp's.
    const option = canonicalKey(key) === null ? findProtocolOption(key, known) : null;
    if (option === null) {
      ssh.push([key, value]);
      continue;
    }
    const read = readProtocolValue(option, value);
    protocols[option.protocol] = { [option.field]: read, ...protocols[option.protocol] };
  }
  for (const { name, schema } of plugins) {
    const issues = schema.safeParse(protocols[name] ?? {}).error?.issues ?? [];
    if (issues.length > 0) {
      throw new GatewayError('CONFIG_INVALID', `-o: ${issues.map(({ message }) => message).join('; ')}`);
    }
  }
  return { ssh, protocols, own };
}

/** The options of ssh_config as a file has them: the values of one key together, the first that came still first. */
function byKey(options: readonly (readonly [string, string])[]): Record<string, string[]> {
  const record: Record<string, string[]> = {};
  for (const [key, value] of options) record[key] = [...(record[key] ?? []), value];
  return record;
}

/** A number where the text is one; the schema tells what is wrong with other text. */
function numeric(text: string | undefined): number | string | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : text;
}

/** A forward's name for logs: its type and port, with a number behind where two would be the same. */
function freeName({ type, listen }: ForwardArgument, direction: 'local' | 'remote', taken: object): string {
  const name = `${direction === 'remote' ? 'remote-' : ''}${type}-${listen.port}`;
  for (let n = 1; ; n++) {
    const candidate = n === 1 ? name : `${name}-${n}`;
    if (!Object.hasOwn(taken, candidate)) return candidate;
  }
}

function formatListen({ host, port }: ListenAddress): string {
  return host === null ? String(port) : formatEndpoint({ host, port });
}

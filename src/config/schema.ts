import { z } from 'zod';
import { type LocalUsers, parseLocalUsers } from '../core/local/local-users.ts';
import { DYNAMIC, isUnix, type Target } from '../core/target.ts';
import {
  AddressError,
  absoluteEnds,
  type Ends,
  type ListenAddress,
  parseFolder,
  parseListen,
  parseTarget,
} from './address.ts';
import { type ForwardType, mismatch, namedTypes, typeOf } from './forward-spec.ts';
import type { OptionOwner } from './protocol-options.ts';
import { type ListenTlsConfig, listenTlsSchema, type TlsConfig, tlsSchema } from './tls.ts';

/** The value of an ssh_config option; a list for one that can be repeated. */
const optionSchema = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]);

/** An SSH server and how to log in there, as for ssh(1). */
const serverSchema = z.strictObject({
  host: z
    .string()
    .min(1)
    .meta({ description: 'Host name, address or ssh_config alias', examples: ['yourserver.example.com'] }),
  user: z
    .string()
    .min(1)
    .optional()
    .describe('The user to log in as (default: by ssh_config, else your own name)'),
  port: z
    .number()
    .int()
    .min(1)
    .max(65535)
    .optional()
    .describe("The SSH server's port (default: by ssh_config, else 22)"),
  identityFile: z
    .union([z.string().min(1), z.array(z.string().min(1))])
    .meta({
      description: 'Private key files (default: by ssh_config, else the usual names in ~/.ssh)',
      examples: ['~/.ssh/id_ed25519'],
    })
    .transform((files) => [files].flat())
    .optional(),
  addressFamily: z.literal([4, 6]).optional().describe('Use IPv4 (4) or IPv6 (6) only (default: both)'),
  sshConfig: z
    .string()
    .min(1)
    .optional()
    .describe('Path of the ssh_config to read; none reads no file (default: those that ssh reads)'),
  gatewayPorts: z
    .boolean()
    .default(false)
    .describe('Listen on every interface, unless a forward names an address'),
  session: z.boolean().default(true).describe('Open one session on the server, as ssh does without -N'),
  options: z
    .record(z.string(), optionSchema)
    .meta({ description: 'ssh_config options', examples: [{ ServerAliveInterval: 15 }] })
    .prefault({})
    .transform((given) => Object.entries(given).flatMap(([key, value]) => optionLines(key, value))),
  dataConnections: z
    .number()
    .int()
    .min(0)
    .max(16)
    .optional()
    .describe(
      'Additional SSH connections for bulk data (default: 1 if the login asks no questions, otherwise 0)',
    ),
  controlPath: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Control socket of a running ssh master (ssh -M -S path) whose login to use, without one of its own',
    ),
  sshEngine: z
    .enum(['auto', 'openssh', 'ssh2'])
    .optional()
    .describe(
      "What logs in and encrypts: ssh2 (built in), openssh (the installed ssh), or auto: ssh2 unless the login needs ssh's own (default: auto)",
    ),
});

function optionLines(key: string, value: z.output<typeof optionSchema>): [key: string, value: string][] {
  if (typeof value === 'boolean') return [[key, value ? 'yes' : 'no']];
  return [value].flat().map((line) => [key, String(line)]);
}

const logSchema = z.strictObject({
  level: z
    .enum(['error', 'info', 'debug', 'trace'])
    .default('info')
    .describe('How much to log; -q is error, -v debug, -vv trace'),
  format: z
    .enum(['pretty', 'json'])
    .optional()
    .describe('Format of the log (default: pretty on a terminal, otherwise json)'),
});

/**
 * Users of this machine who may connect to the loopback listeners, besides the own user and root.
 */
const localUsersSchema = z
  .union([z.string(), z.number(), z.array(z.union([z.string(), z.number()]))])
  .transform((given, context): LocalUsers => {
    const list = [given].flat();
    const users = list.length === 0 ? [] : parseLocalUsers(list.join(','));
    if (users !== null) return users;
    context.addIssue(sentence(`'${list.join(',')}' is invalid; expected any, or ${LOCAL_USERS}`));
    return z.NEVER;
  });

/** The values of LocalUsers besides `any`, for messages. */
const LOCAL_USERS = 'user names or numeric uids, separated by commas';

/** One server of a Config. */
export type ServerConfig = z.output<typeof serverSchema>;

/** How much to log, and in which format. */
export type LogConfig = z.output<typeof logSchema>;

/**
 * One forward of a Config: `local` listens on this machine (`-L`), `remote` on the SSH server
 * (`-R`).
 */
export interface ForwardConfig {
  /** The name of a plugin. */
  readonly type: string;
  readonly direction: 'local' | 'remote';
  readonly server: string;
  readonly listen: ListenAddress;
  readonly to: Target;
  /** The output of the schema of the plugin named `type`. */
  readonly options: unknown;
  /** TLS towards the target; null if sshferry speaks none there. */
  readonly tls: TlsConfig | null;
  /** TLS with the clients; null if there is none. */
  readonly listenTls: ListenTlsConfig | null;
}

/**
 * The whole configuration, from arguments or from a file. Servers and forwards are keyed by name.
 */
export interface Config {
  readonly servers: Readonly<Record<string, ServerConfig>>;
  readonly forwards: Readonly<Record<string, ForwardConfig>>;
  /** The forwards of each group. */
  readonly groups: Readonly<Record<string, readonly string[]>>;
  readonly log: LogConfig;
  readonly localUsers: LocalUsers;
  /** Seconds that connected clients may take to finish after SIGTERM. */
  readonly drainTimeout: number;
}

/** The plugins that a configuration can name. One of them is `tcp`, the fallback. */
export type ConfigPlugins = readonly (OptionOwner & ForwardType)[];

/**
 * Returns the one schema of the configuration. Its input is the content of a config file: `servers`
 * and `forwards` by name, a forward as `{ listen: 8021, server: office, to: 'localhost:21', ftp: {
 * … } }`. The default type is that of the target's port. Its output is a Config. `crossCheck`
 * checks what spans several parts.
 */
export function configSchema(plugins: ConfigPlugins) {
  return z.strictObject({
    servers: z.record(z.string().min(1), serverSchema).describe('SSH servers, by names that you choose'),
    forwards: z
      .record(z.string().min(1), forwardSchema(plugins))
      .describe('Forwards, by names that you choose'),
    groups: z
      .record(z.string().min(1), z.array(z.string().min(1)).meta({ examples: [['mail-in', 'mail-out']] }))
      .default({})
      .describe('Lists of forwards, by a name for sshferry up NAME'),
    log: logSchema.prefault({}),
    localUsers: localUsersSchema
      .prefault([])
      .describe('Other users of this machine who may connect: any, or user names and uids'),
    drainTimeout: z
      .number()
      .int()
      .min(0)
      .max(3600)
      .default(10)
      .describe(
        'Seconds that connected clients may take to finish after SIGTERM, or after a reload that changes their forward',
      ),
  });
}

/** The input of `configSchema`: the content of a config file. */
export type ConfigInput = z.input<ReturnType<typeof configSchema>>;

function forwardSchema(plugins: ConfigPlugins) {
  const types = plugins.map(({ name }) => name);
  const named = namedTypes(plugins);
  const blocks = Object.fromEntries(
    plugins.map(({ name, schema }) => [name, schema.optional().describe(`Options of ${name}`)]),
  );
  return z
    .strictObject({
      listen: readable(
        z.union([z.number(), z.string()]).meta({
          description:
            'Port to listen on, address:port (default address: localhost), or the path of a Unix socket',
          examples: [8021, '*:8021'],
        }),
        (value) => parseListen(String(value)),
      ),
      server: z.string().min(1).describe('Name of the server, a key of servers'),
      to: readable(
        z
          .union([
            z.string(),
            z.strictObject({ sftp: z.string().describe('Absolute, ~/…, or empty for the home') }),
          ])
          .meta({
            description:
              'host:port as seen from the SSH server; localhost is the server itself. Or the path of a Unix socket there. Or a folder there, which FTP clients see: { sftp: /srv/in }. Type socks has none: its clients name it',
            examples: ['localhost:21', { sftp: '/srv/in' }],
          }),
        (value) => (typeof value === 'string' ? parseTarget(value) : parseFolder(value.sftp)),
      ).optional(),
      type: z
        .enum([...named.keys()])
        .optional()
        .describe(
          "Protocol; types that end in s, +tls or +starttls speak TLS to the target (default: by the target's port)",
        ),
      direction: z
        .enum(['local', 'remote'])
        .default('local')
        .describe('local listens on this machine (-L), remote on the SSH server (-R)'),
      tls: tlsSchema.optional().describe('TLS between sshferry and the target'),
      listenTls: listenTlsSchema
        .optional()
        .describe('TLS between clients and sshferry, for clients that insist on it'),
      ...blocks,
    })
    .transform((forward, context): ForwardConfig => {
      const { server, direction } = forward;
      const ends = endsOf({ listen: forward.listen, target: forward.to ?? DYNAMIC }, direction, context);
      const { listen, target: to } = ends;
      const name = forward.type ?? typeOf(ends, plugins);
      const { plugin: type, tls: begins } = named.get(name) ?? { plugin: name, tls: null };
      const plugin = plugins.find(({ name }) => name === type);
      const tls = tlsOf(forward.tls, begins, context, {
        name,
        isFolder: 'sftp' in to,
        isSocket: isUnix(to),
        types: plugin?.tlsTypes ?? {},
      });
      const listenTls = listenTlsOf(forward.listenTls, type, plugin?.tlsTypes ?? {}, context);
      const given: Record<string, unknown> = forward;
      for (const other of types) {
        if (other === type || given[other] === undefined) continue;
        const message = `the type of this forward is ${type}; remove the options of ${other}`;
        context.addIssue({ ...sentence(message), path: [other] });
      }
      if ('sftp' in to && plugin?.servesFolders !== true) {
        const message = `type ${type} does not serve a folder; expected ${typeOf(ends, plugins)}`;
        context.addIssue({ ...sentence(message), path: ['type'] });
      }
      // `check-input` reports a target that is missing.
      const wrong = plugin === undefined || forward.to === undefined ? null : mismatch(plugin, ends);
      if (wrong !== null) context.addIssue({ ...sentence(wrong), path: ['type'] });
      const options = given[type] ?? plugin?.schema.parse({});
      return { type, direction, server, listen, to, options, tls, listenTls };
    });
}

/** Returns the ends with absolute paths; reports a path that cannot be made absolute. */
function endsOf(ends: Ends, direction: 'local' | 'remote', context: z.RefinementCtx): Ends {
  try {
    return absoluteEnds(ends, direction);
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
    context.addIssue({ ...sentence(error.message), path: [direction === 'local' ? 'to' : 'listen'] });
    return ends;
  }
}

/** What `tlsOf` has to know about a forward. */
interface TypeFacts {
  /** The type, as it was given. */
  readonly name: string;
  readonly isFolder: boolean;
  readonly isSocket: boolean;
  /** The types that are the same protocol with TLS. */
  readonly types: Readonly<Record<string, TlsConfig['mode']>>;
}

/** Returns the TLS of a forward, by its type and its `tls`; reports contradictions. */
function tlsOf(
  given: z.output<typeof tlsSchema> | undefined,
  begins: TlsConfig['mode'] | null,
  context: z.RefinementCtx,
  { name, isFolder, isSocket, types }: TypeFacts,
): TlsConfig | null {
  if (given === undefined && begins === null) return null;
  const mode = given?.mode ?? begins;
  const wrong = (message: string) => {
    context.addIssue({ ...sentence(message), path: [given === undefined ? 'type' : 'tls'] });
    return null;
  };
  if (isFolder)
    return wrong('a folder behind SFTP needs no TLS, SSH encrypts all the way; use type ftp without tls');
  if (isSocket) return wrong('TLS to a Unix socket is not supported; use a type without TLS');
  if (Object.keys(types).length === 0) return wrong(`type ${name} speaks no TLS to the target; remove tls`);
  if (mode === null) {
    const others = Object.keys(types).join(' or ');
    return wrong(`type ${name} speaks no TLS to the target; use type ${others}, or set tls.mode`);
  }
  if (begins !== null && mode !== begins)
    return wrong(`type ${name} means tls.mode ${begins}, not ${mode}; remove one of the two`);
  if (!Object.values(types).includes(mode))
    return wrong(`type ${name} has no command that begins TLS; use tls.mode implicit`);
  const options = given ?? tlsSchema.parse({});
  if ((options.cert === undefined) !== (options.key === undefined))
    return wrong('tls.cert and tls.key (-o TlsCert, TlsKey) belong together; set both');
  return { ...options, mode };
}

/** Returns the TLS of a forward with its clients; reports a mode that its type does not have. */
function listenTlsOf(
  given: z.output<typeof listenTlsSchema> | undefined,
  type: string,
  types: TypeFacts['types'],
  context: z.RefinementCtx,
): ListenTlsConfig | null {
  if (given === undefined) return null;
  const modes = Object.values(types);
  const mode = given.mode ?? (modes.includes('upgrade') ? 'upgrade' : 'implicit');
  if (modes.includes(mode)) return { ...given, mode };
  const message = modes.includes('implicit')
    ? `type ${type} has no command that begins TLS; use listenTls.mode implicit (-o ListenTlsMode)`
    : `type ${type} does not support listenTls; remove it`;
  context.addIssue({ ...sentence(message), path: ['listenTls'] });
  return null;
}

/**
 * Returns a schema for text that `parse` turns into a value; `parse` throws an AddressError if it
 * cannot.
 */
function readable<I, O>(input: z.ZodType<I, I>, parse: (value: I) => O) {
  return input.transform((value, context): O => {
    try {
      return parse(value);
    } catch (error) {
      if (!(error instanceof AddressError)) throw error;
      context.addIssue(sentence(error.message));
      return z.NEVER;
    }
  });
}

/**
 * Returns an issue whose message is a whole sentence. The messages of other issues are nouns: what
 * was expected.
 */
function sentence(message: string) {
  return { code: 'custom', message, params: { sentence: true } } as const;
}

/** Whether the message of an issue is a whole sentence. */
export function isSentence(issue: z.core.$ZodIssue): boolean {
  return issue.code === 'custom' && issue.params?.sentence === true;
}

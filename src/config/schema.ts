import { z } from 'zod';
import type { Endpoint } from '../core/endpoint.ts';
import { type LocalUsers, parseLocalUsers } from '../core/local/local-users.ts';
import { AddressError, type ListenAddress, parseListen, parseTarget } from './address.ts';
import { type ForwardType, typeByPort } from './forward-spec.ts';
import type { OptionOwner } from './protocol-options.ts';

/** The value of an ssh_config option; a list for one that may come again. */
const optionSchema = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]);

/** An SSH server and how to log in there, as ssh(1) takes it. */
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
    .describe('Further SSH connections for FTP data (default: 1 if the login needs no prompt, else 0)'),
});

function optionLines(key: string, value: z.output<typeof optionSchema>): [key: string, value: string][] {
  if (typeof value === 'boolean') return [[key, value ? 'yes' : 'no']];
  return [value].flat().map((line) => [key, String(line)]);
}

const logSchema = z.strictObject({
  level: z
    .enum(['error', 'info', 'debug', 'trace'])
    .default('info')
    .describe('How much to log: -q is error, -v is debug, -vv is trace'),
  format: z
    .enum(['pretty', 'json'])
    .optional()
    .describe('Form of the log (default: pretty on a terminal, else json)'),
});

/** Who on this machine may connect to the loopback listeners, besides the own user and root. */
const localUsersSchema = z
  .union([z.string(), z.number(), z.array(z.union([z.string(), z.number()]))])
  .transform((given, context): LocalUsers => {
    const list = [given].flat();
    const users = list.length === 0 ? [] : parseLocalUsers(list.join(','));
    if (users !== null) return users;
    context.addIssue({ code: 'custom', message: `'${list.join(',')}': expected any, or ${LOCAL_USERS}` });
    return z.NEVER;
  });

/** What LocalUsers takes besides `any`, for messages. */
const LOCAL_USERS = 'user names or numeric uids, separated by commas';

/** One server of a Config. */
export type ServerConfig = z.output<typeof serverSchema>;

/** What of the log is wanted. */
export type LogConfig = z.output<typeof logSchema>;

/** One forward of a Config: `local` listens on this machine (`-L`), `remote` on the SSH server (`-R`). `options` is what the schema of the plugin named `type` made of its part. */
export interface ForwardConfig {
  readonly type: string;
  readonly direction: 'local' | 'remote';
  readonly server: string;
  readonly listen: ListenAddress;
  readonly to: Endpoint;
  readonly options: unknown;
}

/** Everything that sshferry is told, whether by arguments or by a file. Servers and forwards by name. */
export interface Config {
  readonly servers: Readonly<Record<string, ServerConfig>>;
  readonly forwards: Readonly<Record<string, ForwardConfig>>;
  /** Names of forwards by the name of their group. */
  readonly groups: Readonly<Record<string, readonly string[]>>;
  readonly log: LogConfig;
  readonly localUsers: LocalUsers;
  /** Seconds that clients may go on after a request to stop (SIGTERM). */
  readonly drainTimeout: number;
}

/** The plugins that a configuration may name; one called `tcp` among them is what remains when no other fits. */
export type ConfigPlugins = readonly (OptionOwner & ForwardType)[];

/**
 * The one schema of the configuration. Its input is what stands in a file: `servers` and `forwards` by name, a forward as
 * `{ listen: 8021, server: office, to: 'localhost:21', ftp: { … } }`, its type taken from the target's port when left out;
 * its output is a Config. What spans several parts is the matter of `crossCheck`.
 */
export function configSchema(plugins: ConfigPlugins) {
  return z.strictObject({
    servers: z.record(z.string().min(1), serverSchema).describe('SSH servers, by a name that you choose'),
    forwards: z
      .record(z.string().min(1), forwardSchema(plugins))
      .describe('Forwards, by a name that you choose'),
    groups: z
      .record(z.string().min(1), z.array(z.string().min(1)).meta({ examples: [['mail-in', 'mail-out']] }))
      .default({})
      .describe('Lists of forwards, by a name for sshferry up NAME'),
    log: logSchema.prefault({}),
    localUsers: localUsersSchema
      .prefault([])
      .describe(
        'Local users that may connect besides you and root, on Linux: any, or names and uids (default: none)',
      ),
    drainTimeout: z
      .number()
      .int()
      .min(0)
      .max(3600)
      .default(10)
      .describe('Seconds that clients may continue after SIGTERM, or after a change of their forward'),
  });
}

/** What `configSchema` takes: what stands in a file. */
export type ConfigInput = z.input<ReturnType<typeof configSchema>>;

function forwardSchema(plugins: ConfigPlugins) {
  const types = plugins.map(({ name }) => name);
  const blocks = Object.fromEntries(
    plugins.map(({ name, schema }) => [name, schema.optional().describe(`Options of ${name}`)]),
  );
  return z
    .strictObject({
      listen: readable(
        z.union([z.number(), z.string()]).meta({
          description: 'Port to listen on; with an address in front to listen elsewhere than on localhost',
          examples: [8021, '*:8021'],
        }),
        (value) => parseListen(String(value)),
      ),
      server: z.string().min(1).describe('Name of the server, a key of servers'),
      to: readable(
        z.string().meta({
          description:
            'Target as host:port, resolved by the SSH server, where localhost is the server itself; of a remote forward, resolved here',
          examples: ['localhost:21'],
        }),
        parseTarget,
      ),
      type: z.enum(types).optional().describe("Protocol (default: by the target's port)"),
      direction: z
        .enum(['local', 'remote'])
        .default('local')
        .describe('local listens on this machine (-L), remote on the SSH server (-R)'),
      ...blocks,
    })
    .transform((forward, context): ForwardConfig => {
      const { listen, server, to, direction } = forward;
      const type = forward.type ?? typeByPort(to.port, plugins);
      const given: Record<string, unknown> = forward;
      for (const other of types) {
        if (other === type || given[other] === undefined) continue;
        const message = `this forward is of type ${type}; expected no options of ${other}`;
        context.addIssue({ code: 'custom', path: [other], message });
      }
      const plugin = plugins.find(({ name }) => name === type);
      return { type, direction, server, listen, to, options: given[type] ?? plugin?.schema.parse({}) };
    });
}

/** A text form that `parse` turns into its value, or throws an AddressError for. */
function readable<I extends string | number, O>(input: z.ZodType<I, I>, parse: (value: I) => O) {
  return input.transform((value, context): O => {
    try {
      return parse(value);
    } catch (error) {
      if (!(error instanceof AddressError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  });
}

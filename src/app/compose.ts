import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config/schema.ts';
import type { TlsConfig } from '../config/tls.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import type { ForwardSpec } from '../core/forward.ts';
import { Gateway } from '../core/gateway.ts';
import type { Logger } from '../core/log.ts';
import type { ResolvedSsh, SshInput } from '../core/ssh/config/ssh-config.ts';
import type { SshOptions } from '../core/ssh/options.ts';
import { hostOf, type Target } from '../core/target.ts';
import type { ManagedTransport, Transport } from '../core/transport.ts';
import { secureContext } from '../tls/context.ts';
import { ForwardTls } from '../tls/target-tls.ts';
import type { AnyPlugin } from './plugins.ts';

/** The dependencies of a composed gateway. */
export interface GatewayDeps {
  readonly plugins: readonly AnyPlugin[];
  /** This machine's own network. */
  readonly local: Transport;
  /** Returns the transport of one login; it dials nothing before its `start`. */
  connect(options: SshOptions, log: Logger): ManagedTransport;
  readonly log: Logger;
}

/** Logins by the server's name in the Config. */
export type Logins = ReadonlyMap<string, ResolvedSsh>;

/** Resolves every server of the Config by ssh_config and its options. Rejects with `CONFIG_*`. */
export async function resolveLogins(
  config: Config,
  resolve: (input: SshInput) => Promise<ResolvedSsh>,
  env: NodeJS.ProcessEnv,
): Promise<Logins> {
  const logins = new Map<string, ResolvedSsh>();
  for (const [name, server] of Object.entries(config.servers)) {
    const { host, port, user, identityFile, addressFamily, sshConfig, session, options, sshEngine } = server;
    const flags = {
      ...(port !== undefined && { port }),
      ...(user !== undefined && { user }),
      ...(identityFile && { identityFile }),
      ...(addressFamily && { family: addressFamily }),
      ...(sshConfig !== undefined && { configFile: sshConfig }),
      noSession: !session,
      ...(sshEngine && { engine: sshEngine }),
    };
    logins.set(name, await resolve({ destination: host, flags, o: options, env }));
  }
  return logins;
}

/** A configuration whose servers are resolved by ssh_config. */
export interface ResolvedConfig {
  readonly config: Config;
  readonly logins: Logins;
  /**
   * The content of the config file as written: a forward whose lines did not change keeps running.
   */
  readonly written?: unknown;
}

/** The objects that a gateway consists of, and the configuration they come from. */
export interface Components {
  readonly resolved: ResolvedConfig;
  readonly transports: ReadonlyMap<string, ManagedTransport>;
  readonly local: Transport;
  readonly forwards: readonly ForwardSpec[];
}

/**
 * Returns the components of a configuration. Unchanged components of `before` are reused as the
 * same objects. A server has changed if its login has. A forward has changed if its lines in the
 * file or its server have.
 */
export function makeComponents(
  resolved: ResolvedConfig,
  { plugins, local, connect, log }: GatewayDeps,
  before: Components | null = null,
): Components {
  const { config, logins } = resolved;
  const transports = new Map<string, ManagedTransport>();
  for (const [name, options] of loginOptions(config, logins)) {
    const same = before !== null && sameLogin(name, resolved, before.resolved);
    const old = same ? before.transports.get(name) : undefined;
    transports.set(name, old ?? connect(options, log.child({ server: name })));
  }
  const forwards = forwardSpecs(config, logins, plugins).map((spec) => {
    const { name, server, bind } = spec;
    const old = before?.forwards.find((candidate) => candidate.name === name);
    const same =
      before?.transports.get(server) === transports.get(server) &&
      isDeepStrictEqual(old?.bind, bind) &&
      isDeepStrictEqual(writtenForward(resolved, name), writtenForward(before?.resolved, name));
    return old !== undefined && same ? old : spec;
  });
  return { resolved, transports, local, forwards };
}

/** Returns a Gateway for the Config, not yet started, and its forwards. */
export function compose(
  config: Config,
  logins: Logins,
  deps: GatewayDeps,
): { gateway: Gateway; forwards: readonly ForwardSpec[] } {
  const { transports, local, forwards } = makeComponents({ config, logins }, deps);
  return { gateway: new Gateway({ transports, local, forwards, log: deps.log }), forwards };
}

function sameLogin(name: string, a: ResolvedConfig, b: ResolvedConfig): boolean {
  const components = ({ config, logins }: ResolvedConfig) => [
    config.servers[name],
    logins.get(name)?.options,
  ];
  return isDeepStrictEqual(components(a), components(b));
}

function writtenForward(resolved: ResolvedConfig | undefined, name: string): unknown {
  const { forwards } = (resolved?.written ?? {}) as { forwards?: Record<string, unknown> };
  return forwards?.[name];
}

/** Returns the forwards of the Config as a Gateway takes them. Throws `CONFIG_INVALID`. */
export function forwardSpecs(config: Config, logins: Logins, plugins: readonly AnyPlugin[]): ForwardSpec[] {
  return Object.entries(config.forwards).map(([name, forward]): ForwardSpec => {
    const plugin = plugins.find((candidate) => candidate.name === forward.type);
    if (plugin === undefined) {
      throw new GatewayError('CONFIG_INVALID', `unknown type '${forward.type}'`, {
        where: `forward ${name}`,
      });
    }
    const { direction, listen } = forward;
    // On the server, its own GatewayPorts decides what a bind address means.
    const gateway = config.servers[forward.server]?.gatewayPorts || logins.get(forward.server)?.gatewayPorts;
    const open = direction === 'local' && gateway;
    const host = listen.host ?? (open ? '*' : 'localhost');
    const { options, server, to: target, tls: tlsConfig } = forward;
    const wrong = plugin.validate?.({ direction, host, target }, options) ?? null;
    if (wrong !== null) throw new GatewayError('CONFIG_INVALID', wrong, { where: `forward ${name}` });
    const bind = { host, port: listen.port };
    const tls =
      tlsConfig === null ? undefined : forwardTls(tlsConfig, target, plugin.name, `forward ${name}`);
    return { name, direction, plugin, pluginConfig: options, server, bind, target, tls };
  });
}

/** Returns TLS towards a target. Throws `CONFIG_INVALID` if a file that it needs cannot be used. */
function forwardTls(config: TlsConfig, target: Target, protocol: string, where: string): ForwardTls {
  const {
    serverName = hostOf(target) ?? '',
    ca = null,
    cert = null,
    key = null,
    pin = null,
    ...rest
  } = config;
  const settings = { ...rest, serverName, ca, cert, key, pin };
  try {
    return new ForwardTls(settings, protocol, secureContext(settings, process.env));
  } catch (error) {
    throw new GatewayError('CONFIG_INVALID', asGatewayError(error, 'CONFIG_INVALID', 'TLS').message, {
      where,
      cause: error,
    });
  }
}

/** Returns each login by its server's name, with the options that only the Config has. */
export function loginOptions(config: Config, logins: Logins): ReadonlyMap<string, SshOptions> {
  return new Map(
    [...logins].map(([name, { options }]) => {
      const dataConnections = config.servers[name]?.dataConnections;
      return [name, dataConnections === undefined ? options : { ...options, dataConnections }];
    }),
  );
}

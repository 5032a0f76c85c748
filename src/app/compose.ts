import { isDeepStrictEqual } from 'node:util';
import type { Config, ForwardConfig } from '../config/schema.ts';
import type { ListenTlsConfig, TlsConfig } from '../config/tls.ts';
import { isLoopback, isSocketPath } from '../core/endpoint.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import type { ForwardSpec } from '../core/forward.ts';
import { Gateway } from '../core/gateway.ts';
import type { Logger } from '../core/log.ts';
import type { ResolvedSsh, SshInput } from '../core/ssh/config/ssh-config.ts';
import type { SshOptions } from '../core/ssh/options.ts';
import { hostOf, isDynamic, type Target } from '../core/target.ts';
import type { ManagedTransport, Transport } from '../core/transport.ts';
import { parsePermitted } from '../protocols/socks/permitted.ts';
import { secureContext } from '../tls/context.ts';
import { ForwardListenTls } from '../tls/listen-tls.ts';
import { readIdentity } from '../tls/server-identity.ts';
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
  /** For the files of certificate authorities. */
  readonly env: NodeJS.ProcessEnv;
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
    const {
      host,
      port,
      user,
      identityFile,
      addressFamily,
      sshConfig,
      session,
      options,
      sshEngine,
      controlPath,
    } = server;
    const flags = {
      ...(port !== undefined && { port }),
      ...(user !== undefined && { user }),
      ...(identityFile && { identityFile }),
      ...(addressFamily && { family: addressFamily }),
      ...(sshConfig !== undefined && { configFile: sshConfig }),
      noSession: !session,
      ...(sshEngine && { engine: sshEngine }),
    };
    // First, so that it counts.
    const o: SshInput['o'] = controlPath === undefined ? options : [['ControlPath', controlPath], ...options];
    logins.set(name, await resolve({ destination: host, flags, o, env }));
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
  /** Certificate files with another content than before, of forwards that did not change. */
  readonly renewals: readonly Renewal[];
}

/** A forward whose connections from now on use what its certificate files hold now. */
export interface Renewal {
  readonly forward: string;
  /** Takes effect. Call it once the gateway has taken the components. */
  apply(): void;
}

/**
 * Returns the components of a configuration. Unchanged components of `before` are reused as the
 * same objects. A server has changed if its login has. A forward has changed if its lines in the
 * file or its server have.
 */
export function makeComponents(
  resolved: ResolvedConfig,
  { plugins, local, connect, log, env }: GatewayDeps,
  before: Components | null = null,
): Components {
  const { config, logins } = resolved;
  const transports = new Map<string, ManagedTransport>();
  for (const [name, options] of loginOptions(config, logins)) {
    const same = before !== null && sameLogin(name, resolved, before.resolved);
    const old = same ? before.transports.get(name) : undefined;
    transports.set(name, old ?? connect(options, log.child({ server: name })));
  }
  const renewals: Renewal[] = [];
  const forwards = forwardSpecs(config, logins, plugins, env).map((spec) => {
    const { name, server, bind, socketFile } = spec;
    const old = before?.forwards.find((candidate) => candidate.name === name);
    const same =
      before?.transports.get(server) === transports.get(server) &&
      isDeepStrictEqual(old?.bind, bind) &&
      isDeepStrictEqual(old?.socketFile, socketFile) &&
      isDeepStrictEqual(writtenForward(resolved, name), writtenForward(before?.resolved, name));
    if (old === undefined || !same) return spec;
    const renewal = renewalOf(old, spec);
    if (renewal !== null) renewals.push(renewal);
    return old;
  });
  return { resolved, transports, local, forwards, renewals };
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

/** Returns what certificate files change about a running forward; null if nothing. */
function renewalOf(old: ForwardSpec, fresh: ForwardSpec): Renewal | null {
  const steps = [
    old.tls instanceof ForwardTls && fresh.tls instanceof ForwardTls ? old.tls.renewal(fresh.tls) : null,
    old.listenTls instanceof ForwardListenTls && fresh.listenTls instanceof ForwardListenTls
      ? old.listenTls.renewal(fresh.listenTls)
      : null,
  ].filter((step) => step !== null);
  if (steps.length === 0) return null;
  return {
    forward: old.name,
    apply: () => {
      for (const step of steps) step();
    },
  };
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
export function forwardSpecs(
  config: Config,
  logins: Logins,
  plugins: readonly AnyPlugin[],
  env: NodeJS.ProcessEnv,
): ForwardSpec[] {
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
    const { server, to: target } = forward;
    const where = `forward ${name}`;
    const login = logins.get(server);
    const options = direction === 'remote' ? withPermitted(forward, login) : forward.options;
    const wrong = plugin.validate?.({ direction, host, target }, options) ?? null;
    if (wrong !== null) throw new GatewayError('CONFIG_INVALID', wrong, { where });
    const bind = { host, port: listen.port };
    const tls = forward.tls && forwardTls(forward.tls, { target, protocol: plugin.name, where, env });
    const listenTls = forward.listenTls && listenTlsOf(forward.listenTls, { host, where });
    return {
      ...{ name, direction, plugin, pluginConfig: options, server, bind, target },
      tls: tls ?? undefined,
      listenTls: listenTls ?? undefined,
      socketFile: direction === 'local' && isSocketPath(host) ? login?.socketFile : undefined,
    };
  });
}

/**
 * Returns the options of a remote forward, with ssh_config's PermitRemoteOpen if its clients name
 * their targets and its own options permit nothing.
 */
function withPermitted({ options, to }: ForwardConfig, login: ResolvedSsh | undefined): unknown {
  if (!isDynamic(to)) return options;
  const value = login?.permitRemoteOpen ?? 'any';
  const permit = parsePermitted(value);
  if (permit !== null) return { permit, ...Object(options) };
  throw new GatewayError('CONFIG_INVALID', `PermitRemoteOpen ${value}: expected any, none, or host:port`);
}

/** Returns TLS towards a target. Throws `CONFIG_INVALID` if a file that it needs cannot be used. */
function forwardTls(
  config: TlsConfig,
  {
    target,
    protocol,
    where,
    env,
  }: { target: Target; protocol: string; where: string; env: NodeJS.ProcessEnv },
): ForwardTls {
  const {
    serverName = hostOf(target) ?? '',
    ca = null,
    cert = null,
    key = null,
    pin = null,
    ...rest
  } = config;
  const settings = { ...rest, serverName, ca, cert, key, pin };
  return located(where, () => new ForwardTls(settings, protocol, secureContext(settings, env)));
}

/** Returns TLS with the clients of a forward. Throws `CONFIG_INVALID` if its files are of no use. */
function listenTlsOf(
  { cert, key, mode, required, minVersion }: ListenTlsConfig,
  { host, where }: { host: string; where: string },
): ForwardListenTls {
  const isLocal = isLoopback(host) || isSocketPath(host);
  const settings = { mode, minVersion, required: required ?? !isLocal };
  return located(where, () => new ForwardListenTls(settings, readIdentity({ cert, key }, new Date())));
}

/** Runs `make`; names the forward in the error that it throws. */
function located<T>(where: string, make: () => T): T {
  try {
    return make();
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

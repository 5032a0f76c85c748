import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config/schema.ts';
import { GatewayError } from '../core/errors.ts';
import type { ForwardSpec } from '../core/forward.ts';
import { Gateway } from '../core/gateway.ts';
import type { Logger } from '../core/log.ts';
import type { ResolvedSsh, SshInput } from '../core/ssh/config/ssh-config.ts';
import type { SshOptions } from '../core/ssh/options.ts';
import type { ManagedTransport, Transport } from '../core/transport.ts';
import type { AnyPlugin } from './plugins.ts';

/** What of the world a gateway is composed with. */
export interface Surroundings {
  readonly plugins: readonly AnyPlugin[];
  /** This machine's own network. */
  readonly local: Transport;
  /** Makes the transport of one login; nothing is dialled before its `start`. */
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
    const { host, port, user, identityFile, addressFamily, sshConfig, session, options } = server;
    const flags = {
      ...(port !== undefined && { port }),
      ...(user !== undefined && { user }),
      ...(identityFile && { identityFile }),
      ...(addressFamily && { family: addressFamily }),
      ...(sshConfig !== undefined && { configFile: sshConfig }),
      noSession: !session,
    };
    logins.set(name, await resolve({ destination: host, flags, o: options, env }));
  }
  return logins;
}

/** What is to run: the forwards and how to log in for them. */
export interface Plan {
  readonly config: Config;
  readonly logins: Logins;
  /** The content of the config file that says so, as it was written: what did not change there, did not change. */
  readonly written?: unknown;
}

/** What a gateway is made of, and from what plan. */
export interface Parts {
  readonly plan: Plan;
  readonly transports: ReadonlyMap<string, ManagedTransport>;
  readonly local: Transport;
  readonly forwards: readonly ForwardSpec[];
}

/**
 * The parts of a Plan. Those of `before` that the plan leaves as they are, are taken over: the very objects. A server has
 * changed where its login is another, a forward where its lines in the file are, or its server has changed.
 */
export function makeParts(
  plan: Plan,
  { plugins, local, connect, log }: Surroundings,
  before: Parts | null = null,
): Parts {
  const { config, logins } = plan;
  const transports = new Map<string, ManagedTransport>();
  for (const [name, options] of loginOptions(config, logins)) {
    const same = before !== null && sameLogin(name, plan, before.plan);
    const old = same ? before.transports.get(name) : undefined;
    transports.set(name, old ?? connect(options, log.child({ server: name })));
  }
  const forwards = forwardSpecs(config, logins, plugins).map((spec) => {
    const { name, server, bind } = spec;
    const old = before?.forwards.find((candidate) => candidate.name === name);
    const same =
      before?.transports.get(server) === transports.get(server) &&
      isDeepStrictEqual(old?.bind, bind) &&
      isDeepStrictEqual(writtenForward(plan, name), writtenForward(before?.plan, name));
    return old !== undefined && same ? old : spec;
  });
  return { plan, transports, local, forwards };
}

/** A Gateway for the Config, not yet started, and its forwards as they were given to it. */
export function compose(
  config: Config,
  logins: Logins,
  surroundings: Surroundings,
): { gateway: Gateway; forwards: readonly ForwardSpec[] } {
  const { transports, local, forwards } = makeParts({ config, logins }, surroundings);
  return { gateway: new Gateway({ transports, local, forwards, log: surroundings.log }), forwards };
}

function sameLogin(name: string, a: Plan, b: Plan): boolean {
  const parts = ({ config, logins }: Plan) => [config.servers[name], logins.get(name)?.options];
  return isDeepStrictEqual(parts(a), parts(b));
}

function writtenForward(plan: Plan | undefined, name: string): unknown {
  const { forwards } = (plan?.written ?? {}) as { forwards?: Record<string, unknown> };
  return forwards?.[name];
}

/** The forwards of the Config as a Gateway takes them. Throws `CONFIG_INVALID`. */
export function forwardSpecs(config: Config, logins: Logins, plugins: readonly AnyPlugin[]): ForwardSpec[] {
  return Object.entries(config.forwards).map(([name, forward]): ForwardSpec => {
    const plugin = plugins.find((candidate) => candidate.name === forward.type);
    if (plugin === undefined) {
      throw new GatewayError('CONFIG_INVALID', `forward ${name}: there is no type '${forward.type}'`);
    }
    const { direction, listen } = forward;
    // On the server, its own GatewayPorts decides what a bind address means.
    const gateway = config.servers[forward.server]?.gatewayPorts || logins.get(forward.server)?.gatewayPorts;
    const open = direction === 'local' && gateway;
    return {
      name,
      direction,
      plugin,
      pluginConfig: forward.options,
      server: forward.server,
      bind: { host: listen.host ?? (open ? '*' : 'localhost'), port: listen.port },
      target: forward.to,
    };
  });
}

/** Each login by its server's name, with what the Config says beyond ssh_config. */
export function loginOptions(config: Config, logins: Logins): ReadonlyMap<string, SshOptions> {
  return new Map(
    [...logins].map(([name, { options }]) => {
      const dataConnections = config.servers[name]?.dataConnections;
      return [name, dataConnections === undefined ? options : { ...options, dataConnections }];
    }),
  );
}

import type { Duplex } from 'node:stream';
import { type Endpoint, formatEndpoint, isSocketPath } from '../core/endpoint.ts';
import { GatewayError } from '../core/errors.ts';
import type { ForwardSpec } from '../core/forward.ts';
import { Gateway, remoteBind } from '../core/gateway.ts';
import { Listener } from '../core/listener.ts';
import { checkSocketPath } from '../core/local/unix-sockets.ts';
import type { Logger } from '../core/log.ts';
import { ProbeFailure } from '../core/probe/failure.ts';
import { LineClient } from '../core/probe/line-client.ts';
import type { AccountSource } from '../core/probe/probe.ts';
import type { SocketFile } from '../core/socket-file.ts';
import type { SshOptions } from '../core/ssh/options.ts';
import { resetStream } from '../core/stream.ts';
import { destinationOf, folderOf, formatTarget, isDynamic, tcpEndpoint } from '../core/target.ts';
import type { DataTls, TargetTls } from '../core/target-tls.ts';
import type { ManagedTransport, Transport } from '../core/transport.ts';
import { ObservedTransport } from './observed.ts';
import { portHolder } from './port-holder.ts';
import type { Steps } from './steps.ts';

/** The dependencies of a forward's check. */
export interface ForwardDeps {
  /** This machine's own network. */
  readonly local: Transport;
  readonly log: Logger;
  readonly accounts: AccountSource;
  /** Whether protocols may try to write on the server. */
  readonly writes: boolean;
  /** How long a server may take to reply, in milliseconds. */
  readonly timeout: number;
  readonly signal: AbortSignal;
  /** The path of the running sshferry. */
  readonly own: string;
}

/**
 * Tries one forward end to end, through a gateway like the real one, but on a port of its own.
 * `ssh` is its SSH login; null if that failed.
 */
export async function checkForward(
  spec: ForwardSpec,
  login: SshOptions,
  ssh: ManagedTransport | null,
  steps: Steps,
  deps: ForwardDeps,
): Promise<void> {
  if (spec.direction === 'local') await checkLocalPort(spec, steps, deps);
  const { listenTls } = spec;
  if (listenTls !== undefined) await steps.take('listen-tls', async () => listenTls.describe());
  if (ssh === null) steps.skipped('reach', `not tried: there is no SSH login at ${login.host}`);
  else if (spec.direction === 'local' && isDynamic(spec.target)) await checkDynamic(login, ssh, steps, deps);
  else if (spec.direction === 'local') await checkThrough(spec, login, ssh, steps, deps);
  else await checkRemote(spec, login, ssh, steps, deps);
}

/** Checks whether the port for clients is free. A port that another sshferry holds is fine. */
async function checkLocalPort(
  { bind, socketFile }: ForwardSpec,
  steps: Steps,
  { local, own }: ForwardDeps,
): Promise<void> {
  const where = formatEndpoint(bind);
  if (isSocketPath(bind.host)) return checkSocket(bind.host, socketFile, steps);
  await steps.take('listen', async () => {
    try {
      const listener = await Listener.open(local, bind, refuse);
      await listener.close();
      return bind.port === 0 ? `${where}: there is a free port` : `${where} is free`;
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'LISTEN_IN_USE') throw error;
      const holder = await portHolder(bind.port, own);
      if (holder === null) throw error;
      if (holder.isSshferry) return `${where} is in use by sshferry itself (process ${holder.pid})`;
      throw new GatewayError(error.code, `${error.message} (it is ${holder.program}, process ${holder.pid})`);
    }
  });
}

/** Checks whether the socket for clients can be created. Creates none: a client might use it. */
async function checkSocket(path: string, file: SocketFile | undefined, steps: Steps): Promise<void> {
  await steps.take('listen', async () => {
    switch (await checkSocketPath(path, file)) {
      case 'nothing':
        return `${path} can be created`;
      case 'listener':
        return `a program listens on ${path}, perhaps sshferry itself`;
      case 'old socket':
        return `no program listens on ${path}; it will be replaced`;
    }
  });
}

/**
 * Checks a forward whose clients name their targets, with a target that every server has: itself.
 * That it refuses the connection shows as well that it tries.
 */
async function checkDynamic(
  login: SshOptions,
  ssh: ManagedTransport,
  steps: Steps,
  { signal, timeout }: ForwardDeps,
): Promise<void> {
  const to = { host: 'localhost', port: login.port };
  await steps.take('reach', async () => {
    const late = AbortSignal.any([signal, AbortSignal.timeout(timeout)]);
    try {
      (await ssh.openStream(to, { signal: late, control: true })).on('error', () => {}).destroy();
    } catch (error) {
      const tried = error instanceof GatewayError && error.reason === 'connect-failed';
      if (!tried) throw error;
    }
    return `${login.host} opens connections for clients (tried ${formatEndpoint(to)})`;
  });
}

/** Checks -L: from a port of this machine, through SSH, to the target. */
async function checkThrough(
  spec: ForwardSpec,
  login: SshOptions,
  ssh: ManagedTransport,
  steps: Steps,
  deps: ForwardDeps,
): Promise<void> {
  const route = new ObservedTransport(ssh);
  let dataTls: DataTls | null = null;
  const tls = spec.tls && observed(spec.tls, (data) => (dataTls = data));
  const gateway = new Gateway({
    transports: new Map([[spec.server, route]]),
    local: deps.local,
    forwards: [
      {
        ...spec,
        ...(tls && { tls }),
        bind: { host: '127.0.0.1', port: 0 },
        // Without TLS for clients: a check tries what is behind it.
        listenTls: undefined,
      },
    ],
    log: deps.log,
    // A running sshferry has them.
    services: false,
  });
  try {
    await gateway.start();
    const endpoint = gateway.endpoint(spec.name) ?? spec.bind;
    const stream = await deps.local.openStream(endpoint);
    stream.on('error', () => {});
    try {
      const reached = await steps.take('reach', async () => {
        const { error } = await withinTime(route.first, spec, deps);
        if (error !== null) throw error;
        return folderOf(spec.target) === null
          ? `${login.host} reaches ${formatTarget(spec.target)}`
          : `${login.host} accepts the subsystem sftp`;
      });
      if (reached && (await checkTls(spec, ssh, steps, deps)))
        await probe(spec, login, stream, steps, {
          ...deps,
          gateway: endpoint,
          route,
          dataTls: () => dataTls,
        });
    } finally {
      stream.destroy();
    }
  } finally {
    await gateway.stop();
  }
}

/** Returns the same TLS, which also reports every data connection. */
function observed(tls: TargetTls, onData: (data: DataTls) => void): TargetTls {
  const { mode, serverName, verified } = tls;
  return {
    mode,
    serverName,
    verified,
    over: (far, log) => tls.over(far, log, onData),
    probe: (far, to, signal) => tls.probe(far, to, signal),
  };
}

/** Tries TLS with the target; true if that works, or if there is none. */
async function checkTls(
  { tls, target }: ForwardSpec,
  far: Transport,
  steps: Steps,
  { signal, timeout }: ForwardDeps,
): Promise<boolean> {
  if (tls === undefined) return true;
  const endpoint = tcpEndpoint(destinationOf(target));
  const late = AbortSignal.any([signal, AbortSignal.timeout(timeout)]);
  return steps.take('target-tls', () => tls.probe(far, endpoint, late));
}

/** Checks -R: whether the SSH server listens, and whether this machine reaches the target. */
async function checkRemote(
  spec: ForwardSpec,
  login: SshOptions,
  ssh: ManagedTransport,
  steps: Steps,
  deps: ForwardDeps,
): Promise<void> {
  if (isSocketPath(spec.bind.host)) {
    const why = `not tried: ${login.host} would leave the socket ${spec.bind.host} behind`;
    steps.skipped('remote-listen', why);
  } else await checkRemotePort(spec, login, ssh, steps);
  if (isDynamic(spec.target)) return;
  const { plugin, target, tls } = spec;
  await steps.take('reach', async () => {
    const network = tls?.over(deps.local, deps.log) ?? deps.local;
    const stream = await network.openStream(destinationOf(target), { signal: deps.signal, control: true });
    stream.on('error', () => {});
    try {
      const where = formatTarget(target);
      if (!plugin.greet) return `this machine reaches ${where}`;
      return `${where}: ${await plugin.greet(new LineClient(stream, where, deps.timeout))}`;
    } finally {
      stream.destroy();
    }
  });
}

async function checkRemotePort(
  spec: ForwardSpec,
  login: SshOptions,
  ssh: ManagedTransport,
  steps: Steps,
): Promise<void> {
  await steps.take('remote-listen', async () => {
    const listening = await ssh.listen(remoteBind(spec.bind), refuse);
    await listening.close();
    return `${login.host} listens on ${formatEndpoint({ ...spec.bind, port: listening.endpoint.port })}`;
  });
}

interface ProbeDeps extends ForwardDeps {
  /** Where the gateway listens. */
  readonly gateway: Endpoint;
  readonly route: ObservedTransport;
  dataTls(): DataTls | null;
}

/** Plays a client of the forward's protocol on `stream`, a connection to the gateway. */
async function probe(
  { plugin, pluginConfig, target, tls }: ForwardSpec,
  login: SshOptions,
  stream: Duplex,
  steps: Steps,
  { accounts, local, gateway, route, dataTls, timeout, signal, writes }: ProbeDeps,
): Promise<void> {
  const newClient = () => new LineClient(stream, formatTarget(target), timeout);
  if (plugin.probe) {
    const bulkFailure = () =>
      route.dialled.find((dialled) => dialled.bulk && dialled.error !== null)?.error ?? null;
    const about = { target, secured: tls !== undefined, through: login, accounts, near: local, gateway };
    const session = { ...about, client: newClient(), steps, writes, timeout, signal, bulkFailure, dataTls };
    await plugin.probe(session, pluginConfig);
  } else if (plugin.greet) {
    const greet = plugin.greet.bind(plugin);
    await steps.take('greeting', () => greet(newClient()));
  }
}

async function withinTime<T>(
  promise: Promise<T>,
  { target }: ForwardSpec,
  { timeout }: ForwardDeps,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new ProbeFailure(
            'NO_ANSWER',
            `${formatTarget(target)} was not reached within ${timeout / 1000} s; a firewall may be in the way`,
          ),
        ),
      timeout,
    );
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Refuses a client: the port is only being tried. */
function refuse(stream: Duplex): void {
  stream.on('error', () => {});
  resetStream(stream, new GatewayError('ABANDONED', 'this is only a check'));
}

import net from 'node:net';
import type { Duplex } from 'node:stream';
import { expect, type TestContext } from 'vitest';
import type { AnyPlugin } from '../../src/app/plugins.ts';
import type { ListenTls } from '../../src/core/client-tls.ts';
import type { Endpoint } from '../../src/core/endpoint.ts';
import type { GatewayEvents } from '../../src/core/events.ts';
import type { ForwardSpec } from '../../src/core/forward.ts';
import { Gateway } from '../../src/core/gateway.ts';
import type { Admission } from '../../src/core/local/admission.ts';
import { DirectTransport } from '../../src/core/local/tcp-transport.ts';
import type { Logger } from '../../src/core/log.ts';
import { SshPool } from '../../src/core/ssh/link/pool.ts';
import { SshSupervisor } from '../../src/core/ssh/link/supervisor.ts';
import type { Destination } from '../../src/core/target.ts';
import type { TargetTls } from '../../src/core/target-tls.ts';
import type {
  Arrival,
  Listening,
  ListenOptions,
  ManagedTransport,
  Peer,
  StreamOptions,
} from '../../src/core/transport.ts';
import { TransportDecorator } from '../../src/core/transport-decorator.ts';
import type { FtpConfig } from '../../src/ftp/plugin.ts';
import { ftp } from '../../src/ftp/plugin.ts';
import { connectBy, ENGINES } from './engines.ts';
import { type SshServerOptions, startSshServer, type TestSshServer } from './ssh-server.ts';

type Test = Pick<TestContext, 'onTestFinished'>;

/** The ways to the target: without SSH, and through the test SSH server by each engine. */
export type TransportKind = 'direct' | 'ssh' | 'openssh';
export const TRANSPORTS: readonly TransportKind[] = [
  'direct',
  'ssh',
  ...(ENGINES.includes('openssh') ? (['openssh'] as const) : []),
];

export interface GatewaySetup {
  readonly transport?: TransportKind;
  readonly plugin: AnyPlugin;
  /** Checked by the plugin's schema unless `config` is given as it is. */
  readonly config?: unknown;
  readonly target: Endpoint;
  /** TLS towards the target. */
  readonly tls?: TargetTls;
  /** TLS with the clients. */
  readonly listenTls?: ListenTls;
  /** Default: 127.0.0.1 */
  readonly listen?: string;
  readonly port?: number;
  readonly maxSessions?: number;
  readonly ssh?: SshServerOptions;
  /** Further SSH connections for bulk data; default: none. */
  readonly dataConnections?: number;
  /** Seconds between keepalives; default: none. */
  readonly keepalive?: number;
  /** Which connections its listeners admit; default: all. */
  readonly admission?: (log: Logger) => Admission;
  /** Seconds that a client waits for a lost SSH connection. */
  readonly connectTimeout?: number;
}

/**
 * Returns an FTP forward with default options from a free port of 127.0.0.1, through `yourserver`.
 */
export function ftpForward(target: Endpoint, over: Partial<ForwardSpec> = {}): ForwardSpec {
  return {
    name: 'ftp',
    direction: 'local',
    plugin: ftp,
    pluginConfig: ftp.schema.parse({}),
    server: 'yourserver',
    bind: { host: '127.0.0.1', port: 0 },
    target,
    ...over,
  };
}

/** One event of a gateway, by its name. */
export type Happening = { [K in keyof GatewayEvents]: [K, GatewayEvents[K][0]] }[keyof GatewayEvents];

export interface TestGateway {
  readonly gateway: Gateway;
  /** Where the one forward listens. */
  readonly endpoint: Endpoint;
  /** Null with `transport: 'direct'`. */
  readonly ssh: TestSshServer | null;
  readonly warnings: readonly string[];
  readonly happenings: readonly Happening[];
  readonly network: CountingTransport;
  stop(): Promise<void>;
  /** Settles when the next event of that name that fits comes; past ones count. */
  happened<K extends keyof GatewayEvents>(
    event: K,
    fits?: (data: GatewayEvents[K][0]) => boolean,
  ): Promise<GatewayEvents[K][0]>;
}

/**
 * A gateway with one forward, stopped with the test, and the SSH server in the middle where there
 * is one.
 */
export async function startGateway(test: Test, setup: GatewaySetup): Promise<TestGateway> {
  const { transport = 'direct', plugin, target, maxSessions } = setup;
  const warnings: string[] = [];
  const log = recordingLog(warnings);
  const ssh = transport === 'direct' ? null : await startSshServer(setup.ssh);
  const far = ssh === null ? new Unmanaged(new DirectTransport()) : supervised(ssh, setup, log);
  const network = new CountingTransport(
    new DirectTransport(setup.admission && { admission: setup.admission(log) }),
  );
  const spec: ForwardSpec = {
    name: plugin.name,
    direction: 'local',
    plugin,
    pluginConfig: setup.config ?? plugin.schema.parse({}),
    server: 'yourserver',
    bind: { host: setup.listen ?? '127.0.0.1', port: setup.port ?? 0 },
    target,
    tls: setup.tls,
    listenTls: setup.listenTls,
  };
  const gateway = new Gateway({
    transports: new Map([['yourserver', far]]),
    local: network,
    forwards: [spec],
    log,
    ...(maxSessions !== undefined && { maxSessions }),
  });
  const happenings: Happening[] = [];
  const waiting = new Set<() => void>();
  const record = (happening: Happening) => {
    happenings.push(happening);
    for (const look of [...waiting]) look();
  };
  let endpoint: Endpoint = spec.bind;
  gateway.events
    .on('forward.listening', (data) => {
      endpoint = data.endpoint;
    })
    .on('session.start', (data) => record(['session.start', data]))
    .on('session.end', (data) => record(['session.end', data]))
    .on('transfer.start', (data) => record(['transfer.start', data]))
    .on('transfer.end', (data) => record(['transfer.end', data]))
    .on('transport.state', (data) => record(['transport.state', data]));
  const stop = async () => {
    await gateway.stop();
    await ssh?.close();
  };
  test.onTestFinished(stop);
  await gateway.start();
  return {
    gateway,
    endpoint,
    ssh,
    warnings,
    happenings,
    network,
    stop,
    happened: (event, fits = () => true) =>
      new Promise((resolve) => {
        const look = () => {
          const found = happenings.find(([name, data]) => name === event && fits(data as never));
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found[1] as never);
        };
        waiting.add(look);
        look();
      }),
  };
}

/**
 * `startGateway` for FTP; `config` is merged over the defaults and not checked, so that times can
 * be short.
 */
export function startFtp(
  test: Test,
  setup: Omit<GatewaySetup, 'plugin' | 'config'> & { config?: Partial<FtpConfig> },
): Promise<TestGateway> {
  return startGateway(test, {
    ...setup,
    plugin: ftp,
    config: { ...ftp.schema.parse({}), ...setup.config },
  });
}

/** What the gateway has open on this machine's own network: the clients' side. */
export class CountingTransport extends TransportDecorator {
  readonly streams = new Set<Duplex>();
  readonly listeners = new Set<Listening>();

  override async openStream(to: Destination | Endpoint, options?: StreamOptions): Promise<Duplex> {
    return this.#track(await super.openStream(to, options));
  }

  override async listen(
    bind: Endpoint,
    onStream: (stream: Duplex, peer: Peer) => void,
    { onArrival, onExcess, ...options }: ListenOptions = {},
  ): Promise<Listening> {
    const arrived = (arrival: Arrival) => {
      this.#track(arrival.stream);
      onArrival?.(arrival);
    };
    const inner = await super.listen(bind, (stream, peer) => onStream(this.#track(stream), peer), {
      ...options,
      ...(onArrival && { onArrival: arrived }),
      ...(onExcess && { onExcess: (stream, peer) => onExcess(this.#track(stream), peer) }),
    });
    const listening: Listening = {
      endpoint: inner.endpoint,
      close: async () => {
        await inner.close();
        this.listeners.delete(listening);
      },
    };
    this.listeners.add(listening);
    return listening;
  }

  /** The most bytes that one stream holds for a client that does not read. */
  get unsent(): number {
    return Math.max(0, ...[...this.streams].map((stream) => stream.writableLength));
  }

  #track(stream: Duplex): Duplex {
    this.streams.add(stream);
    stream.once('close', () => this.streams.delete(stream));
    return stream;
  }
}

/** Sockets, listeners and timers of this process now, by kind. */
export function activeResources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) {
    if (/^(TCP|Pipe|Timeout|Immediate|.*Req)/.test(kind)) counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/** Returns the TCP sockets of this process that are open, with their ports and states. */
export function openSockets(): string[] {
  const { _getActiveHandles: handles } = process as unknown as { _getActiveHandles: () => unknown[] };
  return handles
    .call(process)
    .filter((handle): handle is net.Socket => handle instanceof net.Socket && handle.remotePort !== undefined)
    .map(
      (socket) =>
        `${socket.localPort} to ${socket.remotePort}: ${socket.isPaused() ? 'paused' : 'flowing'}, ` +
        `${socket.readableEnded ? 'ended' : 'open'} for reading and ` +
        `${socket.writableFinished ? 'finished' : `open, with ${socket.writableLength} bytes,`} for writing`,
    );
}

/** Fails unless `check` comes true: for what has no event, such as a count that falls to zero. */
export function eventually(check: () => void): Promise<void> {
  return expect
    .poll(
      () => {
        check();
        return true;
      },
      { timeout: 5000, interval: 10 },
    )
    .toBe(true);
}

/** A transport that is always ready. */
class Unmanaged extends TransportDecorator implements ManagedTransport {
  readonly state = 'ready';
  async start(): Promise<void> {}
  async stop(): Promise<void> {}
  onState(): void {}
}

function supervised(ssh: TestSshServer, setup: GatewaySetup, log: Logger): ManagedTransport {
  const { connectTimeout = 10, keepalive = 0, dataConnections = 0, transport } = setup;
  const engine = transport === 'openssh' ? 'openssh' : 'ssh2';
  const one = () =>
    new SshSupervisor(
      (signal) => connectBy(engine, ssh.port, { serverAliveInterval: keepalive }, { signal }),
      { host: 'yourserver', connectTimeout, connectionAttempts: 1, session: false },
      log,
      () => 0,
    );
  return new SshPool(one(), { another: one, size: () => dataConnections, log });
}

function recordingLog(warnings: string[]): Logger {
  const warn = (...words: unknown[]) => void warnings.push(String(words.at(-1)));
  const log: Logger = {
    error: warn,
    warn,
    info() {},
    debug() {},
    trace() {},
    child: () => log,
  };
  return log;
}

import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { Carrier } from '../connection/carrier.ts';
import type { HopConnection } from '../connection/hop-connection.ts';
import { OpenSshConnection } from '../openssh/connection.ts';
import type { OpenSshDeps } from '../openssh/deps.ts';
import type { SshOptions } from '../options.ts';
import { SshConnection } from '../ssh2/connection.ts';
import type { ConnectionDeps } from '../ssh2/connection-deps.ts';
import { NothingInCommon } from '../ssh2/failures.ts';
import { type LoginEngine, opensshEngine } from './engine.ts';
import { type ProxyProcess, runProxyCommand } from './proxy-command.ts';

/** One SSH server of a chain: a jump host, or the last. */
export interface Hop {
  readonly options: SshOptions;
  /**
   * Whether OpenSSH's ssh may try if ssh2 and the server have no algorithm in common. A host that a
   * login by ssh2 has reached before must not become another one.
   */
  readonly mayFallBack: boolean;
  /** Returns the engine to log in with. */
  engine(): Promise<LoginEngine>;
  /** A login by this engine has succeeded; `fallback`: after ssh2 had nothing in common with the server. */
  succeeded(engine: LoginEngine, fallback: boolean): void;
  /** Returns what a login by ssh2 needs. Called when the hops before it are connected. */
  credentials(): Promise<Omit<ConnectionDeps, 'signal' | 'dial'>>;
  /** Returns what a login by OpenSSH's ssh needs. */
  openssh(): Omit<OpenSshDeps, 'signal' | 'dial' | 'version'>;
}

export interface HopLink {
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Opens the stream to the server; null if it is dialled, or has a ProxyCommand. */
  readonly dial: ((signal: AbortSignal) => Promise<Carrier>) | null;
}

/**
 * Logs in to one server of a chain. If ssh2 and the server agree on no algorithm, OpenSSH's ssh
 * tries once, unless SshEngine is ssh2.
 */
export async function connectHop(hop: Hop, { log, signal, dial }: HopLink): Promise<HopConnection> {
  const { options } = hop;
  const login = async (engine: LoginEngine, fallback = false) => {
    const connection =
      engine.name === 'ssh2'
        ? await bySsh2(hop, signal, dial)
        : await OpenSshConnection.connect(options, {
            ...hop.openssh(),
            version: engine.version,
            signal,
            ...(dial && { dial }),
          });
    hop.succeeded(engine, fallback);
    return connection;
  };
  const chosen = await unlessAborted(signal, () => hop.engine());
  try {
    return await login(chosen);
  } catch (error) {
    if (!(error instanceof NothingInCommon) || options.engine === 'ssh2' || !hop.mayFallBack) throw error;
    const installed = await unlessAborted(signal, () => opensshEngine().catch(() => null));
    if (installed === null) throw error;
    log.info({ event: 'ssh.engine', engine: 'openssh' }, `${error.what}; trying OpenSSH's ssh`);
    return login(installed, true).catch((second: unknown) => {
      // It has nothing in common with the server either: sshferry's own words have the remedy.
      const same = second instanceof GatewayError && second.code === 'SSH_UNSUPPORTED';
      throw same ? error : second;
    });
  }
}

async function bySsh2(hop: Hop, signal: AbortSignal, given: HopLink['dial']): Promise<HopConnection> {
  const { options } = hop;
  const deps = { ...(await unlessAborted(signal, () => hop.credentials())), signal };
  const { proxyCommand } = options;
  if (given !== null) return SshConnection.connect(options, { ...deps, dial: given });
  if (proxyCommand === null) return SshConnection.connect(options, deps);
  let proxy: ProxyProcess | null = null;
  const dial = async (over: AbortSignal) => {
    over.throwIfAborted();
    proxy = runProxyCommand(proxyCommand);
    return proxy.stream;
  };
  try {
    return await SshConnection.connect(options, { ...deps, dial });
  } catch (error) {
    // Why the program ended says more than that it hung up.
    const mute = error instanceof GatewayError && error.code === 'SSH_CONNECT';
    throw (mute && (await (proxy as ProxyProcess | null)?.failure())) || error;
  }
}

/** Rejects when `signal` aborts: an agent or a file system may never answer. */
function unlessAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const done = () => signal.removeEventListener('abort', onAbort);
    work().finally(done).then(resolve, reject);
  });
}

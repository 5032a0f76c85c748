import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { EngineName } from '../connection/about.ts';
import type { Carrier } from '../connection/carrier.ts';
import type { HopConnection } from '../connection/hop-connection.ts';
import { OpenSshConnection } from '../openssh/connection.ts';
import type { OpenSshDeps } from '../openssh/deps.ts';
import { opensshVersion } from '../openssh/version.ts';
import type { SshOptions } from '../options.ts';
import { SshConnection } from '../ssh2/connection.ts';
import type { ConnectionDeps } from '../ssh2/connection-deps.ts';
import { NothingInCommon } from '../ssh2/failures.ts';
import { type ProxyProcess, runProxyCommand } from './proxy-command.ts';

/** One SSH server of a chain: a jump host, or the last. */
export interface Hop {
  readonly options: SshOptions;
  /** Returns the engine to log in with. */
  engine(): Promise<EngineName>;
  /** From now on, OpenSSH's ssh logs in there. */
  useOpenSsh?(): void;
  /** Returns what a login by ssh2 needs. Called when the hops before it are connected. */
  credentials(): Promise<Omit<ConnectionDeps, 'signal' | 'dial'>>;
  /** Returns what a login by OpenSSH's ssh needs. */
  openssh(): Omit<OpenSshDeps, 'signal' | 'dial'>;
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
  const byOpenSsh = () =>
    OpenSshConnection.connect(options, { ...hop.openssh(), signal, ...(dial && { dial }) });
  if ((await hop.engine()) === 'openssh') return byOpenSsh();
  try {
    return await bySsh2(hop, signal, dial);
  } catch (error) {
    if (!(error instanceof NothingInCommon) || options.engine === 'ssh2') throw error;
    const installed = await opensshVersion().catch(() => null);
    if (installed === null) throw error;
    log.info({ event: 'ssh.engine', engine: 'openssh' }, `${error.what}; trying OpenSSH's ssh`);
    const connection = await byOpenSsh().catch((second: unknown) => {
      // It has nothing in common with the server either: sshferry's own words have the remedy.
      const same = second instanceof GatewayError && second.code === 'SSH_UNSUPPORTED';
      throw same ? error : second;
    });
    hop.useOpenSsh?.();
    return connection;
  }
}

async function bySsh2(hop: Hop, signal: AbortSignal, given: HopLink['dial']): Promise<HopConnection> {
  const { options } = hop;
  const deps = { ...(await credentialsOf(hop, signal)), signal };
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

/** Rejects when `signal` aborts: an agent may never answer. */
function credentialsOf(hop: Hop, signal: AbortSignal): ReturnType<Hop['credentials']> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const done = () => signal.removeEventListener('abort', onAbort);
    hop.credentials().finally(done).then(resolve, reject);
  });
}

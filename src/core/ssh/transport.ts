import type { Logger } from '../log.ts';
import type { ManagedTransport } from '../transport.ts';
import type { OnProgress } from './connection/progress.ts';
import { connectChain } from './link/chain.ts';
import type { Hop } from './link/connect-hop.ts';
import { existingTransport } from './link/existing.ts';
import { HopMemory } from './link/hop-memory.ts';
import { SshPool } from './link/pool.ts';
import { SshSupervisor } from './link/supervisor.ts';
import type { Prompter, SshOptions } from './options.ts';

/**
 * Returns the network behind one SSH login: reached through its jump hosts or ProxyCommand, kept
 * up, with further connections for bulk data. Reads and dials nothing before `start`.
 *
 * Keys and the accepted host key are kept over reconnects, so that a passphrase is asked for once.
 * `progress` reports each hop's login, but not those of data connections.
 */
export function sshTransport(
  options: SshOptions,
  prompter: Prompter,
  log: Logger,
  progress: OnProgress = () => {},
): ManagedTransport {
  if (options.existing) return existingTransport(options, options.existing, log, progress);
  const hops = [...(options.jumpHosts ?? []), options].map(
    (hop) => new HopMemory(hop, prompter, log, progress),
  );
  const supervise = (chain: readonly Hop[], to: SshOptions) =>
    new SshSupervisor((signal) => connectChain(chain, log, signal), to, log);
  return new SshPool(supervise(hops, options), {
    size: () => options.dataConnections ?? (hops.some(({ neededPerson }) => neededPerson) ? 0 : 1),
    another: () =>
      supervise(
        hops.map((hop) => hop.again()),
        { ...options, connectionAttempts: 1 },
      ),
    log,
  });
}

import type { Logger } from '../log.ts';
import type { ManagedTransport } from '../transport.ts';
import { prepareIdentities } from './auth-identity.ts';
import { connectChain, type Hop } from './chain.ts';
import type { ConnectionDeps } from './connection.ts';
import { createHostVerifier } from './host-key.ts';
import type { Prompter, SshOptions } from './options.ts';
import { SshSupervisor } from './supervisor.ts';

/**
 * The network behind one SSH login, reached through its jump hosts or ProxyCommand where it has such, and kept up. Nothing is
 * read or dialled before `start`. Keys and the accepted host key are kept over reconnects, so that a passphrase is asked for
 * once.
 */
export function sshTransport(options: SshOptions, prompter: Prompter, log: Logger): ManagedTransport {
  const hops = [...(options.jumpHosts ?? []), options].map((hop) => hopTo(hop, prompter, log));
  return new SshSupervisor((signal) => connectChain(hops, log, signal), options, log);
}

function hopTo(options: SshOptions, prompter: Prompter, log: Logger): Hop {
  let login: ReturnType<Hop['login']> | null = null;
  const prepare = async (): Promise<Omit<ConnectionDeps, 'signal' | 'socket'>> => ({
    prompter,
    log,
    verifier: await createHostVerifier(options, prompter, log),
    identities: await prepareIdentities(options, log),
  });
  return {
    options,
    login: () => {
      login ??= prepare().catch((error) => {
        login = null;
        throw error;
      });
      return login;
    },
  };
}

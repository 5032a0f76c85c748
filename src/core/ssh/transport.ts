import type { Logger } from '../log.ts';
import type { ManagedTransport } from '../transport.ts';
import { prepareIdentities } from './auth-identity.ts';
import { SshConnection } from './connection.ts';
import { createHostVerifier } from './host-key.ts';
import type { Prompter, SshOptions } from './options.ts';
import { SshSupervisor } from './supervisor.ts';

/**
 * The network behind one SSH login, kept up. Nothing is read or dialled before `start`. Keys and the accepted host key are
 * kept over reconnects, so that a passphrase is asked for once.
 */
export function sshTransport(options: SshOptions, prompter: Prompter, log: Logger): ManagedTransport {
  let login: Promise<Parameters<typeof SshConnection.connect>[1]> | null = null;
  const prepare = async () => ({
    prompter,
    log,
    verifier: await createHostVerifier(options, prompter, log),
    identities: await prepareIdentities(options, log),
  });
  return new SshSupervisor(
    async (signal) => {
      login ??= prepare();
      return SshConnection.connect(options, { ...(await login), signal });
    },
    options,
    log,
  );
}

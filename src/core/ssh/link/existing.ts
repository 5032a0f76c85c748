import type { Logger } from '../../log.ts';
import type { ManagedTransport } from '../../transport.ts';
import type { OnProgress } from '../connection/progress.ts';
import { ExistingConnection } from '../existing/connection.ts';
import type { ExistingLogin, SshOptions } from '../options.ts';
import { SshSupervisor } from './supervisor.ts';

/**
 * Returns the network behind the login of a running ssh master. When the master ends, waits for a
 * new one at the same path.
 */
export function existingTransport(
  options: SshOptions,
  { socket, unused }: ExistingLogin,
  log: Logger,
  progress: OnProgress,
): ManagedTransport {
  let isFirst = true;
  const connect = async (signal: AbortSignal) => {
    if (isFirst && unused.length > 0)
      log.info(
        { event: 'ssh.engine', engine: 'openssh' },
        `${socket} is logged in already; without effect: ${unused.join(', ')}`,
      );
    isFirst = false;
    const connection = await ExistingConnection.connect(options, socket, signal);
    const { about } = connection;
    progress({ stage: 'ready', by: `the ssh master on ${socket}`, about, host: options.host });
    return connection;
  };
  return new SshSupervisor(connect, options, log);
}

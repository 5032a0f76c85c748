import { execFile } from 'node:child_process';
import type { Logger } from '../../core/log.ts';

/** A state that a service manager is notified of; see sd_notify(3). */
export type ServiceState = 'ready' | 'stopping';

/**
 * Notifies systemd of the state, if it asked for that (NOTIFY_SOCKET). Returns null, or why that
 * failed; never rejects.
 *
 * systemd's socket takes datagrams on a Unix path, which Node cannot send. So systemd's own
 * `systemd-notify` sends them, and the unit needs `NotifyAccess=all`, because that is another
 * process.
 */
export function notifyService(state: ServiceState, env: NodeJS.ProcessEnv): Promise<string | null> {
  if (!env.NOTIFY_SOCKET) return Promise.resolve(null);
  return new Promise((resolve) => {
    // Not --stopping, which is new in systemd 253.
    execFile('systemd-notify', [`${state.toUpperCase()}=1`], { env, timeout: 5000 }, (error) =>
      resolve(error && `cannot notify systemd of the state "${state}": ${error.message.trim()}`),
    );
  });
}

/** Notifies the service manager of the environment, and logs a failure. */
export async function notify(
  environment: { notify(state: ServiceState): Promise<string | null> },
  state: ServiceState,
  log: Logger,
): Promise<void> {
  const failure = await environment.notify(state);
  if (failure !== null) log.warn({ event: 'service' }, failure);
}

import { execFile } from 'node:child_process';

/** What a service manager is told (sd_notify(3)). */
export type ServiceState = 'ready' | 'stopping';

/**
 * Tells systemd how far the program is, where it asked to be told (NOTIFY_SOCKET). Its socket takes datagrams on a Unix path,
 * which Node cannot send; so systemd's own `systemd-notify` does it, and the unit needs `NotifyAccess=all`, because that is
 * another process. Gives null, or why it could not be told; never rejects.
 */
export function notifyService(state: ServiceState, env: NodeJS.ProcessEnv): Promise<string | null> {
  if (!env.NOTIFY_SOCKET) return Promise.resolve(null);
  return new Promise((resolve) => {
    // Not --stopping, which came with systemd 253.
    execFile('systemd-notify', [`${state.toUpperCase()}=1`], { env, timeout: 5000 }, (error) =>
      resolve(error && `systemd was not told that this is ${state}: ${error.message.trim()}`),
    );
  });
}

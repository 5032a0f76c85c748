import type { Tunnel } from '../../app/tunnel.ts';
import { within } from '../../core/within.ts';
import { EXIT, reportFailure } from './failure.ts';
import type { LogOutput, ServeEnvironment } from './log-output.ts';
import { notify } from './service.ts';
import type { ShutdownCause, ShutdownCauses } from './shutdown-causes.ts';

/**
 * How long clients and servers may take to read the news of a crash or an immediate stop, in
 * milliseconds.
 */
const GRACE = 1000;

/** Waits for the cause that ends the tunnel, stops it, and returns the exit status. */
export async function stopOnCause(
  shutdown: ShutdownCauses,
  tunnel: Tunnel,
  output: LogOutput,
  environment: ServeEnvironment,
): Promise<number> {
  const cause = await shutdown.first;
  const drainMs = drainTime(cause, tunnel);
  const status = reportCause(cause, drainMs, tunnel, output, environment);
  const stopped = stopGateway(tunnel, drainMs);
  if (cause.kind === 'crash') {
    await within(GRACE, stopped);
    return status;
  }
  const interrupted = await Promise.race([stopped.then(() => false), shutdown.second.then(() => true)]);
  if (!interrupted) return status;
  // If the process ended now, the system would close the sockets as if every byte had been sent.
  await within(GRACE, stopGateway(tunnel, 0));
  return status === EXIT.stopped ? EXIT.interrupted : status;
}

/**
 * Service managers send SIGTERM, so clients may finish; a person who presses Ctrl-C wants the end
 * now. In milliseconds.
 */
export function drainTime(cause: ShutdownCause, tunnel: Tunnel): number {
  if (cause.kind !== 'signal' || cause.signal !== 'SIGTERM') return 0;
  return clientsOf(tunnel) > 0 ? tunnel.drainTimeout * 1000 : 0;
}

/** Logs why the tunnel stops, and returns the exit status. */
function reportCause(
  cause: ShutdownCause,
  drainMs: number,
  tunnel: Tunnel,
  { log, failures }: LogOutput,
  environment: ServeEnvironment,
): number {
  if (cause.kind !== 'signal') return reportFailure(cause.error, failures);
  const clients = clientsOf(tunnel);
  const drain = drainMs > 0 ? `; ${clients} connected: up to ${drainMs / 1000} s to finish` : '';
  log[drainMs > 0 ? 'info' : 'debug'](
    { event: 'stopping', signal: cause.signal, clients },
    `${cause.signal}: stopping${drain}`,
  );
  void notify(environment, 'stopping', log);
  return EXIT.stopped;
}

/** Returns the number of connected clients. */
export function clientsOf(tunnel: Tunnel): number {
  return tunnel.gateway?.sessions ?? 0;
}

async function stopGateway({ gateway }: Tunnel, drainMs: number): Promise<void> {
  await gateway?.stop({ drainMs });
}

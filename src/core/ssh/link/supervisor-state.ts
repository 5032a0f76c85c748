import type { TransportState } from '../../transport.ts';

/** The events of a supervised connection. */
export type SupervisorEvent =
  | 'start'
  | 'connected'
  | 'retryable'
  | 'fatal'
  | 'lost'
  | 'retry'
  | 'stop'
  | 'stopped';

/**
 * The states of a supervised connection. A pair that is not in the table does not happen or changes
 * nothing, for example a connection that ends while `draining`.
 */
const TABLE: Readonly<Record<TransportState, Partial<Record<SupervisorEvent, TransportState>>>> = {
  idle: { start: 'connecting', stop: 'draining' },
  connecting: { connected: 'ready', retryable: 'backoff', fatal: 'failed', stop: 'draining' },
  // Fatal while ready: with ExitOnForwardFailure, the server refused to reopen a remote listener.
  ready: { lost: 'backoff', fatal: 'failed', stop: 'draining' },
  backoff: { retry: 'connecting', stop: 'draining' },
  failed: { stop: 'draining' },
  draining: { stopped: 'closed' },
  closed: {},
};

/** Returns the state after `event`, which may be the same. */
export function nextState(state: TransportState, event: SupervisorEvent): TransportState {
  return TABLE[state][event] ?? state;
}

const FIRST_DELAY = 1000;
const LAST_DELAY = 60_000;
const WANTED_DELAY = 5000;

/**
 * Returns how long to wait before attempt `attempt` (from 1 on) after a loss, in milliseconds:
 * between one second and a limit that doubles up to a minute. The jitter keeps many clients of one
 * server apart. The lower bound keeps one client out of sshd's PerSourcePenalties. `random` is in
 * [0, 1).
 *
 * `wanted`: a caller is waiting. With a delay of a minute, its connect timeout would expire before
 * the next attempt. So the delay is at most 5 to 7.5 seconds. sshd counts a penalty of 1 s for a
 * connection without a login and refuses from 15 s on, so attempts at this pace never add up. The
 * jitter still spreads the clients of a restarted server.
 */
export function backoffDelay(attempt: number, random: number, wanted = false): number {
  const limit = Math.min(LAST_DELAY, FIRST_DELAY * 2 ** Math.min(attempt, 16));
  const delay = Math.round(FIRST_DELAY + random * (limit - FIRST_DELAY));
  return wanted ? Math.min(delay, Math.round(WANTED_DELAY * (1 + random / 2))) : delay;
}

import type { TransportState } from '../../transport.ts';

/** What happens to a supervised connection. */
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
 * The life of a supervised connection. A pair that is not in the table does not happen, or changes nothing: a connection that
 * ends while `draining`, say.
 */
const TABLE: Readonly<Record<TransportState, Partial<Record<SupervisorEvent, TransportState>>>> = {
  idle: { start: 'connecting', stop: 'draining' },
  connecting: { connected: 'ready', retryable: 'backoff', fatal: 'failed', stop: 'draining' },
  // Fatal while ready: a remote listener that the server will not open again, with ExitOnForwardFailure.
  ready: { lost: 'backoff', fatal: 'failed', stop: 'draining' },
  backoff: { retry: 'connecting', stop: 'draining' },
  failed: { stop: 'draining' },
  draining: { stopped: 'closed' },
  closed: {},
};

/** The state after `event`; the same where it changes nothing. */
export function nextState(state: TransportState, event: SupervisorEvent): TransportState {
  return TABLE[state][event] ?? state;
}

const FIRST_DELAY = 1000;
const LAST_DELAY = 60_000;
const WANTED_DELAY = 5000;

/**
 * How long to wait before attempt `attempt` (from 1 on) after a loss, in milliseconds: somewhere between one second and a
 * limit that doubles up to a minute. The jitter keeps many clients of one server apart; the lower bound keeps one client out
 * of sshd's PerSourcePenalties. `random` is in [0, 1).
 *
 * `wanted`: somebody waits for the connection, and would be refused after the connect timeout without an attempt having been
 * made, were the delay a minute. Then it is 5 to 7.5 seconds at most: sshd counts 1 s of penalty for a connection without a
 * login and bars nobody below 15 s, so attempts at this pace never add up; and the jitter still spreads those who reconnect
 * to one restarted server.
 */
export function backoffDelay(attempt: number, random: number, wanted = false): number {
  const limit = Math.min(LAST_DELAY, FIRST_DELAY * 2 ** Math.min(attempt, 16));
  const delay = Math.round(FIRST_DELAY + random * (limit - FIRST_DELAY));
  return wanted ? Math.min(delay, Math.round(WANTED_DELAY * (1 + random / 2))) : delay;
}

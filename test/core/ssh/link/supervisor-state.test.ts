import { describe, expect, it } from 'vitest';
import {
  backoffDelay,
  nextState,
  type SupervisorEvent,
} from '../../../../src/core/ssh/link/supervisor-state.ts';
import type { TransportState } from '../../../../src/core/transport.ts';

const EVENTS: readonly SupervisorEvent[] = [
  'start',
  'connected',
  'retryable',
  'fatal',
  'lost',
  'retry',
  'stop',
  'stopped',
];

describe('nextState', () => {
  const changes: Record<TransportState, Partial<Record<SupervisorEvent, TransportState>>> = {
    idle: { start: 'connecting', stop: 'draining' },
    connecting: { connected: 'ready', retryable: 'backoff', fatal: 'failed', stop: 'draining' },
    ready: { lost: 'backoff', fatal: 'failed', stop: 'draining' },
    backoff: { retry: 'connecting', stop: 'draining' },
    failed: { stop: 'draining' },
    draining: { stopped: 'closed' },
    closed: {},
  };
  const rows = Object.entries(changes).flatMap(([state, to]) =>
    EVENTS.map((event) => [state as TransportState, event, to[event] ?? (state as TransportState)] as const),
  );

  it.each(rows)('%s, %s: %s', (state, event, expected) => {
    expect(nextState(state, event)).toBe(expected);
  });
});

describe('backoffDelay', () => {
  it.each([
    [1, 0, 1000],
    [1, 0.5, 1500],
    [2, 0.5, 2500],
    [5, 0.5, 16_500],
    [6, 0.999999, 60_000],
    [1_000_000, 0.999999, 60_000],
    [1_000_000, 0, 1000],
  ])('attempt %i, chance %f: %i ms', (attempt, random, ms) => {
    expect(backoffDelay(attempt, random)).toBe(ms);
  });

  it.each([
    [1, 0.5, 1500],
    [6, 0.5, 6250],
    [6, 0.999999, 7500],
  ])('a caller waits: attempt %i, chance %f: %i ms', (attempt, random, ms) => {
    expect(backoffDelay(attempt, random, true)).toBe(ms);
  });
});

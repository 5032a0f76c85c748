import type { Rebinding } from './rebinding.ts';
import type { ActiveForward } from './route.ts';
import type { ManagedTransport } from './transport.ts';

type Transports = ReadonlyMap<string, ManagedTransport>;

/** The differences between two configurations of a gateway. */
export interface Differences {
  /** Transports to stop after their last client. */
  readonly retired: readonly ManagedTransport[];
  /** Servers that are no longer configured. */
  readonly removedServers: readonly string[];
  /** Servers that are new or have another transport. */
  readonly changedServers: readonly (readonly [server: string, transport: ManagedTransport])[];
  /** Names of forwards that are no longer configured. */
  readonly removedForwards: readonly string[];
  /** Forwards to announce: opened, or the same listener with another specification. */
  readonly announced: readonly ActiveForward[];
}

/**
 * Returns what differs between the running configuration and the one that replaces it. Call it
 * before the routes of the kept forwards change.
 */
export function differences(
  before: { readonly transports: Transports; readonly active: readonly ActiveForward[] },
  next: { readonly transports: Transports },
  { kept }: Rebinding,
  opened: readonly ActiveForward[],
): Differences {
  const gone = [...before.transports].filter(([name, transport]) => next.transports.get(name) !== transport);
  const names = new Set(
    [...[...kept.values()], ...opened.map(({ route }) => route)].map(({ spec }) => spec.name),
  );
  const renewed = [...kept].filter(([forward, route]) => forward.route.spec !== route.spec);
  return {
    retired: gone.map(([, transport]) => transport),
    removedServers: gone.map(([name]) => name).filter((name) => !next.transports.has(name)),
    changedServers: [...next.transports].filter(
      ([name, transport]) => before.transports.get(name) !== transport,
    ),
    removedForwards: before.active.map(({ route }) => route.spec.name).filter((name) => !names.has(name)),
    announced: [...renewed.map(([forward]) => forward), ...opened],
  };
}

import { GatewayError } from './errors.ts';
import type { ForwardSpec } from './forward.ts';
import type { Listening, ManagedTransport, Transport } from './transport.ts';

/** A forward with the networks at its two ends. */
export interface Route {
  readonly spec: ForwardSpec;
  readonly ssh: ManagedTransport;
  /** Where it listens. */
  readonly near: Transport;
  /** Where its target is. */
  readonly far: Transport;
}

/** A running forward: its listener, and the current route of the clients that it accepts. */
export interface ActiveForward {
  readonly listener: Listening;
  route: Route;
}

/** Returns the route of a forward. Throws `CONFIG_INVALID` if its server does not exist. */
export function routeOf(
  spec: ForwardSpec,
  transports: ReadonlyMap<string, ManagedTransport>,
  local: Transport,
): Route {
  const ssh = transports.get(spec.server);
  if (ssh === undefined) {
    throw new GatewayError('CONFIG_INVALID', `no server is named ${spec.server}`, {
      where: `forward ${spec.name}`,
    });
  }
  const [near, far] = spec.direction === 'local' ? [local, ssh] : [ssh, local];
  return { spec, ssh, near, far };
}

/** Whether clients of one route can stay as clients of the other. */
export function sameService(a: Route, b: Route): boolean {
  return a.spec === b.spec && a.ssh === b.ssh;
}

/** Returns the routes whose clients cannot stay as clients of any of `others`. */
export function without(routes: readonly Route[], others: readonly Route[]): Route[] {
  return routes.filter((route) => !others.some((other) => sameService(other, route)));
}

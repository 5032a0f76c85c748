import { isDeepStrictEqual } from 'node:util';
import { GatewayError } from './errors.ts';
import type { ForwardSpec } from './forward.ts';
import type { Bind } from './listener.ts';
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

/** A running forward: its listener, and where clients that it accepts go now. */
export interface ActiveForward {
  readonly listener: Listening;
  route: Route;
}

/** Throws `CONFIG_INVALID` for a server that is not there. */
export function routeOf(
  spec: ForwardSpec,
  transports: ReadonlyMap<string, ManagedTransport>,
  local: Transport,
): Route {
  const ssh = transports.get(spec.server);
  if (ssh === undefined) {
    throw new GatewayError('CONFIG_INVALID', `forward ${spec.name}: there is no server named ${spec.server}`);
  }
  const [near, far] = spec.direction === 'local' ? [local, ssh] : [ssh, local];
  return { spec, ssh, near, far };
}

/** What becomes of the listeners when the active forwards are to have these routes. */
export interface Rebinding {
  /** Listeners that stay, each with its new route, which may be its old one. */
  readonly kept: ReadonlyMap<ActiveForward, Route>;
  /** Forwards that go. */
  readonly closing: readonly ActiveForward[];
  /** Routes that need a listener of their own. */
  readonly opening: readonly Route[];
}

/** A listener stays for a route that listens at the same place of the same network, whatever else of it is new. */
export function planRebinding(active: readonly ActiveForward[], routes: readonly Route[]): Rebinding {
  const kept = new Map<ActiveForward, Route>();
  const opening = routes.filter((route) => {
    const heir = active.find((forward) => !kept.has(forward) && samePlace(forward.route, route));
    if (heir !== undefined) kept.set(heir, route);
    return heir === undefined;
  });
  return { kept, opening, closing: active.filter((forward) => !kept.has(forward)) };
}

function samePlace(a: Route, b: Route): boolean {
  // Any free port belongs to the forward that got it.
  const own = a.spec.bind.port !== 0 || a.spec.name === b.spec.name;
  return own && a.near === b.near && isDeepStrictEqual(a.spec.bind, b.spec.bind);
}

/** Whether two places to listen may be in each other's way. */
export function mayCollide(a: Bind, b: Bind): boolean {
  return a.port !== 0 && a.port === b.port;
}

/** Whether clients of the one can go on as clients of the other. */
export function sameService(a: Route, b: Route): boolean {
  return a.spec === b.spec && a.ssh === b.ssh;
}

import { isDeepStrictEqual } from 'node:util';
import { isAnyPort } from './endpoint.ts';
import type { GatewayError } from './errors.ts';
import type { Bind } from './listener.ts';
import type { ActiveForward, Route } from './route.ts';

/** A plan for the listeners when the active forwards change to new routes. */
export interface Rebinding {
  /** Listeners that stay, each with its new route, which can be its old one. */
  readonly kept: ReadonlyMap<ActiveForward, Route>;
  /** Forwards whose listeners close. */
  readonly closing: readonly ActiveForward[];
  /** Routes that need a listener of their own. */
  readonly opening: readonly Route[];
}

/**
 * Plans the change from the active forwards to `routes`. A listener stays if a route listens at the
 * same place of the same network, even if the rest of the route is new.
 */
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
  // A port that the system chose belongs to the forward that got it.
  return (
    (!isAnyPort(a.spec.bind) || a.spec.name === b.spec.name) &&
    a.near === b.near &&
    isDeepStrictEqual(a.spec.bind, b.spec.bind) &&
    isDeepStrictEqual(a.spec.socketFile, b.spec.socketFile)
  );
}

/** Whether two places to listen can exclude each other. */
export function mayCollide(a: Bind, b: Bind): boolean {
  return !isAnyPort(a) && a.port === b.port && (a.port !== 0 || a.host === b.host);
}

/** The parts of the gateway that `rebind` needs. */
export interface RebindDeps {
  open(route: Route): Promise<ActiveForward>;
  /** Returns why no more listeners may open; null while they may. */
  stopped(): GatewayError | null;
  /** After a failure: `closed` were closed, and `reopened` listen in their place. */
  restored(closed: readonly ActiveForward[], reopened: readonly ActiveForward[]): void;
  /** A forward was closed and could not be opened again. */
  lost(route: Route, error: unknown): void;
}

/**
 * Opens the routes of a plan, after closing only the listeners in their way. Rejects with the first
 * failure, after reopening what it closed. The caller closes the other listeners of `closing`.
 */
export async function rebind({ closing, opening }: Rebinding, deps: RebindDeps): Promise<ActiveForward[]> {
  const inTheWay = closing.filter(({ route }) =>
    opening.some(({ spec }) => mayCollide(spec.bind, route.spec.bind)),
  );
  const opened: ActiveForward[] = [];
  try {
    for (const { listener } of inTheWay) await listener.close();
    for (const route of opening) {
      throwIfStopped(deps);
      opened.push(await deps.open(route));
    }
    throwIfStopped(deps);
    return opened;
  } catch (error) {
    await Promise.all(opened.map(({ listener }) => listener.close()));
    if (deps.stopped() === null) await reopen(inTheWay, deps);
    throw error;
  }
}

async function reopen(closed: readonly ActiveForward[], deps: RebindDeps): Promise<void> {
  const reopened: ActiveForward[] = [];
  for (const { route } of closed) {
    try {
      reopened.push(await deps.open(route));
    } catch (error) {
      deps.lost(route, error);
    }
  }
  deps.restored(closed, reopened);
}

function throwIfStopped(deps: RebindDeps): void {
  const reason = deps.stopped();
  if (reason !== null) throw reason;
}

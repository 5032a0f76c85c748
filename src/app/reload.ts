import { isDeepStrictEqual } from 'node:util';
import { GatewayError } from '../core/errors.ts';
import type { Gateway } from '../core/gateway.ts';
import { type Components, type GatewayDeps, makeComponents } from './compose.ts';
import { loadSource, type RunRequest, resolveConfig, type TunnelEnvironment } from './run-request.ts';

/** A running gateway with its request and its current components. */
export interface RunningGateway {
  readonly gateway: Gateway;
  readonly request: RunRequest;
  readonly components: Components;
}

/**
 * Reads the config file again and changes the gateway accordingly. Unchanged forwards keep their
 * clients; clients of the others may finish within the drain timeout. Returns the new running state
 * and the changes as lines for people. Rejects with a GatewayError, with nothing changed, if the
 * file is wrong, a login fails or a port is taken.
 */
export async function reload(
  { gateway, request, components: before }: RunningGateway,
  deps: Omit<GatewayDeps, 'local'>,
  environment: TunnelEnvironment,
): Promise<{ running: RunningGateway; lines: string[] }> {
  const { source } = request;
  if (source.kind === 'arguments') {
    throw new GatewayError('CONFIG_INVALID', 'it was started from arguments; there is no file to read again');
  }
  const { log } = deps;
  const loaded = await loadSource(source, environment);
  // The log keeps the flags that it was started with.
  const next: RunRequest = { ...request, ...loaded, config: { ...loaded.config, log: request.config.log } };
  const resolved = await resolveConfig(next, environment, log);
  const { localUsers, drainTimeout } = resolved.config;
  const sameUsers = isDeepStrictEqual(localUsers, before.resolved.config.localUsers);
  const local = sameUsers ? before.local : await environment.local(localUsers, log);
  const components = makeComponents(resolved, { ...deps, local }, before);
  await gateway.change({ ...components, drainMs: drainTimeout * 1000 });
  for (const renewal of components.renewals) renewal.apply();
  return { running: { gateway, request: next, components }, lines: differences(before, components) };
}

/** Returns a line for each changed server and forward; one line if nothing changed. */
function differences(before: Components, now: Components): string[] {
  const forwards = (components: Components) => new Map(components.forwards.map((spec) => [spec.name, spec]));
  const lines = [
    ...compared('server', before.transports, now.transports),
    ...compared('forward', forwards(before), forwards(now)),
    ...now.renewals.map(({ forward }) => `forward ${forward}: new certificate files`),
  ];
  const logs = [before, now].map(({ resolved }) => (resolved.written as { log?: unknown } | undefined)?.log);
  if (!isDeepStrictEqual(logs[0], logs[1])) lines.push('log: takes effect when sshferry is started again');
  if (before.local !== now.local) lines.push('localUsers: changed');
  return lines.length > 0 ? lines : ['nothing has changed'];
}

function compared(
  what: string,
  before: ReadonlyMap<string, unknown>,
  now: ReadonlyMap<string, unknown>,
): string[] {
  const lines: string[] = [];
  for (const [name, part] of now) {
    if (!before.has(name)) lines.push(`${what} ${name}: new`);
    else if (before.get(name) !== part) lines.push(`${what} ${name}: changed`);
  }
  for (const name of before.keys()) if (!now.has(name)) lines.push(`${what} ${name}: removed`);
  return lines;
}

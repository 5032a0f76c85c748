import { isDeepStrictEqual } from 'node:util';
import { GatewayError } from '../core/errors.ts';
import type { Gateway } from '../core/gateway.ts';
import { makeParts, type Parts, type Surroundings } from './compose.ts';
import { completePlan, type Draft, loadSource, type TunnelEnvironment } from './plan.ts';

/** A gateway that runs, what it was asked for and what it is made of now. */
export interface Running {
  readonly gateway: Gateway;
  readonly draft: Draft;
  readonly parts: Parts;
}

/**
 * Reads the config file again and makes the gateway what it says now: what did not change keeps its clients, clients of the
 * rest may finish within the drain timeout. Gives what runs then, and what has changed in lines for people. Rejects with a
 * GatewayError, with nothing changed, where the file is wrong or the new part of it cannot be had.
 */
export async function reload(
  { gateway, draft, parts: before }: Running,
  surroundings: Omit<Surroundings, 'local'>,
  environment: TunnelEnvironment,
): Promise<{ running: Running; lines: string[] }> {
  const { source } = draft;
  if (source.kind === 'arguments') {
    throw new GatewayError('CONFIG_INVALID', 'it was started from arguments; there is no file to read again');
  }
  const { log } = surroundings;
  const loaded = await loadSource(source, environment);
  // The flags that were given for the log go on.
  const next: Draft = { ...draft, ...loaded, config: { ...loaded.config, log: draft.config.log } };
  const plan = await completePlan(next, environment, log);
  const { localUsers, drainTimeout } = plan.config;
  const sameUsers = isDeepStrictEqual(localUsers, before.plan.config.localUsers);
  const local = sameUsers ? before.local : await environment.local(localUsers, log);
  const parts = makeParts(plan, { ...surroundings, local }, before);
  await gateway.change({ ...parts, drainMs: drainTimeout * 1000 });
  return { running: { gateway, draft: next, parts }, lines: differences(before, parts) };
}

/** What has changed, a line for each server and forward; one line where nothing has. */
function differences(before: Parts, now: Parts): string[] {
  const forwards = (parts: Parts) => new Map(parts.forwards.map((spec) => [spec.name, spec]));
  const lines = [
    ...compared('server', before.transports, now.transports),
    ...compared('forward', forwards(before), forwards(now)),
  ];
  const logs = [before, now].map(({ plan }) => (plan.written as { log?: unknown } | undefined)?.log);
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

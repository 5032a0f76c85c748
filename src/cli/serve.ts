import { compose, type Logins } from '../compose.ts';
import { GatewayError } from '../core/errors.ts';
import type { Gateway } from '../core/gateway.ts';
import type { Logger } from '../core/log.ts';
import { createLogger } from '../log/logger.ts';
import { announce, listeningPorts } from './announce.ts';
import { Ending } from './ending.ts';
import { EXIT, type Teller, tellFailure } from './failure.ts';
import { isUnicodeLocale } from './forward-lines.ts';
import { reportEvents } from './reporter.ts';
import type { ServiceState } from './service.ts';
import { completePlan, type Draft } from './source.ts';
import type { World } from './world.ts';

/** How long clients and the server may take to be told of a crash before the process ends, in milliseconds. */
const CRASH_GRACE = 1000;

/** Runs a tunnel until the person, a signal or a failure ends it; gives the exit status. Never rejects. */
export async function serve(draft: Draft, world: World): Promise<number> {
  const { stderr, env } = world;
  const { level } = draft.config.log;
  const format = draft.config.log.format ?? (stderr.isTTY ? 'pretty' : 'json');
  const color = Boolean(stderr.isTTY) && !env.NO_COLOR && env.TERM !== 'dumb';
  const log = createLogger(stderr, { level, format, color });
  for (const note of [...world.facts, ...draft.notes]) log.debug({ event: 'note' }, note);

  const ending = new Ending(world.process);
  let gateway: Gateway | null = null;
  const begin = async () => {
    const local = await world.local(draft.config.localUsers, log);
    const { config, logins } = await completePlan(draft, world, log);
    if (ending.begun) return;
    const composed = compose(config, logins, { ...world, local, log });
    gateway = composed.gateway;
    reportEvents(gateway.events, log, (server) => label(logins, server));
    gateway.events.on('transport.state', ({ server, state, error }) => {
      const failure = error ?? new GatewayError('SSH_LOST', `${label(logins, server)} is gone`);
      if (state === 'failed') ending.add({ kind: 'failed', error: failure });
    });
    const ports = listeningPorts(gateway.events);
    await gateway.start();
    const people = draft.config.log.format !== 'json' && level !== 'error';
    announce(composed.forwards, logins, ports, {
      stdout: people ? world.stdout : null,
      log: format === 'json' ? log : null,
      unicode: isUnicodeLocale(env, world.platform),
    });
    await notify(world, 'ready', log);
  };
  // A signal raised by Ctrl-C at a prompt counts before the prompt's own failure: it is delivered a turn later.
  begin().catch((error) => setImmediate(() => ending.add({ kind: 'failed', error })));
  try {
    const json = format === 'json' ? log : null;
    return await end(
      ending,
      () => gateway,
      { stderr, json, verbose: level === 'debug' || level === 'trace' },
      { drainTimeout: draft.config.drainTimeout, world, log },
    );
  } finally {
    ending.dispose();
  }
}

/**
 * Waits for the cause that ends the program, stops the gateway, and gives the exit status. After SIGTERM, which service managers
 * send, clients may finish within the drain timeout; a person who presses Ctrl-C wants the end now.
 */
async function end(
  ending: Ending,
  gateway: () => Gateway | null,
  teller: Teller,
  { drainTimeout, world, log }: { drainTimeout: number; world: World; log: Logger },
): Promise<number> {
  const cause = await ending.first;
  let status: number = EXIT.stopped;
  let drainMs = 0;
  if (cause.kind === 'signal') {
    const clients = gateway()?.sessions ?? 0;
    if (cause.signal === 'SIGTERM' && clients > 0) drainMs = drainTimeout * 1000;
    const rest = drainMs > 0 ? `; ${clients} connected: up to ${drainTimeout} s to finish` : '';
    log[drainMs > 0 ? 'info' : 'debug'](
      { event: 'stopping', signal: cause.signal, clients },
      `${cause.signal}: stopping${rest}`,
    );
    void notify(world, 'stopping', log);
  } else {
    status = tellFailure(cause.error, teller);
  }
  const stopped = Promise.resolve(gateway()?.stop({ drainMs })).then(() => status);
  const hurried = ending.second.then(() => (status === EXIT.stopped ? EXIT.interrupted : status));
  if (cause.kind !== 'crash') return await Promise.race([stopped, hurried]);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<number>((resolve) => {
    timer = setTimeout(resolve, CRASH_GRACE, status);
  });
  return await Promise.race([stopped, hurried, late]).finally(() => clearTimeout(timer));
}

async function notify(world: World, state: ServiceState, log: Logger): Promise<void> {
  const failure = await world.notify(state);
  if (failure !== null) log.warn({ event: 'service' }, failure);
}

/** `user@host`, the host as it was typed. */
function label(logins: Logins, server: string): string {
  const login = logins.get(server);
  return login === undefined ? server : `${login.options.user}@${login.options.host}`;
}

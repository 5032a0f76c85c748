import type { GatewayDeps } from '../../app/compose.ts';
import type { RunRequest } from '../../app/run-request.ts';
import { Tunnel } from '../../app/tunnel.ts';
import { asGatewayError, GatewayError } from '../../core/errors.ts';
import type { Gateway } from '../../core/gateway.ts';
import type { Logger } from '../../core/log.ts';
import { counted } from '../../core/text/units.ts';
import { within } from '../../core/within.ts';
import { createLogger } from '../../log/logger.ts';
import { LossyLines } from '../../log/lossy-lines.ts';
import { keepLedger, Ledger } from '../../status/ledger.ts';
import type { StatusSource } from '../../status/server.ts';
import { isUnicodeLocale } from '../display/forward-lines.ts';
import { lookOf } from '../display/look.ts';
import { transfersBelow } from '../display/transfers-below.ts';
import { unblocked } from '../display/unblocked.ts';
import type { World } from '../world.ts';
import { announce, listeningPorts } from './announce.ts';
import { Ending } from './ending.ts';
import { EXIT, type Teller, tellFailure } from './failure.ts';
import { reportEvents } from './reporter.ts';
import type { ServiceState } from './service.ts';

/** How long clients and the server may take to be told of a crash, or of an end that is to come now, in milliseconds. */
const GRACE = 1000;

/** Runs a tunnel until the person, a signal or a failure ends it; gives the exit status. Never rejects. */
export async function serve(draft: RunRequest, given: World): Promise<number> {
  const world = { ...given, stdout: unblocked(given.stdout), stderr: unblocked(given.stderr) };
  const { env } = world;
  const { level } = draft.config.log;
  const format = draft.config.log.format ?? (world.stderr.isTTY ? 'pretty' : 'json');
  const live = format === 'pretty' && level !== 'error' ? transfersBelow(world) : null;
  const stderr = live?.lines ?? world.stderr;
  const { color, unicode } = lookOf(world.stderr, world);
  const lines = new LossyLines(stderr, (count) =>
    log.warn(
      { event: 'log.lost', lines: count },
      `${counted(count, 'line')} of the log lost: nobody took them from standard error`,
    ),
  );
  const log: Logger = createLogger(lines, { level, format, color, unicode });
  for (const note of [...world.facts, ...draft.notes]) log.debug({ event: 'note' }, note);

  const ending: Ending = new Ending(world.process, {
    SIGHUP: hangUp(draft, world, () => void reloadAndTell(tunnel, log).catch(() => {})),
  });
  let ports: ReadonlyMap<string, number> = new Map();
  let telling: Promise<{ close(): Promise<void> } | null> = Promise.resolve(null);
  const prompter = live?.beside(world.prompter()) ?? world.prompter();
  const connect: GatewayDeps['connect'] = (options, log) => world.connect(options, log, { prompter });
  const surroundings = { plugins: world.plugins, connect, log };
  const tunnel: Tunnel = new Tunnel(draft, world, surroundings, {
    ended: () => ending.begun,
    composed: (gateway) => {
      const { events } = gateway;
      const ledger = ledgerOf(gateway, (server) => tunnel.label(server), world);
      live?.follow(events, ledger);
      const reload = draft.source.kind === 'file' ? () => reloadAndTell(tunnel, log) : null;
      telling = tellStatus({ status: () => ledger.status(Date.now()), reload }, world, log);
      reportEvents(events, log, (server) => tunnel.label(server));
      ports = listeningPorts(events);
      events.on('transport.state', ({ server, state, error }) => {
        const failure = error ?? new GatewayError('SSH_LOST', `${tunnel.label(server)} is gone`);
        if (state === 'failed') ending.add({ kind: 'failed', error: failure });
      });
    },
    listening: (forwards, { resolved }) => {
      const people = draft.config.log.format !== 'json' && level !== 'error';
      announce(forwards, resolved.logins, ports, {
        stdout: people ? world.stdout : null,
        log: format === 'json' ? log : null,
        unicode: isUnicodeLocale(env, world.platform),
      });
    },
  });
  const begin = async () => {
    await tunnel.start();
    if (!ending.begun) await notify(world, 'ready', log);
  };
  // Of Ctrl-C at a prompt comes a signal first, and then the prompt's own failure, which counts no more.
  begin().catch((error) => ending.add({ kind: 'failed', error }));
  try {
    const json = format === 'json' ? log : null;
    return await end(
      ending,
      tunnel,
      { stderr, json, verbose: level === 'debug' || level === 'trace' },
      { world, log },
    );
  } finally {
    live?.close();
    await (await telling)?.close();
    ending.dispose();
  }
}

function ledgerOf(gateway: Gateway, label: (server: string) => string, { version }: World): Ledger {
  const dataConnections = (server: string) => gateway.dataConnections(server);
  const ledger = new Ledger({ version, pid: process.pid, label, dataConnections }, Date.now());
  keepLedger(ledger, gateway.events);
  return ledger;
}

/** Answers `sshferry status`; null where it cannot, which is told and keeps nobody from the tunnel. */
async function tellStatus(
  source: StatusSource,
  world: World,
  log: Logger,
): Promise<{ close(): Promise<void> } | null> {
  try {
    return await world.tellStatus(source);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    log.warn({ event: 'status.unavailable' }, `sshferry status will not find this one: ${why}`);
    return null;
  }
}

/**
 * Waits for the cause that ends the program, stops the gateway, and gives the exit status. After SIGTERM, which service managers
 * send, clients may finish within the drain timeout; a person who presses Ctrl-C wants the end now.
 */
async function end(
  ending: Ending,
  tunnel: Tunnel,
  teller: Teller,
  { world, log }: { world: World; log: Logger },
): Promise<number> {
  const cause = await ending.first;
  let status: number = EXIT.stopped;
  let drainMs = 0;
  if (cause.kind === 'signal') {
    const clients = tunnel.gateway?.sessions ?? 0;
    const { drainTimeout } = tunnel;
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
  const stopped = Promise.resolve(tunnel.gateway?.stop({ drainMs }));
  if (cause.kind === 'crash') {
    await within(GRACE, stopped);
    return status;
  }
  const hurried = await Promise.race([stopped.then(() => false), ending.second.then(() => true)]);
  if (!hurried) return status;
  // Left to the end of the process, the sockets would be closed as if all had been said.
  await within(GRACE, Promise.resolve(tunnel.gateway?.stop()));
  return status === EXIT.stopped ? EXIT.interrupted : status;
}

/**
 * What SIGHUP means: for a config file that it is to be read again, as services do, but not where it tells that the terminal is
 * gone; for a tunnel from arguments the end, as for ssh.
 */
function hangUp({ source }: RunRequest, world: World, reload: () => void): () => boolean {
  const attended = world.prompter().interactive;
  return () => {
    const gone = attended && !world.prompter().interactive;
    if (source.kind === 'arguments' || gone) return false;
    reload();
    return true;
  };
}

/** Reloads and logs what came of it, whoever asked. */
async function reloadAndTell(tunnel: Tunnel, log: Logger): Promise<string[]> {
  try {
    const lines = await tunnel.reload();
    for (const line of lines) log.info({ event: 'reload' }, line);
    return lines;
  } catch (error) {
    const { code, message } = asGatewayError(error, 'CONFIG_INVALID', 'reload');
    log.error({ event: 'reload.failed', code }, `nothing was changed: ${message}`);
    throw error;
  }
}

async function notify(world: World, state: ServiceState, log: Logger): Promise<void> {
  const failure = await world.notify(state);
  if (failure !== null) log.warn({ event: 'service' }, failure);
}

import { formatEndpoint } from '../../core/endpoint.ts';
import { type GatewayEmitter, type GatewayEvents, isRefusal, type TransferInfo } from '../../core/events.ts';
import type { Logger } from '../../core/log.ts';
import type { LogFields } from '../../core/log-events.ts';
import { LogThrottle } from '../../core/log-throttle.ts';
import { formatBytes, formatDuration } from '../../core/text/units.ts';

type EventData<K extends keyof GatewayEvents> = GatewayEvents[K][0];

/**
 * Logs a gateway's events under their own names. Transfers and reconnections are logged at info,
 * failures and lost connections at warn, the rest at debug. `label` returns what people call a
 * server.
 */
export function reportEvents(events: GatewayEmitter, log: Logger, label: (server: string) => string): void {
  const seen = { lost: new Set<string>(), connected: new Set<string>() };
  // A web page, and with -g another host, can cause any number of these.
  const refused = new LogThrottle((count) =>
    log.warn({ event: 'client.refused', count }, `refused ${count} clients of other forwards`),
  );
  events.on('transport.state', (data) => reportState(log, data, label(data.server), seen));
  events.on('forward.listening', ({ forward, endpoint }) =>
    log.debug(
      { event: 'forward.listening', forward, ...endpoint },
      `${forward} listens on ${formatEndpoint(endpoint)}`,
    ),
  );
  events.on('session.start', ({ session, forward, peer }) =>
    log.debug(
      { event: 'session.start', session, forward, client: peer.remote },
      `${forward} #${session}: ${formatEndpoint(peer.remote)} connected`,
    ),
  );
  events.on('session.end', (data) => reportSessionEnd(log, data, refused));
  events.on('transfer.start', ({ progress: _, ...data }) =>
    log.debug({ event: 'transfer.start', ...data }, `${what(data)} begins`),
  );
  events.on('transfer.end', (data) => reportTransferEnd(log, data));
}

function reportState(
  log: Logger,
  { server, state, error }: EventData<'transport.state'>,
  name: string,
  { lost, connected }: { lost: Set<string>; connected: Set<string> },
): void {
  const fields = {
    event: 'transport.state',
    server,
    state,
    ...(error && { code: error.code }),
  } satisfies LogFields<'info'>;
  const why = error ? `: ${error.message}` : '';
  if (state === 'backoff' && !lost.has(server)) {
    lost.add(server);
    log.warn(fields, `${name} is not reachable; retrying${why}`);
  } else if (state === 'ready' && lost.delete(server)) {
    log.info(fields, `${name} is connected${connected.has(server) ? ' again' : ''}`);
  } else {
    // A permanent failure ends the program, which reports it.
    log.debug(fields, `${name}: ${state}${why}`);
  }
  if (state === 'ready') connected.add(server);
}

/** Refusals that anyone who can connect can cause at any rate. */
const REFUSED: ReadonlySet<string> = new Set([
  'CLIENT_EARLY',
  'CLIENT_HTTP',
  'CLIENT_TLS',
  'CLIENT_TLS_FAILED',
  'CLIENT_INJECTION',
  'CLIENT_UNSUPPORTED',
  'LOGIN_TIMEOUT',
  'SESSION_LIMIT',
]);

function reportSessionEnd(log: Logger, data: EventData<'session.end'>, refused: LogThrottle): void {
  const { session, forward, bytesUp, bytesDown, ms, error } = data;
  const fields = {
    event: 'session.end',
    session,
    forward,
    bytesUp,
    bytesDown,
    ms,
  } satisfies LogFields<'warn'>;
  const traffic = `${formatBytes(bytesUp)} up, ${formatBytes(bytesDown)} down in ${formatDuration(ms)}`;
  if (error === undefined || error.deliberate) {
    log.debug(fields, `${forward} #${session}: ended, ${traffic}`);
  } else if (error.expected) {
    // Clients hang up at any time.
    log.debug({ ...fields, code: error.code }, `${forward} #${session}: ended, ${traffic}: ${error.message}`);
  } else if (REFUSED.has(error.code)) {
    const { code, message } = error;
    log.debug({ ...fields, code }, `${forward} #${session}: ${message}`);
    refused.add(`${forward} ${code}`, (count) => {
      const times = count === 1 ? '' : ` (the last of ${count} such clients)`;
      log.warn({ event: 'client.refused', forward, code, count }, `${forward}: ${message}${times}`);
    });
  } else {
    log.warn({ ...fields, code: error.code }, `${forward} #${session}: ${error.message}`);
  }
}

function reportTransferEnd(log: Logger, data: EventData<'transfer.end'>): void {
  const { outcome, bytes, ms, reply, error, ...info } = data;
  const ending = { outcome, bytes, ms, ...(reply && { reply }), ...(error && { code: error.code }) };
  const fields = { event: 'transfer.end', ...info, ...ending } satisfies LogFields<'info'>;
  const rate = ms > 0 ? ` (${formatBytes((bytes * 1000) / ms)}/s)` : '';
  const line = `${what(data)} ${formatBytes(bytes)} in ${formatDuration(ms)}${rate} ${outcome}`;
  const why = error?.message ?? (reply ? `the server replied ${reply}` : '');
  if (outcome === 'complete') log.info(fields, line);
  // A server that refuses works as it should: the file may not exist.
  else log[isRefusal(data) ? 'info' : 'warn'](fields, `${line}${why && `: ${why}`}`);
}

/**
 * Returns who transfers what. The client's port and session are fields, since only programs need
 * them.
 */
function what({ client, user, verb, path }: TransferInfo): string {
  return `${user === null ? '' : `${user}@`}${client.host} ${verb}${path === '' ? '' : ` ${path}`}`;
}

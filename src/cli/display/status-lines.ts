import { formatEndpoint } from '../../core/endpoint.ts';
import { formatTarget } from '../../core/target.ts';
import { widthOf } from '../../core/text/terminal-text.ts';
import { counted, formatBytes, formatDuration, formatTime } from '../../core/text/units.ts';
import { formatAbout } from '../../core/transport.ts';
import type { ForwardStatus, Problem, ServerStatus, Status } from '../../status/schema.ts';
import { sparkline } from './bars.ts';
import { painted, type TerminalStyle } from './terminal-style.ts';
import { fitted, padded, shown } from './text.ts';
import { transferLines } from './transfer-lines.ts';

const STATE_COLORS = { ready: 'green', failed: 'red' } as const;

/** Columns that the ends of a forward need to be recognizable. */
const MIN_ENDS = 24;
/** How many of the latest errors are shown. */
const SHOWN_ERRORS = 5;

/**
 * Returns a status for people: servers, forwards, transfers, totals, latest errors. No line exceeds
 * `style.width` columns.
 */
export function statusLines(
  status: Status,
  style: TerminalStyle,
  throughput: readonly number[] = [],
): string[] {
  const { version, pid, started, now, totals } = status;
  const age = formatDuration(Date.parse(now) - Date.parse(started));
  const { clients, transfersComplete, transfersFailed, bytesUp, bytesDown } = totals;
  const failed = transfersFailed === 0 ? '' : ` (${transfersFailed} failed)`;
  const lines = [
    painted(
      fitted(`sshferry ${shown(version, style)}, process ${pid}, for ${age}`, style.width, style),
      'bold',
      style,
    ),
    '',
    ...status.servers.flatMap((server) => serverLines(server, Date.parse(now), style)),
    ...table(
      status.forwards.map((forward) => forwardCells(forward, style)),
      style,
    ),
    ...status.forwards.flatMap((forward) => spoolLines(forward, Date.parse(now), style)),
    '',
    ...transferLines(status.transfers, style),
    ...(status.transfers.length > 0 ? [''] : []),
    fitted(
      `${counted(clients, 'client')}, ${counted(transfersComplete + transfersFailed, 'transfer')}${failed}, ${traffic(bytesUp, bytesDown)} since the start`,
      style.width,
      style,
    ),
    ...throughputLines(throughput, style),
  ];
  const errors = status.errors.slice(0, SHOWN_ERRORS).map((problem) => problemLine(problem, style));
  return errors.length === 0 ? lines : [...lines, '', ...errors];
}

/** Returns a line with the latest rate, the highest, and a sparkline of all. */
function throughputLines(throughput: readonly number[], style: TerminalStyle): string[] {
  if (throughput.length === 0) return [];
  const rate = `${formatBytes(throughput.at(-1) ?? 0)}/s`;
  const most = `, at most ${formatBytes(Math.max(...throughput))}/s`;
  const text = `  ${rate}${most}`;
  const room = Math.max(0, style.width - widthOf(text));
  const line = sparkline(throughput.slice(-room || throughput.length), style).slice(0, room);
  return [painted(line, 'cyan', style) + fitted(text, style.width - line.length, style)];
}

function serverLines(
  { label, state, since, reconnects, dataConnections, connection, lastError }: ServerStatus,
  now: number,
  style: TerminalStyle,
): string[] {
  const facts = [
    ` for ${formatDuration(now - Date.parse(since))}`,
    ...(dataConnections > 0 ? [counted(dataConnections, 'data connection')] : []),
    ...(reconnects > 0 ? [`came back ${counted(reconnects, 'time')}`] : []),
    ...(connection ? [formatAbout(connection)] : []),
  ];
  const whole = shown(label, style);
  const room = () => style.width - widthOf(` ${state}${facts.join(', ')}`);
  while (facts.length > 0 && room() < widthOf(whole)) facts.pop();
  const name = fitted(whole, Math.max(0, room()), style);
  const color = state in STATE_COLORS ? STATE_COLORS[state as keyof typeof STATE_COLORS] : 'yellow';
  const what = painted(fitted(state, style.width, style), color, style);
  const line = `${name === '' ? '' : `${name} `}${what}${facts.join(', ')}`;
  return state === 'ready' || lastError === null
    ? [line]
    : [line, `  ${problemLine(lastError, { ...style, width: style.width - 2 })}`];
}

function forwardCells(forward: ForwardStatus, style: TerminalStyle): string[] {
  const { type, direction, listen, listenTls, target, tls, clients, clientsTotal, bytesUp, bytesDown } =
    forward;
  const [there, here] = direction === 'remote' ? [' there', ' here'] : ['', ''];
  const arrow = style.unicode ? '→' : '->';
  return [
    shown(type, style),
    shown(
      `${formatEndpoint(listen)}${there}${clientProtection(listenTls)} ${arrow} ${formatTarget(target)}${here}${protection(tls)}`,
      style,
    ),
    `${counted(clients, 'client')} of ${clientsTotal}`,
    traffic(bytesUp, bytesDown),
  ];
}

/** Returns how the leg to the clients is protected; empty if sshferry speaks no TLS there. */
function clientProtection(listenTls: ForwardStatus['listenTls']): string {
  if (listenTls == null) return '';
  return listenTls.mode === 'upgrade' && !listenTls.required ? ' (TLS if asked for)' : ' (TLS)';
}

/** Returns how the leg behind the SSH server is protected; empty if it is not. */
function protection(tls: ForwardStatus['tls']): string {
  if (tls == null) return '';
  return tls.verified ? ' (TLS)' : ' (TLS, unverified)';
}

/** Returns a line about the uploads that wait; none if none wait. */
function spoolLines({ listen, spool }: ForwardStatus, now: number, style: TerminalStyle): string[] {
  if (spool == null || spool.since === null) return [];
  const { files, bytes, since, refused, reason } = spool;
  const old = formatDuration(now - Date.parse(since));
  const waiting = `  ${formatEndpoint(listen)}: ${counted(files, 'upload')} (${formatBytes(bytes)}) in the spool, the oldest ${old} old`;
  const why = refused === 0 ? '' : `; the server refused ${refused}: ${reason ?? ''}`;
  return [painted(fitted(shown(waiting + why, style), style.width, style), 'yellow', style)];
}

function problemLine({ at, times, where, message }: Problem, style: TerminalStyle): string {
  const often = times > 1 ? ` (${times} times)` : '';
  const time = `${formatTime(at)} `;
  const text = fitted(shown(`${where}: ${message}`, style), style.width - widthOf(time + often), style);
  return fitted(time + text + often, style.width, style);
}

function traffic(up: number, down: number): string {
  return `${formatBytes(up)} up, ${formatBytes(down)} down`;
}

/**
 * Returns rows with aligned columns. If they do not fit, it drops the last columns and cuts the
 * second in its middle.
 */
function table(rows: readonly string[][], style: TerminalStyle): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => widthOf(row[column] ?? ''))),
  );
  const excess = () => widths.reduce((sum, width) => sum + width + 2, -2) - style.width;
  while (widths.length > 2 && excess() > (widths[1] ?? 0) - MIN_ENDS) widths.pop();
  widths[1] = Math.max(0, Math.min(widths[1] ?? 0, (widths[1] ?? 0) - excess()));
  return rows.map((row) => {
    const cells = widths.map((width, column) => padded(fitted(row[column] ?? '', width, style), width));
    return fitted(cells.join('  ').trimEnd(), style.width, style);
  });
}

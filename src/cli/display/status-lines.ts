import { formatEndpoint } from '../../core/endpoint.ts';
import { formatTarget } from '../../core/target.ts';
import { widthOf } from '../../core/text/terminal-text.ts';
import { counted, formatBytes, formatDuration, formatTime } from '../../core/text/units.ts';
import type { ForwardStatus, Problem, ServerStatus, Status } from '../../status/schema.ts';
import { sparkline } from './bars.ts';
import { type Look, painted } from './look.ts';
import { fitted, padded, shown } from './text.ts';
import { transferLines } from './transfer-lines.ts';

const STATE_COLORS = { ready: 'green', failed: 'red' } as const;

/** Columns that both ends of a forward need to be recognized. */
const MIN_ENDS = 24;
/** How many of the last errors are shown. */
const SHOWN_ERRORS = 5;

/** A status for people: servers, forwards, transfers, totals, last errors. Every line has at most `look.width` columns. */
export function statusLines(status: Status, look: Look, throughput: readonly number[] = []): string[] {
  const { version, pid, started, now, totals } = status;
  const age = formatDuration(Date.parse(now) - Date.parse(started));
  const { clients, transfersComplete, transfersFailed, bytesUp, bytesDown } = totals;
  const failed = transfersFailed === 0 ? '' : ` (${transfersFailed} failed)`;
  const lines = [
    painted(
      fitted(`sshferry ${shown(version, look)}, process ${pid}, for ${age}`, look.width, look),
      'bold',
      look,
    ),
    '',
    ...status.servers.flatMap((server) => serverLines(server, Date.parse(now), look)),
    ...table(
      status.forwards.map((forward) => forwardCells(forward, look)),
      look,
    ),
    '',
    ...transferLines(status.transfers, look),
    ...(status.transfers.length > 0 ? [''] : []),
    fitted(
      `${counted(clients, 'client')}, ${counted(transfersComplete + transfersFailed, 'transfer')}${failed}, ${traffic(bytesUp, bytesDown)} since the start`,
      look.width,
      look,
    ),
    ...throughputLines(throughput, look),
  ];
  const errors = status.errors.slice(0, SHOWN_ERRORS).map((problem) => problemLine(problem, look));
  return errors.length === 0 ? lines : [...lines, '', ...errors];
}

/** Bytes per second, the last of many, and how they have come to be so. */
function throughputLines(throughput: readonly number[], look: Look): string[] {
  if (throughput.length === 0) return [];
  const rate = `${formatBytes(throughput.at(-1) ?? 0)}/s`;
  const most = `, at most ${formatBytes(Math.max(...throughput))}/s`;
  const text = `  ${rate}${most}`;
  const room = Math.max(0, look.width - widthOf(text));
  const line = sparkline(throughput.slice(-room || throughput.length), look).slice(0, room);
  return [painted(line, 'cyan', look) + fitted(text, look.width - line.length, look)];
}

function serverLines(
  { label, state, since, reconnects, dataConnections, lastError }: ServerStatus,
  now: number,
  look: Look,
): string[] {
  const facts = [
    ` for ${formatDuration(now - Date.parse(since))}`,
    ...(dataConnections > 0 ? [counted(dataConnections, 'data connection')] : []),
    ...(reconnects > 0 ? [`came back ${counted(reconnects, 'time')}`] : []),
  ];
  const whole = shown(label, look);
  const room = () => look.width - widthOf(` ${state}${facts.join(', ')}`);
  while (facts.length > 0 && room() < widthOf(whole)) facts.pop();
  const name = fitted(whole, Math.max(0, room()), look);
  const color = state in STATE_COLORS ? STATE_COLORS[state as keyof typeof STATE_COLORS] : 'yellow';
  const what = painted(fitted(state, look.width, look), color, look);
  const line = `${name === '' ? '' : `${name} `}${what}${facts.join(', ')}`;
  return state === 'ready' || lastError === null
    ? [line]
    : [line, `  ${problemLine(lastError, { ...look, width: look.width - 2 })}`];
}

function forwardCells(forward: ForwardStatus, look: Look): string[] {
  const { type, direction, listen, target, clients, clientsTotal, bytesUp, bytesDown } = forward;
  const [there, here] = direction === 'remote' ? [' there', ' here'] : ['', ''];
  const arrow = look.unicode ? '→' : '->';
  return [
    shown(type, look),
    shown(`${formatEndpoint(listen)}${there} ${arrow} ${formatTarget(target)}${here}`, look),
    `${counted(clients, 'client')} of ${clientsTotal}`,
    traffic(bytesUp, bytesDown),
  ];
}

function problemLine({ at, times, where, message }: Problem, look: Look): string {
  const often = times > 1 ? ` (${times} times)` : '';
  const time = `${formatTime(at)} `;
  const text = fitted(shown(`${where}: ${message}`, look), look.width - widthOf(time + often), look);
  return fitted(time + text + often, look.width, look);
}

function traffic(up: number, down: number): string {
  return `${formatBytes(up)} up, ${formatBytes(down)} down`;
}

/** Rows with aligned columns. Where they do not fit, the second is cut in its middle, and then the last ones go. */
function table(rows: readonly string[][], look: Look): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => widthOf(row[column] ?? ''))),
  );
  const excess = () => widths.reduce((sum, width) => sum + width + 2, -2) - look.width;
  while (widths.length > 2 && excess() > (widths[1] ?? 0) - MIN_ENDS) widths.pop();
  widths[1] = Math.max(0, Math.min(widths[1] ?? 0, (widths[1] ?? 0) - excess()));
  return rows.map((row) => {
    const cells = widths.map((width, column) => padded(fitted(row[column] ?? '', width, look), width));
    return fitted(cells.join('  ').trimEnd(), look.width, look);
  });
}

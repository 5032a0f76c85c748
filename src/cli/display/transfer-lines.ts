import { widthOf } from '../../core/text/terminal-text.ts';
import { formatBytes, formatDuration } from '../../core/text/units.ts';
import type { TransferStatus } from '../../status/schema.ts';
import { progressBar } from './bars.ts';
import { painted, type TerminalStyle } from './terminal-style.ts';
import { fitted, padded, shown } from './text.ts';

const BAR_WIDTH = 12;
/** A name is not cut below this width while less useful columns can be dropped. */
const NAME_WIDTH = 16;

/** The columns shown beside the name of a transfer. */
interface Parts {
  readonly bar?: boolean;
  readonly percent?: boolean;
  readonly amount?: 'of' | 'bare';
  readonly rate?: boolean;
  readonly left?: boolean;
}

/** From the widest to the narrowest. The first that leaves room for the name is used. */
const VARIANTS: readonly Parts[] = [
  { bar: true, percent: true, amount: 'of', rate: true, left: true },
  { bar: true, percent: true, amount: 'bare', rate: true, left: true },
  { percent: true, amount: 'bare', rate: true, left: true },
  { percent: true, amount: 'bare', rate: true },
  { percent: true, rate: true },
  { percent: true },
  {},
];

/**
 * Returns one aligned line per transfer: name, bar, bytes, rate and remaining time. No line exceeds
 * `style.width` columns.
 */
export function transferLines(transfers: readonly TransferStatus[], style: TerminalStyle): string[] {
  const names = transfers.map(({ verb, path }) => shown(path === '' ? verb : `${verb} ${path}`, style));
  const widest = Math.max(0, ...names.map(widthOf));
  const sized = transfers.some(({ size }) => size !== null);
  let cells: string[][] = [];
  let room = style.width;
  for (const parts of VARIANTS) {
    cells = aligned(transfers.map((transfer) => cellsOf(transfer, parts, sized, style)));
    room = style.width - Math.max(0, ...cells.map((row) => widthOf(row.map((cell) => `  ${cell}`).join(''))));
    if (room >= Math.min(widest, NAME_WIDTH)) break;
  }
  const nameWidth = Math.min(widest, Math.max(0, room));
  return names.map((name, index) => {
    const rest = (cells[index] ?? []).map((cell) => `  ${cell}`).join('');
    return (padded(fitted(name, nameWidth, style), nameWidth) + rest).trimEnd();
  });
}

function cellsOf(
  { bytes, size, bytesPerSecond, secondsLeft }: TransferStatus,
  parts: Parts,
  sized: boolean,
  style: TerminalStyle,
): string[] {
  const fraction = size === null ? null : size === 0 ? 1 : bytes / size;
  const cells: string[] = [];
  if (parts.bar && sized) {
    const bar = fraction === null ? ' '.repeat(BAR_WIDTH) : progressBar(fraction, BAR_WIDTH, style);
    cells.push(painted(bar, 'green', style));
  }
  if (parts.percent && sized)
    cells.push(fraction === null ? '    ' : `${Math.min(100, Math.floor(fraction * 100))}%`.padStart(4));
  if (parts.amount) {
    const of = parts.amount === 'of' && size !== null ? ` of ${formatBytes(size)}` : '';
    cells.push(formatBytes(bytes) + of);
  }
  if (parts.rate) cells.push(`${formatBytes(bytesPerSecond)}/s`);
  if (parts.left && sized)
    cells.push(
      secondsLeft === null ? '' : `${formatDuration(Math.max(1, secondsLeft) * 1000).replace('.0', '')} left`,
    );
  return cells;
}

/** Pads each column to its widest cell, aligned to the right. */
function aligned(rows: string[][]): string[][] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => widthOf(row[column] ?? ''))),
  );
  return rows.map((row) =>
    row.map((cell, column) => ' '.repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell))) + cell),
  );
}

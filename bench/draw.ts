import { NAMES } from './peers.ts';
import type { Figure, PeerResult, Result } from './results.ts';
import { number, title } from './results.ts';

const WIDTH = 880;
const MARGIN = 20;
/** The x coordinates at which the bars begin and end. */
const LEFT = 290;
const RIGHT = 770;
const LINE = 19;
const BAR = 11;
/**
 * The ratios at the ends of the scale, which is logarithmic: half is as far to the left as twice is
 * to the right.
 */
const SLOWEST = 0.25;
const FASTEST = 16;

const STYLE = `
  text { font: 12px system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', sans-serif; fill: #1f2328 }
  .card { fill: #ffffff; stroke: #d0d7de }
  .head { font-size: 15px; font-weight: 600 }
  .row { font-weight: 600 }
  .faint { fill: #59636e }
  .right { text-anchor: end }
  .middle { text-anchor: middle }
  .grid { stroke: #d8dee4 }
  .one { stroke: #818b98 }
  .met { fill: #1a7f37 }
  .missed { fill: #bc4c00 }
  .beside { fill: #8c959f }
  .target { stroke: #1f2328; stroke-width: 2.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .card { fill: #0d1117; stroke: #30363d }
    .faint { fill: #9198a1 }
    .grid { stroke: #21262d }
    .one { stroke: #6e7681 }
    .met { fill: #3fb950 }
    .missed { fill: #f0883e }
    .beside { fill: #6e7681 }
    .target { stroke: #e6edf3 }
  }`;

/**
 * Returns the results as an SVG for light and dark pages: each ratio as a bar from 1 x with a mark
 * at its target, then figures with limits.
 */
export function draw(results: readonly Result[]): string {
  const parts: string[] = [];
  let y = MARGIN + 16;
  parts.push(text(MARGIN, y, 'head', 'How many times as fast as …'));
  y += 18;
  parts.push(
    text(
      MARGIN,
      y,
      'faint',
      'sshferry against other ways to the same server, medians; the mark is the target',
    ),
  );
  y += 20;
  const compared = results.filter(({ peers }) => peers.length > 1);
  const top = y + 4;
  const bars: string[] = [];
  y += 14;
  for (const result of compared) {
    y += LINE + 4;
    bars.push(text(MARGIN, y, 'row', title(result)));
    for (const peer of result.peers) {
      if (peer.peer === result.subject) continue;
      y += LINE;
      bars.push(ratioBar(y, peer));
    }
  }
  if (compared.length > 0) parts.push(grid(top, y + 6), ...bars);

  const limited = results.flatMap((result) =>
    result.figures.filter(({ limit }) => limit !== null).map((figure) => ({ result, figure })),
  );
  if (limited.length > 0) {
    y += 44;
    parts.push(text(MARGIN, y, 'head', 'And within its limits'));
    for (const { result, figure } of limited) {
      y += LINE + 4;
      parts.push(text(MARGIN, y, 'row', title(result)));
      y += LINE;
      parts.push(limitBar(y, figure));
    }
  }
  const last = results.at(-1)?.conditions;
  if (last !== undefined) {
    y += 34;
    parts.push(
      text(
        MARGIN,
        y,
        'faint',
        `${last.date.slice(0, 10)}, sshferry ${last.commit}, ${last.ssh}, ${last.ftpServer}, Node ${last.node}, ${last.cpus} CPUs`,
      ),
    );
  }
  const height = y + MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    '<title>sshferry measured against ssh -L, plain FTP, FTPS and sftp</title>',
    `<style>${STYLE}\n</style>`,
    `<rect class="card" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

function across(ratio: number): number {
  const share = Math.log(ratio / SLOWEST) / Math.log(FASTEST / SLOWEST);
  return LEFT + Math.min(1, Math.max(0, share)) * (RIGHT - LEFT);
}

function grid(top: number, bottom: number): string {
  const lines = [];
  for (let ratio = SLOWEST; ratio <= FASTEST; ratio *= 2) {
    const x = round(across(ratio));
    lines.push(text(x, top + 8, 'faint middle', `${ratio < 1 ? `1/${1 / ratio}` : ratio} ×`));
    lines.push(vertical(ratio === 1 ? 'one' : 'grid', x, top + 14, bottom));
  }
  return lines.join('\n');
}

function ratioBar(y: number, { peer, ratio, target }: PeerResult): string {
  const [from, to] = [across(1), across(ratio)].sort((a, b) => a - b) as [number, number];
  const kind = target === null ? 'beside' : ratio >= target ? 'met' : 'missed';
  return [
    text(LEFT - 10, y, 'right', NAMES[peer]),
    `<rect class="${kind}" x="${round(from)}" y="${y - BAR + 1}" width="${round(Math.max(1, to - from))}" height="${BAR}"/>`,
    target === null ? '' : vertical('target', round(across(target)), y - BAR - 1, y + 3),
    text(
      RIGHT + 10,
      y,
      kind === 'missed' ? 'missed' : target === null ? 'faint' : '',
      `${ratio.toFixed(2)} ×${target === null ? '' : ` (${target})`}`,
    ),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

/**
 * Draws a figure as a bar from 0 at the left. The mark of the limit is always at the same place.
 */
function limitBar(y: number, { name, unit, median, limit }: Figure): string {
  const most = limit ?? 0;
  const mark = LEFT + 0.6 * (RIGHT - LEFT);
  const share = most > 0 ? median / most : median > 0 ? 1.5 : 0;
  const end = Math.min(RIGHT, LEFT + Math.max(0, share) * (mark - LEFT));
  const kind = median <= most ? 'met' : 'missed';
  return [
    text(LEFT - 10, y, 'right', name),
    `<rect class="${kind}" x="${LEFT}" y="${y - BAR + 1}" width="${round(Math.max(1, end - LEFT))}" height="${BAR}"/>`,
    vertical('target', round(mark), y - BAR - 1, y + 3),
    text(
      RIGHT + 10,
      y,
      kind === 'missed' ? 'missed' : '',
      `${number(median)} (${number(most)}) ${unit}`.trim(),
    ),
  ].join('\n');
}

function vertical(kind: string, x: number, from: number, to: number): string {
  return `<line class="${kind}" x1="${x}" y1="${from}" x2="${x}" y2="${to}"/>`;
}

function text(x: number, y: number, kind: string, words: string): string {
  const safe = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x}" y="${y}"${kind === '' ? '' : ` class="${kind}"`}>${safe}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

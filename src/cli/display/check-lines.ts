import type { Findings, ForwardReport, ServerReport, Step } from '../../check/report.ts';
import { formatEndpoint } from '../../core/endpoint.ts';
import { formatTarget } from '../../core/target.ts';
import { escapeControls } from '../../core/text/control-characters.ts';
import { formatDuration } from '../../core/text/units.ts';
import { painted, type TerminalStyle } from './terminal-style.ts';
import { shown } from './text.ts';

/** Titles by step. A step without one shows its name. */
const TITLES: Readonly<Partial<Record<string, string>>> = {
  resolve: 'name',
  connect: 'connection',
  'host-key': 'host key',
  login: 'SSH login',
  listen: 'local port',
  'remote-listen': 'remote port',
  reach: 'target',
  greeting: 'greeting',
  'listen-tls': 'client TLS',
  'target-tls': 'TLS',
  tls: 'plain FTP',
  'ftp-login': 'FTP login',
  'data-port': 'data port',
  listing: 'listing',
  write: 'write test',
  'read-back': 'read back',
  remove: 'clean-up',
};
const TITLE_WIDTH = 11;

/** Returns the heading of a server's steps. */
export function serverHeading({ name, user, host, port }: Omit<ServerReport, 'works' | 'steps'>): string {
  const login = `${user}@${host}, port ${port}`;
  return escapeControls(name === host || name.endsWith(`@${host}`) ? login : `${name}: ${login}`);
}

/** Returns the heading of a forward's steps. */
export function forwardHeading(
  forward: Omit<ForwardReport, 'works' | 'steps'>,
  { unicode }: TerminalStyle,
): string {
  const { name, type, direction, listen, target } = forward;
  const remote = direction === 'remote';
  const from = `${formatEndpoint(listen)}${remote ? ' on the server' : ''}`;
  const to = `${formatTarget(target)}${remote ? ' here' : ''}`;
  return shown(`${name}: ${type}, ${from} ${unicode ? '→' : '->'} ${to}`, { unicode });
}

/**
 * Returns the lines of one step: mark, title, finding and time. Long text continues below,
 * indented.
 */
export function stepLines(step: Step, { unicode, color, width }: TerminalStyle): string[] {
  const [mark, markColor] = MARKS[step.outcome][unicode ? 'unicode' : 'ascii'];
  const time = step.outcome === 'skipped' ? [] : [`(${duration(step.ms)})`];
  const head = `  ${mark} ${(TITLES[step.name] ?? step.name).padEnd(TITLE_WIDTH)} `;
  const text = shown(step.text, { unicode });
  const [first = '', ...more] = wrapped([...text.split(' '), ...time], Math.max(20, width - head.length));
  return [
    head.replace(mark, painted(mark, markColor, { color })) + first,
    ...more.map((line) => ' '.repeat(head.length) + line),
  ];
}

/** Returns the result of a check in one sentence. */
export function verdict({ works, servers, forwards }: Findings): string {
  if (works) return forwards.length === 1 ? 'It works.' : `All ${forwards.length} forwards work.`;
  const lost = servers.filter((server) => !server.works);
  const login = lost.length === 0 ? '' : `SSH login failed at ${lost.map(({ host }) => host).join(', ')}. `;
  const well = forwards.filter((forward) => forward.works).length;
  return escapeControls(
    `${login}${well} of ${forwards.length} ${forwards.length === 1 ? 'forward' : 'forwards'} ${well < 2 ? 'works' : 'work'}.`,
  );
}

type Mark = readonly [mark: string, color: 'green' | 'red' | 'gray'];
const MARKS: Readonly<Record<Step['outcome'], Readonly<Record<'unicode' | 'ascii', Mark>>>> = {
  ok: { unicode: ['✓', 'green'], ascii: ['ok  ', 'green'] },
  failed: { unicode: ['✗', 'red'], ascii: ['FAIL', 'red'] },
  skipped: { unicode: ['–', 'gray'], ascii: ['-   ', 'gray'] },
};

function duration(ms: number): string {
  return ms < 1000 ? `${ms} ms` : formatDuration(ms);
}

/** Wraps the words into lines. A word longer than a line is not split. */
function wrapped(words: readonly string[], width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

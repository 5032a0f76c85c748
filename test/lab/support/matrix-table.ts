import type { Family, MatrixClient, Mode, Place } from './matrix-client.ts';
import { has, type Operation } from './matrix-operations.ts';

/** One thing that was tried. */
export interface Outcome {
  readonly client: string;
  readonly server: string;
  readonly operation: Operation;
  readonly mode: Mode;
  readonly family: Family;
  /** What went wrong through sshferry. */
  readonly error: string | null;
  /**
   * What went wrong without sshferry, in the same words if it is the same; only tried where `error`
   * is not null.
   */
  readonly direct: string | null;
}

/**
 * Returns an error without what differs from run to run and from place to place: the address and
 * port that the client was given, the ports of data connections, how much went and how fast. So it
 * can be compared with another.
 */
export function placeless(error: string, { host, port }: Place): string {
  return error
    .replaceAll(host, 'HOST')
    .replace(new RegExp(`\\b${port}\\b`, 'g'), 'PORT')
    .replace(/\((?:\|\|\|\d+\||\d+(?:,\d+){5})\)/g, '(DATA PORT)')
    .replace(/\d+(?:\.\d+)? (seconds|bytes|[kKMG]i?[bB](?:ytes)?)\b/g, 'N $1');
}

/** `abort, active, IPv6`. */
export function labelOf({ operation, mode, family }: Outcome): string {
  return `${operation} ${mode} IPv${family}`;
}

/**
 * The results as Markdown, a row for each client and a column for each server.
 * @param versions of clients and servers, by name
 * @param why what is known of the red cells
 */
export function formatMatrix(
  clients: readonly MatrixClient[],
  servers: readonly string[],
  operations: readonly Operation[],
  outcomes: readonly Outcome[],
  versions: ReadonlyMap<string, string>,
  why: readonly string[],
): string {
  const named = (name: string) => `${name} ${versions.get(name) ?? ''}`.trim();
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const head = ['client', 'mode', 'control', ...operations, ...servers.map(named)];
  const rows = clients.map((client) => {
    const did = operations.map((operation) => (has(client, operation) ? '✓' : '–'));
    const cells = servers.map((server) =>
      formatCell(outcomes.filter((outcome) => outcome.client === client.name && outcome.server === server)),
    );
    const families = client.families.map((family) => `IPv${family}`).join(', ');
    return row([named(client.name), client.modes.join(', '), families, ...did, ...cells]);
  });
  return [row(head), row(head.map(() => '---')), ...rows, '', ...why, ''].join('\n');
}

/** `20/20`, or what is red. */
function formatCell(outcomes: readonly Outcome[]): string {
  const red = outcomes.filter(({ error }) => error !== null);
  const count = `${outcomes.length - red.length}/${outcomes.length}`;
  return [count, ...red.map((outcome) => `not ${labelOf(outcome)}`)].join('; ');
}

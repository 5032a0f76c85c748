import { readFileSync } from 'node:fs';

const DOCS = new URL('../../docs/logs.md', import.meta.url);
/** What every line may have. */
const COMMON = ['time', 'level', 'event', 'msg', 'session', 'forward', 'server'];

/** The events of docs/logs.md and their fields. */
export function documentedEvents(): Map<string, ReadonlySet<string>> {
  const rows = readFileSync(DOCS, 'utf8').matchAll(/^\| `([\w.-]+)` \|[^|]*\|([^|]*)\|/gm);
  return new Map(
    [...rows].map(([, event = '', fields = '']) => [
      event,
      new Set([...COMMON, ...[...fields.matchAll(/`(\w+)`/g)].map(([, name = '']) => name)]),
    ]),
  );
}

/** What of a JSON log line is not in docs/logs.md: its event or its fields. */
export function undocumented(line: Record<string, unknown>): string[] {
  const fields = documentedEvents().get(String(line.event));
  if (fields === undefined) return [`event ${line.event}`];
  return Object.keys(line).flatMap((name) => (fields.has(name) ? [] : [`${line.event}: ${name}`]));
}

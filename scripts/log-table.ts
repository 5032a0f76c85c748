import { LOG_EVENTS } from '../src/core/log-events.ts';

const BEGIN = '<!-- The table is generated: npm run schema -->\n';
const END = '<!-- End of the table -->\n';

/** Returns the text of docs/logs.md with its table made anew from the map of log events. */
export function withLogTable(doc: string): string {
  const begin = doc.indexOf(BEGIN);
  const end = doc.indexOf(END);
  if (begin === -1 || end < begin) throw new Error('docs/logs.md has lost the marks around its table');
  return doc.slice(0, begin + BEGIN.length) + table() + doc.slice(end);
}

function table(): string {
  const rows = Object.entries(LOG_EVENTS).map(
    ([event, { levels, fields, when }]) =>
      `| \`${event}\` | ${levels.length === 5 ? 'any' : levels.join(', ')} | ${fields.map((field) => `\`${field}\``).join(' ')} | ${when} |\n`,
  );
  return `| event | level | fields | when |\n|---|---|---|---|\n${rows.join('')}`;
}

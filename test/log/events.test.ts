import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { withLogTable } from '../../scripts/log-table.ts';
import { logEvent, silentLogger } from '../../src/core/log.ts';
import { LOG_EVENTS } from '../../src/core/log-events.ts';
import { createLogger } from '../../src/log/logger.ts';

const root = new URL('../../', import.meta.url);

test('docs/logs.md is up to date (npm run schema writes it)', () => {
  const doc = readFileSync(new URL('docs/logs.md', root), 'utf8');
  expect(doc).toBe(withLogTable(doc));
});

test('every event of the map is logged somewhere', () => {
  const sources = readdirSync(new URL('src/', root), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('log-events.ts'))
    .map((file) => readFileSync(new URL(`src/${file}`, root), 'utf8'));
  const unused = Object.keys(LOG_EVENTS).filter(
    (event) => !sources.some((text) => text.includes(`'${event}'`)),
  );
  expect(unused).toEqual([]);
});

test('the types of a logger refuse what docs/logs.md does not list', () => {
  // tsc checks these: an unused @ts-expect-error is an error.
  // @ts-expect-error: no such event
  silentLogger.warn({ event: 'no.such.event' }, '');
  // @ts-expect-error: an event of another level
  silentLogger.error({ event: 'listener.full', count: 1 }, '');
  // @ts-expect-error: no such field
  silentLogger.warn({ event: 'listener.full', cuont: 1 }, '');
  // @ts-expect-error: no event
  silentLogger.warn({ count: 1 }, '');
  silentLogger.warn({ event: 'listener.full', count: 1 }, '');
  silentLogger.warn({ event: 'message', anything: 1 }, '');
});

test('logEvent logs an event at the level that it is given', () => {
  const lines: unknown[] = [];
  const log = createLogger(
    { write: (line) => lines.push(JSON.parse(line)) },
    { level: 'info', format: 'json' },
  );
  logEvent(log, 'warn', 'ftp.bounce', 'a message');
  expect(lines).toEqual([expect.objectContaining({ level: 'warn', event: 'ftp.bounce', msg: 'a message' })]);
});

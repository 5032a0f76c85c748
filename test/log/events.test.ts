import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { documentedEvents } from '../support/documented-events.ts';

const SOURCES = new URL('../../src/', import.meta.url);
const sources = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ file, text: readFileSync(new URL(file, SOURCES), 'utf8') }));

/** A call of a logger, up to the end of its first argument's line. */
const LOG_CALL =
  /(?:\b|#|\.)(?:log|json)\??(?:\.(?:error|warn|info|debug|trace)|\[[^\]]+ \? '\w+' : '\w+'\])\(\s*(.*)/g;
/** With the event's name in it, or one of the two that are composed elsewhere: a line's `fields`, and what FtpControl notes. */
const NAMED = /^(\{ event: '[\w.-]+'|\{ event: action\.event \}|fields\b|\{ \.\.\.fields\b)/;

test('every call of a logger names its event in a way that this test can read', () => {
  const calls = sources.flatMap(({ file, text }) =>
    [...text.matchAll(LOG_CALL)].map(([, argument = '']) => ({ file, argument })),
  );
  expect(calls.length).toBeGreaterThan(30);
  expect(calls.filter(({ argument }) => !NAMED.test(argument))).toEqual([]);
});

test('docs/logs.md has every event, and none that is not', () => {
  const emitted = sources.flatMap(({ text }) =>
    [...text.matchAll(/(?:\{ event: |^ +event: |[#.]note\(\s*)'([\w.-]+)'/gm)].map(([, event]) => event),
  );
  expect([...documentedEvents().keys()].sort()).toEqual([...new Set(emitted)].sort());
});

import pino from 'pino';
import { describe, expect, test } from 'vitest';
import type { Logger } from '../../src/core/log.ts';
import { logEvent } from '../../src/core/log.ts';
import { createLogger, type LogOptions } from '../../src/log/logger.ts';

function capture(options: LogOptions) {
  const out = {
    text: '',
    write(text: string) {
      out.text += text;
    },
  };
  return { out, log: createLogger(out, options) };
}

const secrets = {
  password: 'hunter2',
  auth: { passphrase: 'hunter2', deeper: { pass: 'hunter2' } },
  credentials: { user: 'you', word: 'hunter2' },
};

describe.each(['json', 'pretty'] as const)('%s', (format) => {
  test('never shows the value of a key for secrets', () => {
    const { out, log } = capture({ level: 'trace', format });
    log.child({ privateKey: 'hunter2' }).info({ event: 'message', ...secrets }, 'logged in');
    expect(out.text).toContain('logged in');
    expect(out.text).not.toContain('hunter2');
  });

  test.each([
    ['error', 1],
    ['info', 3],
    ['debug', 4],
    ['trace', 5],
  ] as const)('at %s it has %i of the five levels', (level, lines) => {
    const { out, log } = capture({ level, format });
    for (const each of ['error', 'warn', 'info', 'debug', 'trace'] as const)
      logEvent(log, each, 'message', each);
    expect(out.text.trimEnd().split('\n')).toHaveLength(lines);
  });
});

describe('JSON', () => {
  test('has time, level by name, the event and the fields', () => {
    const { out, log } = capture({ level: 'info', format: 'json' });
    log.child({ session: 7 }).warn({ event: 'transfer.end', bytes: 3 }, 'a message');
    const line = JSON.parse(out.text);
    expect(line).toEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      session: 7,
      event: 'transfer.end',
      bytes: 3,
      msg: 'a message',
    });
  });

  test('adds an event to a line that has none', () => {
    const { out, log } = capture({ level: 'info', format: 'json' });
    // A caller without our types.
    (log.info as (fields: object, message: string) => void)({}, 'a message');
    expect(JSON.parse(out.text)).toMatchObject({ event: 'message', msg: 'a message' });
  });
});

describe('for people', () => {
  test('a line is time and message, with the level unless it is info', () => {
    const { out, log } = capture({ level: 'info', format: 'pretty' });
    log.info({ event: 'message', bytes: 3 }, 'a message');
    log.warn({ event: 'message', bytes: 3 }, 'another');
    expect(out.text).toMatch(/^\d\d:\d\d:\d\d a message\n\d\d:\d\d:\d\d warn another\n$/);
  });

  test('has colour only on request', () => {
    const plain = capture({ level: 'info', format: 'pretty' });
    plain.log.warn({ event: 'message' }, 'a message');
    expect(plain.out.text).not.toContain('\x1b');
    const colored = capture({ level: 'info', format: 'pretty', color: true });
    colored.log.warn({ event: 'message' }, 'a message');
    expect(colored.out.text).toContain('\x1b[33mwarn');
  });

  test('untrusted text can neither steer the terminal nor look like a line of the log', () => {
    const { out, log } = capture({ level: 'info', format: 'pretty' });
    log.info({ event: 'message' }, 'sent \x1b]0;title\x07 \x9b2J\r\n12:00:00 RETR forged');
    expect(out.text).toMatch(/^\d\d:\d\d:\d\d sent \\x1b\]0;title\\x07 \\x9b2J\n {9}12:00:00 RETR forged\n$/);
  });

  test('has the fields at trace', () => {
    const { out, log } = capture({ level: 'trace', format: 'pretty' });
    log.info({ event: 'message', bytes: 3 }, 'a message');
    expect(out.text).toContain('a message {"bytes":3}');
  });
});

test("a library's caller may pass a logger of pino's", () => {
  const lines: string[] = [];
  const log: Logger = pino({ base: null }, { write: (line: string) => void lines.push(line) });
  log.child({ server: 'office' }).warn({ event: 'message' }, 'a message');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ server: 'office', event: 'message', msg: 'a message' });
});

describe('a field that JSON cannot hold', () => {
  const circle: Record<string, unknown> = {};
  circle.self = circle;

  test.each(['json', 'pretty'] as const)('leaves the line without its fields: %s', (format) => {
    const { out, log } = capture({ level: 'trace', format });
    log.info({ event: 'message', circle, big: 1n }, 'a message');
    expect(out.text).toContain('a message');
  });
});

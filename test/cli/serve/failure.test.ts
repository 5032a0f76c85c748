import { expect, it } from 'vitest';
import { EXIT, reportFailure } from '../../../src/cli/serve/failure.ts';
import { type ErrorCode, GatewayError } from '../../../src/core/errors.ts';
import { createLogger } from '../../../src/log/logger.ts';
import { Written } from '../fakes.ts';

it.each<[ErrorCode, number]>([
  ['CONFIG_INVALID', EXIT.usage],
  ['CONFIG_FILE', EXIT.usage],
  ['LISTEN_IN_USE', EXIT.failed],
])('a log elsewhere gets a failure with %s as well', (code, status) => {
  const [stderr, file] = [new Written(), new Written()];
  const log = createLogger(file, { level: 'info', format: 'json' });
  const error = new GatewayError(code, 'what failed');
  expect(reportFailure(error, { stderr, json: null, log, verbose: false })).toBe(status);
  expect(stderr.text).toContain('what failed');
  expect(JSON.parse(file.text)).toMatchObject({ event: 'fatal', level: 'error', code, msg: 'what failed' });
});

it('a log elsewhere gets the stack of a bug', () => {
  const [stderr, file] = [new Written(), new Written()];
  const log = createLogger(file, { level: 'info', format: 'json' });
  expect(reportFailure(new Error('oops'), { stderr, json: null, log, verbose: true })).toBe(EXIT.failed);
  expect(JSON.parse(file.text)).toMatchObject({ event: 'crash', msg: 'internal error: oops' });
  expect(JSON.parse(file.text).stack).toContain('failure.test.ts');
});

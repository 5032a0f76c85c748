import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { ForwardReport, ServerReport } from '../../src/check/report.ts';
import { reportLine, reportText } from '../../src/cli/commands/running.ts';
import { forwardHeading, serverHeading, stepLines, verdict } from '../../src/cli/display/check-lines.ts';
import { forwardLines } from '../../src/cli/display/forward-lines.ts';
import { transferLines } from '../../src/cli/display/transfer-lines.ts';
import { reportFailure } from '../../src/cli/serve/failure.ts';
import { formatMistakes } from '../../src/config/diagnose.ts';
import { type ErrorCode, GatewayError } from '../../src/core/errors.ts';
import { ProbeFailure } from '../../src/core/probe/failure.ts';
import { shownName } from '../../src/ftp/wire/command.ts';
import { createLogger } from '../../src/log/logger.ts';
import type { Status } from '../../src/status/schema.ts';
import { environment, Written } from './fakes.ts';

/**
 * A terminal's title, colour by C1, text direction both ways, no width, line ends, and a line of
 * the attacker's own.
 */
const HOSTILE = 'evil\x1b]0;owned\x07\x9b31m\u202e\u2066\u200b\u2028\r\n12:00:00 FORGED';
const UNSAFE = /(?!\n)[\p{C}\p{Zl}\p{Zp}]/u;
const FORGED = /^12:00:00 FORGED/m;

const endpoint = { host: HOSTILE, port: 21 };
const problem = { at: '2026-01-02T03:04:05.000Z', times: 1, where: HOSTILE, code: 'X', message: HOSTILE };
const status: Status = {
  version: HOSTILE,
  pid: 1,
  started: '2026-01-02T03:04:05.000Z',
  now: '2026-01-02T03:04:06.000Z',
  servers: [
    {
      name: HOSTILE,
      label: HOSTILE,
      state: 'backoff',
      since: '2026-01-02T03:04:05.000Z',
      reconnects: 0,
      dataConnections: 0,
      lastError: problem,
    },
  ],
  forwards: [
    {
      name: HOSTILE,
      type: HOSTILE,
      direction: 'remote',
      server: HOSTILE,
      listen: endpoint,
      target: endpoint,
      clients: 0,
      clientsTotal: 0,
      bytesUp: 0,
      bytesDown: 0,
    },
  ],
  transfers: [
    {
      session: 1,
      id: 1,
      forward: HOSTILE,
      client: endpoint,
      user: HOSTILE,
      verb: HOSTILE,
      path: HOSTILE,
      direction: 'download',
      started: '2026-01-02T03:04:05.000Z',
      bytes: 1,
      size: 2,
      bytesPerSecond: 1,
      secondsLeft: 1,
    },
  ],
  totals: { clients: 0, transfersComplete: 0, transfersFailed: 0, bytesUp: 0, bytesDown: 0 },
  errors: [problem],
};
const style = { width: 400, unicode: true, color: false };
const server: Omit<ServerReport, 'works'> = {
  name: HOSTILE,
  host: HOSTILE,
  hostName: HOSTILE,
  port: 22,
  user: HOSTILE,
  steps: [],
};
const forward: Omit<ForwardReport, 'works'> = {
  name: HOSTILE,
  server: HOSTILE,
  type: HOSTILE,
  direction: 'local',
  listen: endpoint,
  target: endpoint,
  steps: [],
};

/** Each path of text to a terminal, with hostile text in everything that it shows. */
const PATHS: Readonly<Record<string, () => string>> = {
  'the log for people': () => logged('pretty'),
  'the log in JSON': () => logged('json'),
  'a failure': () => failure('SSH_AUTH', false),
  'a failure with its stack': () => failure('SSH_AUTH', true),
  'wrong usage': () => failure('CONFIG_INVALID', false),
  'a crash': () =>
    told((stderr) => reportFailure(new Error(HOSTILE), { stderr, json: null, verbose: false })),
  'a crash with its stack': () =>
    told((stderr) => reportFailure(new Error(HOSTILE), { stderr, json: null, verbose: true })),
  'mistakes in a config file': () =>
    formatMistakes('f', `a: "${HOSTILE}"`, [{ line: 1, column: 3, message: HOSTILE }]),
  'a step of check': () =>
    stepLines(
      { name: 'greeting', outcome: 'failed', ms: 1, text: new ProbeFailure('NO_ANSWER', HOSTILE).message },
      style,
    ).join('\n'),
  'any text as a step of check': () =>
    stepLines({ name: 'host-key', outcome: 'ok', ms: 1, text: HOSTILE }, style).join('\n'),
  "check's headings": () => `${serverHeading(server)}\n${forwardHeading(forward, style)}`,
  "check's verdict": () =>
    verdict({
      works: false,
      servers: [{ ...server, works: false }],
      forwards: [{ ...forward, works: false }],
    }),
  'what is forwarded': () =>
    forwardLines(
      [
        {
          type: HOSTILE,
          direction: 'local',
          listen: endpoint,
          target: endpoint,
          tls: null,
          listenTls: null,
          server: { label: HOSTILE, host: HOSTILE, hostName: HOSTILE },
        },
      ],
      style,
    ).join('\n'),
  status: () => reportText([status], environment({ env: { LANG: 'C.UTF-8' } })),
  'status --json': () => reportLine([status]),
  'running transfers': () => transferLines(status.transfers, style).join('\n'),
};

test.each(Object.keys(PATHS))('%s lets no hostile text steer the terminal', (name) => {
  const text = PATHS[name]?.() ?? '';
  expect(text).toMatch(/evil/);
  expect(text).not.toMatch(UNSAFE);
  expect(text).not.toMatch(FORGED);
});

test.each(['the log in JSON', 'status --json'])('%s passes the text to programs unchanged', (name) => {
  expect(JSON.stringify(JSON.parse(PATHS[name]?.() ?? ''))).toContain(JSON.stringify(HOSTILE).slice(1, -1));
});

test('the message of an error is one line when it is created', () => {
  expect(new GatewayError('SSH_AUTH', HOSTILE).message).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
  expect(new ProbeFailure('NO_ANSWER', HOSTILE).message).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
});

test('without UTF-8 the log keeps to ASCII: a multibyte character can contain the byte of a C1 control', () => {
  const out = new Written();
  createLogger(out, { level: 'info', format: 'pretty', unicode: false }).info({ event: 'message' }, 'Л日');
  expect(out.text).toMatch(/^\d\d:\d\d:\d\d \?\?\n$/);
});

test('a file name is escaped before it reaches an event', () => {
  expect(shownName(Buffer.from(HOSTILE).toString('latin1'))).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
});

/** Add a new file that writes to the terminal to the tests above first, then to this list. */
test('nothing else in cli/ writes to the terminal', () => {
  const folder = new URL('../../src/cli/', import.meta.url);
  const writers = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .filter((file) =>
      /(?:stdout|stderr|people)\??\.write\(/.test(readFileSync(new URL(file, folder), 'utf8')),
    );
  expect(writers.sort()).toEqual([
    'background/start.ts',
    'commands/check.ts',
    'commands/completion.ts',
    'commands/hash.ts',
    'commands/init.ts',
    'commands/reload.ts',
    'commands/run.ts',
    'commands/running.ts',
    'commands/status.ts',
    'commands/stop.ts',
    'commands/watch.ts',
    'import/imported-servers.ts',
    'serve/announce.ts',
    'serve/failure.ts',
    'serve/serve.ts',
  ]);
});

function logged(format: 'pretty' | 'json'): string {
  const out = new Written();
  const log = createLogger(out, { level: 'trace', format }).child({ server: HOSTILE });
  log.warn({ event: 'message', path: HOSTILE, err: new Error(HOSTILE) }, HOSTILE);
  return out.text;
}

function failure(code: ErrorCode, verbose: boolean): string {
  const error = new GatewayError(code, HOSTILE, { cause: new Error(HOSTILE) });
  return told((stderr) => reportFailure(error, { stderr, json: null, verbose }));
}

function told(write: (stderr: Written) => void): string {
  const stderr = new Written();
  write(stderr);
  return stderr.text;
}

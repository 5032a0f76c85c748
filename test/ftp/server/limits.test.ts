import { describe, expect, it } from 'vitest';
import { FtpServer } from '../../../src/ftp/server/server.ts';
import {
  client,
  done,
  inStep,
  raw,
  SERVER_POLICY,
  scenario,
  toClient,
} from '../../support/server-dialogue.ts';

describe('limits', () => {
  scenario(
    'a command line that is too long: 500, and the session lives',
    [client(`STOR ${'x'.repeat(100)}`, toClient('500 Command line too long (over 64 bytes)')), ...inStep()],
    { limits: { command: 64 } },
  );
  scenario('a NUL in a command', [client('RETR a\0b', toClient('501 NUL in command line')), ...inStep()]);
  scenario('CR NUL in a name, which stands for CR', [
    client('DELE a\r\0b', toClient('550 a??b: not a possible name')),
    ...inStep(),
  ]);
  scenario('an empty command', [client('\r\n', toClient('500 Empty command')), ...inStep()]);
  scenario('an unknown command', [client('XYZZY', toClient('500 Unknown command')), ...inStep()]);
  for (const verb of ['AUTH TLS', 'PBSZ 0', 'PROT P', 'CCC', 'SMNT x', 'LPRT 4', 'LPSV', 'LANG en']) {
    scenario(verb, [client(verb, toClient(`502 ${verb.split(' ')[0]} is not implemented`))]);
  }
  scenario('LF alone, small letters, and several at once', [
    raw('noop\nNOOP\r\n', toClient('200 OK\r\n200 OK\r\n')),
  ]);
  scenario('commands come faster than the store answers: all are answered, in order', [
    client('DELE a', '? 1 remove a'),
    client('DELE b\r\nPWD\r\nDELE c'),
    done(toClient('250 File removed'), '? 2 remove b'),
    done(toClient('250 File removed\r\n257 "/" is the current directory\r\n'), '? 3 remove c'),
    done(toClient('250 File removed')),
  ]);
  scenario('a name that is too long', [
    client(`DELE ${'a/'.repeat(2100)}`, toClient(`550 ${'a/'.repeat(2100)}: not a possible name`)),
  ]);
  scenario('a name that is too deep', [
    client(`DELE ${'a/'.repeat(300)}`, toClient(`550 ${'a/'.repeat(300)}: not a possible name`)),
  ]);
});

function loggedIn(pending: number): FtpServer {
  const server = new FtpServer({ ...SERVER_POLICY, limits: { ...SERVER_POLICY.limits, pending } });
  server.start();
  server.receive(Buffer.from('USER a\r\nPASS b\r\n'));
  return server;
}

it('reads no more commands than may wait, and loses none', () => {
  const server = loggedIn(4);
  const asked = server.receive(Buffer.from(Array.from({ length: 20 }, (_, n) => `DELE ${n}\r\n`).join('')));
  expect(server.holds).toBe(true);
  const paths: unknown[] = [];
  for (let actions = asked; actions.some(({ type }) => type === 'ask'); ) {
    const ask = actions.find((action) => action.type === 'ask');
    if (ask?.question.kind !== 'remove') break;
    paths.push(ask.question.path);
    actions = server.complete(ask.id, { ok: true, value: null });
  }
  expect(paths).toEqual(Array.from({ length: 20 }, (_, n) => `${n}`));
  expect(server.holds).toBe(false);
  expect(server.kept).toBe(0);
});

it('carries out what waits unread when the client closes its side', () => {
  const server = loggedIn(1);
  server.receive(Buffer.from('DELE a\r\nDELE b\r\nDELE c\r\n'));
  server.end();
  const rest = [1, 2, 3].flatMap((id) => server.complete(id, { ok: true, value: null }));
  expect(rest.filter(({ type }) => type === 'ask')).toHaveLength(2);
  expect(rest.at(-1)).toEqual({ type: 'close' });
});

it.each([
  ['answered at once', ''],
  ['that wait', 'DELE a\r\n'],
])('many empty lines, %s, take little time', (_, before) => {
  const server = loggedIn(64);
  const begun = process.cpuUsage();
  server.receive(Buffer.concat([Buffer.from(before), Buffer.alloc(65_536, '\n')]));
  server.complete(1, { ok: true, value: null });
  // Of the CPU, in microseconds: a busy machine takes longer.
  expect(process.cpuUsage(begun).user).toBeLessThan(4_000_000);
});

import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { reportEvents } from '../../src/cli/serve/reporter.ts';
import type { GatewayError } from '../../src/core/errors.ts';
import { GatewayEmitter } from '../../src/core/events.ts';
import { Session } from '../../src/core/session.ts';
import { ftp } from '../../src/ftp/plugin.ts';
import { createLogger } from '../../src/log/logger.ts';
import { Written } from '../cli/fakes.ts';
import { connection, FakeTransport, localPeer, quietLog } from '../support/fakes.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }));
afterEach(() => void vi.useRealTimers());

const STRANGER = { ...localPeer, remote: { host: '192.0.2.7', port: 40_000 } };

/** An FTP session whose client and server are the test's, greeted. */
async function greeted(
  peer = localPeer,
  options: Record<string, unknown> = {},
  { log = quietLog, events = new GatewayEmitter() } = {},
) {
  const [near, far] = [new FakeTransport(), new FakeTransport()];
  const [client, server] = [connection(), connection()];
  const session = new Session({
    ...{ id: 1, forward: 'ftp', target: { host: 'localhost', port: 21 }, peer, near, far },
    ...{ client: client.ours, log, events },
  });
  let over: GatewayError | null | undefined;
  session.context.signal.addEventListener('abort', () => {
    over = session.context.signal.reason;
  });
  const done = session.run(ftp, ftp.schema.parse(options));
  far.dials[0]?.answer(server.ours);
  const heard: string[] = [];
  client.theirs.on('data', (chunk) => heard.push(String(chunk)));
  const commands: string[] = [];
  server.theirs.on('data', (chunk) => commands.push(String(chunk)));
  const settle = async () => {
    for (let i = 0; i < 10; i++) await turn();
  };
  server.theirs.write('220 ready\r\n');
  await settle();
  expect(heard).toEqual(['220 ready\r\n']);
  return {
    client: client.theirs,
    server: server.theirs,
    near,
    far,
    heard,
    commands,
    done,
    settle,
    over: () => over,
  };
}

describe('a client on another host', () => {
  it('has a minute to log in', async () => {
    const { client, server, heard, settle, over } = await greeted(STRANGER);
    client.write('USER demo\r\n');
    await settle();
    server.write('331 password\r\n');
    await vi.advanceTimersByTimeAsync(59_999);
    expect(over()).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    await settle();
    expect(over()).toMatchObject({ code: 'LOGIN_TIMEOUT' });
    expect(heard.at(-1)).toBe('421 sshferry: no login within 60 s\r\n');
    client.end();
  });

  it.each([
    ['USER demo', '230 welcome'],
    ['PASS secret', '202 no need'],
    ['ACCT me', '232 so be it'],
  ])('may stay once %s is answered with %s', async (command, reply) => {
    const { client, server, settle, over } = await greeted(STRANGER);
    client.write(`${command}\r\n`);
    await settle();
    server.write(`${reply}\r\n`);
    await settle();
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(over()).toBeUndefined();
    client.destroy();
  });

  it('may stay if the server lets it transfer without a login', async () => {
    const { client, server, settle, over } = await greeted(STRANGER);
    client.write('LIST\r\n');
    await settle();
    server.write('150 here\r\n');
    await settle();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(over()).toBeUndefined();
    client.destroy();
  });

  it('has the time that FtpLoginTimeout says', async () => {
    const { client, over } = await greeted(STRANGER, { loginTimeout: 5 });
    await vi.advanceTimersByTimeAsync(5000);
    expect(over()).toMatchObject({ code: 'LOGIN_TIMEOUT' });
    client.end();
    const unlimited = await greeted(STRANGER, { loginTimeout: 0 });
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(unlimited.over()).toBeUndefined();
    unlimited.client.destroy();
  });
});

it('a person on this machine may take as long over the password as the server lets them', async () => {
  const { client, over } = await greeted();
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(over()).toBeUndefined();
  client.destroy();
});

describe('when both sides have ended', () => {
  it.each([
    ['PORT is on its way as EPSV', 'PORT 127,0,0,1,200,0'],
    ['commands wait behind it', 'PORT 127,0,0,1,200,0\r\nNOOP\r\nRETR f'],
    ['EPRT', 'EPRT |1|127.0.0.1|51200|'],
  ])('nothing is held: %s', async (_, commands) => {
    const { client, server, settle, done, over } = await greeted();
    client.write(`${commands}\r\n`);
    await settle();
    server.end();
    await settle();
    client.end();
    await settle();
    await done;
    expect(over()).toMatchObject({ code: 'FINISHED' });
  });

  it('nothing is held, whichever went first', async () => {
    const { client, server, settle, done } = await greeted();
    client.end('PORT 127,0,0,1,200,0\r\n');
    await settle();
    server.end();
    await settle();
    await done;
  });

  it('data that is under way is waited for, and the reply that it holds back', async () => {
    const { client, server, near, far, heard, settle, done, over } = await greeted();
    const data = { near: connection(), far: connection() };
    client.write('EPSV\r\n');
    await settle();
    server.write('229 Extended Passive Mode (|||2000|)\r\n');
    await settle();
    near.listeners[0]?.grant();
    far.dials[1]?.answer(data.far.ours);
    await settle();
    expect(heard.at(-1)).toMatch(/^229 /);
    near.listeners[0]?.onStream(data.near.ours, localPeer);
    client.end('RETR f\r\n');
    await settle();
    server.end('150 here\r\n226 done\r\n');
    await settle();
    expect([over(), heard.at(-1)]).toEqual([undefined, '150 here\r\n']);
    // The data connection breaks off, and with it all that could be waited for.
    data.near.ours.destroy();
    await settle();
    await done;
    expect(heard.at(-1)).toBe('226 done\r\n');
  });
});

describe('a client that goes while the server leaves its PORT unanswered', () => {
  it.each([
    ['without another word', ''],
    ['with QUIT', 'QUIT\r\n'],
    ['with an unfinished line', 'QUI'],
  ])('keeps its session for a minute: %s', async (_, last) => {
    const { client, server, settle, done } = await greeted();
    client.write('PORT 127,0,0,1,200,0\r\n');
    await settle();
    client.end(last);
    await settle();
    let serverEnded = false;
    server.on('end', () => {
      serverEnded = true;
    });
    await vi.advanceTimersByTimeAsync(59_000);
    await settle();
    expect(serverEnded).toBe(false);
    await vi.advanceTimersByTimeAsync(2000);
    await settle();
    expect(serverEnded).toBe(true);
    server.end();
    await settle();
    await done;
  });
});

it('no argument of a command is logged, at any level, but the user and the name of a transfer', async () => {
  const out = new Written();
  const log = createLogger(out, { level: 'trace', format: 'json' });
  const events = new GatewayEmitter();
  reportEvents(events, log, (server) => server);
  const { client, server, commands, settle, done } = await greeted(localPeer, {}, { log, events });
  const SECRET = 'Medlar-5521-jelly';
  const exchanges = [
    ['USER alice', '331 and?'],
    [`PASS ${SECRET}`, `332 ${SECRET}?`],
    [`ACCT ${SECRET}`, '530 no'],
    [SECRET, '500 what?'],
    [`SITE ${SECRET}`, '500 no'],
    [`CWD ${SECRET}`, '530 no'],
    [`PORT ${SECRET}`, ''],
    [`EPRT |1|${SECRET}|2000|`, ''],
    ['RETR the-file', '530 no'],
  ] as const;
  for (const [command, reply] of exchanges) {
    client.write(`${command}\r\n`);
    await settle();
    if (reply === '') continue;
    expect(commands.at(-1)).toBe(`${command}\r\n`);
    server.write(`${reply}\r\n`);
    await settle();
  }
  client.end(`PASS ${SECRET}`);
  await settle();
  server.end();
  await done;
  expect(out.text).toContain('the-file');
  expect(out.text).toContain('session.end');
  expect(out.text).not.toContain(SECRET);
});

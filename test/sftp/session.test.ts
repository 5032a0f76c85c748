import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { OpenFlag, StatusCode } from '../../src/sftp/codec/protocol.ts';
import { SftpError, SftpSessionError, SftpTransferError } from '../../src/sftp/errors.ts';
import { type SessionOptions, SftpSession } from '../../src/sftp/session/session.ts';
import {
  packet,
  ScriptedSftpServer,
  type ScriptOptions,
  string,
  u32,
  u64,
} from '../support/scripted-sftp-server.ts';

const bytes = (text: string) => Buffer.from(text);
const path = bytes('/a/file');

async function open(script: ScriptOptions = {}, options: SessionOptions = {}) {
  const server = new ScriptedSftpServer(script);
  const session = await SftpSession.open(server.channel, options);
  return { server, session };
}

afterEach(() => {
  vi.useRealTimers();
});

describe('opening a session', () => {
  it('learns what the server supports, each extension in the version that is spoken here', async () => {
    const extensions = { 'fsync@openssh.com': '1', 'statvfs@openssh.com': '1' };
    const { session } = await open({ extensions });
    expect(session.supports({ name: 'fsync@openssh.com', version: '1' })).toBe(true);
    expect(session.supports({ name: 'statvfs@openssh.com', version: '2' })).toBe(false);
  });

  it.each([2, 4, 6])('refuses version %d', async (version) => {
    const server = new ScriptedSftpServer({ version });
    await expect(SftpSession.open(server.channel)).rejects.toThrow(
      `the server speaks SFTP version ${version}; only 3 is supported`,
    );
    expect(server.channel.destroyed).toBe(true);
  });

  it('gives up a server that says nothing', async () => {
    vi.useFakeTimers();
    const server = new ScriptedSftpServer({ version: null });
    const opened = SftpSession.open(server.channel, { patience: 5000 });
    const failed = expect(opened).rejects.toThrow('the SFTP server did not answer INIT within 5 s');
    await vi.advanceTimersByTimeAsync(5001);
    await failed;
    expect(vi.getTimerCount()).toBe(0);
  });

  it('fails if the channel ends first, such as where sshd finds no sftp-server to run', async () => {
    const server = new ScriptedSftpServer({ version: null });
    server.wire.end();
    await expect(SftpSession.open(server.channel)).rejects.toMatchObject({
      end: 'not-sftp',
      message: 'the SFTP subsystem ended before it answered: see Subsystem in the sshd_config',
    });
  });

  it('fails for a server that greets in words', async () => {
    const server = new ScriptedSftpServer({ version: null });
    server.send(bytes('This service allows sftp connections only.\n'));
    await expect(SftpSession.open(server.channel)).rejects.toThrow(
      'the server sent "This service allows sftp connections only." in place of SFTP: ' +
        "the account's shell, or ForceCommand, must print nothing in sessions without a terminal",
    );
  });

  it.each([
    ['a line before the version', 'Welcome to this host\n\0\0\0\x05\x02\0\0\0\x03', 'Welcome to this host'],
    ['lines, the first one empty', '\r\n  Hello\r\nworld\r\n', 'Hello'],
    ['colours', '\x1b[31mred\x1b[0m\n', '[31mred [0m'],
    ['a word that is shorter than a packet', 'no\n', 'no'],
  ])('quotes %s', async (_, text, quoted) => {
    const server = new ScriptedSftpServer({ version: null });
    server.send(Buffer.from(text, 'latin1'));
    server.wire.end();
    await expect(SftpSession.open(server.channel)).rejects.toThrow(`the server sent "${quoted}" in place`);
    expect(server.channel.listenerCount('data')).toBeLessThan(2);
  });

  it('is given up by a signal', async () => {
    const server = new ScriptedSftpServer({ version: null });
    const abort = new AbortController();
    const opened = SftpSession.open(server.channel, { signal: abort.signal });
    abort.abort(new Error('not needed'));
    await expect(opened).rejects.toThrow('not needed');
    expect(server.channel.destroyed).toBe(true);
  });

  it('uses the limits that the server states, once they are here', async () => {
    const { server, session } = await open({ extensions: { 'limits@openssh.com': '1' } });
    expect(session.limits).toEqual({ read: 32768, write: 32768 });
    const { id } = await server.next();
    server.send(packet('EXTENDED_REPLY', u32(id), u64(262144), u64(261120), u64(2n ** 63n), u64(0)));
    await turn();
    expect(session.limits).toEqual({ read: 261120, write: 261120 });
  });

  it.each([
    ['none', 0, 32768],
    ['one that is absurd', 1, 4096],
  ])('with a limit of %s', async (_which, limit, used) => {
    const { server, session } = await open({ extensions: { 'limits@openssh.com': '1' } });
    const { id } = await server.next();
    server.send(packet('EXTENDED_REPLY', u32(id), u64(0), u64(limit), u64(limit), u64(0)));
    await turn();
    expect(session.limits).toEqual({ read: used, write: used });
  });
});

describe('calls', () => {
  it('are sent at once and answered in any order', async () => {
    const { server, session } = await open();
    const calls = [session.stat(path), session.realpath(path), session.open(path, OpenFlag.READ)] as const;
    const [stat, realpath, opened] = [await server.next(), await server.next(), await server.next()];
    server.handle(opened.id, 'handle');
    server.names(realpath.id, ['/b']);
    server.attributes(stat.id, { size: 5 });
    expect(await Promise.all(calls)).toEqual([{ size: 5 }, bytes('/b'), bytes('handle')]);
  });

  it('reject with the server’s status and words', async () => {
    const { server, session } = await open();
    const call = session.remove(path);
    const { id } = await server.next();
    server.status(id, StatusCode.PERMISSION_DENIED, 'not yours');
    const error = await call.catch((error: unknown) => error);
    expect(error).toBeInstanceOf(SftpError);
    expect(error).toMatchObject({ status: 3, words: 'not yours', request: 'REMOVE' });
    expect(session.error).toBeNull();
  });

  it('return null at the end of a folder', async () => {
    const { server, session } = await open();
    const call = session.readdir(bytes('handle'));
    server.status((await server.next()).id, StatusCode.EOF);
    expect(await call).toBeNull();
  });

  it.each([
    ['a NUL byte', bytes('/a\0/etc/passwd'), 'a name cannot contain a NUL byte'],
    ['4097 bytes', bytes('x'.repeat(4097)), 'a path of 4097 bytes is too long'],
  ])('refuse a path with %s, and send nothing', async (_what, name, words) => {
    const { server, session } = await open();
    await expect(session.stat(name)).rejects.toThrow(new SftpTransferError('bad-name', words));
    await expect(session.rename(path, name)).rejects.toThrow(words);
    await turn();
    expect(server.waiting).toBe(0);
  });

  it('reject values that have no place in their field', async () => {
    const { session } = await open();
    await expect(session.setstat(path, { atime: 0, mtime: 2 ** 32 })).rejects.toThrow(RangeError);
    await expect(session.setstat(path, { size: -1 })).rejects.toThrow(RangeError);
  });

  it('wait above 256 under way, in their order', async () => {
    const { server, session } = await open();
    const order: number[] = [];
    const calls = Array.from({ length: 300 }, (_, i) => session.remove(path).then(() => order.push(i)));
    await turn();
    expect(server.waiting).toBe(256);
    for (let i = 0; i < 300; i++) server.status((await server.next()).id);
    await Promise.all(calls);
    expect(order).toEqual(Array.from({ length: 300 }, (_, i) => i));
  });

  it('have the shortest time that an answer took as their round trip', async () => {
    vi.useFakeTimers();
    const { server, session } = await open();
    for (const ms of [70, 30, 90]) {
      const call = session.remove(path);
      const { id } = await server.next();
      await vi.advanceTimersByTimeAsync(ms);
      server.status(id);
      await call;
    }
    expect(session.roundTrip).toBeLessThanOrEqual(30);
  });
});

describe('a call that is given up', () => {
  it('rejects with the reason; its answer is dropped', async () => {
    const { server, session } = await open();
    const abort = new AbortController();
    const call = session.stat(path, { signal: abort.signal });
    const { id } = await server.next();
    abort.abort(new Error('the client went'));
    await expect(call).rejects.toThrow('the client went');
    server.attributes(id, {});
    const next = session.remove(path);
    server.status((await server.next()).id);
    await next;
    expect(session.error).toBeNull();
  });

  it.each(['open', 'opendir'] as const)(
    'has the handle closed that a late answer to %s brings',
    async (method) => {
      const { server, session } = await open();
      const abort = new AbortController();
      const options = { signal: abort.signal };
      const call = method === 'open' ? session.open(path, 1, {}, options) : session.opendir(path, options);
      const { id } = await server.next();
      abort.abort(new Error('the client went'));
      await expect(call).rejects.toThrow('the client went');
      server.handle(id, 'late');
      const close = await server.next();
      expect([close.name, close.fields.view().toString()]).toEqual(['CLOSE', 'late']);
      server.status(close.id);
    },
  );

  it('is not sent if it was waiting', async () => {
    const { server, session } = await open();
    const calls = Array.from({ length: 256 }, () => session.remove(path));
    const abort = new AbortController();
    const waiting = session.mkdir(path, {}, { signal: abort.signal });
    const after = session.rmdir(path);
    abort.abort(new Error('the client went'));
    await expect(waiting).rejects.toThrow('the client went');
    for (let i = 0; i < 256; i++) server.status((await server.next()).id);
    const last = await server.next();
    expect(last.name).toBe('RMDIR');
    server.status(last.id);
    await Promise.all([...calls, after]);
  });

  it('with a signal that was aborted before, is not sent', async () => {
    const { server, session } = await open();
    await expect(session.stat(path, { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow(
      'gone',
    );
    await turn();
    expect(server.waiting).toBe(0);
  });
});

describe('a session that ends', () => {
  it.each([
    [
      'the server ends it',
      (server: ScriptedSftpServer) => server.wire.end(),
      'the SFTP server ended the session',
    ],
    [
      'the channel breaks',
      ({ channel }: ScriptedSftpServer) => channel.destroy(new Error('SSH is gone')),
      'the SFTP session broke: SSH is gone',
    ],
    [
      'the channel closes',
      ({ channel }: ScriptedSftpServer) => channel.destroy(),
      'the SFTP session was closed before its end',
    ],
  ])('when %s, fails all calls with one error', async (_how, act, words) => {
    const { server, session } = await open();
    const calls = [session.stat(path), session.open(path, 1), session.remove(path)];
    act(server);
    const errors = await Promise.all(calls.map((call) => call.catch((error: unknown) => error)));
    expect(new Set(errors).size).toBe(1);
    expect(errors[0]).toBeInstanceOf(SftpSessionError);
    expect(errors[0]).toMatchObject({ end: 'lost', message: words });
    expect(await session.ended).toBe(errors[0]);
    await expect(session.stat(path)).rejects.toBe(errors[0]);
    expect(server.channel.destroyed).toBe(true);
  });

  it('when it is closed here, fails calls that wait to be sent as well', async () => {
    const { session } = await open();
    const calls = Array.from({ length: 300 }, () =>
      session.remove(path).catch((error: Error) => error.message),
    );
    session.close();
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['the SFTP session was closed here']));
  });

  const refused: [string, (server: ScriptedSftpServer, id: number) => void, string][] = [
    ['an id that was never used', (server, id) => server.status(id + 77), 'an answer (status) to no request'],
    [
      'a second VERSION',
      (server) => server.send(packet('VERSION', u32(3))),
      'an answer (version) to no request',
    ],
    [
      'data for a request that is no READ',
      (server, id) => server.data(id, bytes('x')),
      'data in answer to STAT',
    ],
    ['data for no request', (server, id) => server.data(id + 7, bytes('x')), 'data for no request'],
    [
      'a handle for a STAT',
      (server, id) => server.handle(id, 'h'),
      'a wrong answer (handle) in answer to STAT',
    ],
    ['OK for a STAT', (server, id) => server.status(id), 'a wrong answer (status) in answer to STAT'],
    [
      'an answer that is cut off',
      (server, id) => server.send(packet('ATTRS', u32(id), u32(1))),
      'ATTRS: a field of 8 bytes where 0 are left',
    ],
    [
      'a packet of no known type',
      (server) => server.send(u32(5), Buffer.from([99, 0, 0, 0, 0])),
      'a packet of type 99',
    ],
    ['a request', (server, id) => server.send(packet('STAT', u32(id), string('x'))), 'a packet of type 17'],
  ];
  it.each(refused)('after %s', async (_what, act, words) => {
    const { server, session } = await open();
    const call = session.stat(path);
    const other = session.remove(path);
    const { id } = await server.next();
    act(server, id);
    await expect(call).rejects.toThrow(`the SFTP server sent ${words}`);
    await expect(other).rejects.toBe(session.error);
    expect(session.error?.end).toBe('protocol');
    expect(server.channel.destroyed).toBe(true);
  });

  it('after a second answer to the same request', async () => {
    const { server, session } = await open();
    const call = session.stat(path);
    const { id } = await server.next();
    server.attributes(id, {});
    server.attributes(id, {});
    await call;
    expect((await session.ended).message).toBe('the SFTP server sent an answer (attrs) to no request');
  });
});

describe('a server that does not answer', () => {
  it('ends the session with the oldest request as the reason', async () => {
    vi.useFakeTimers();
    const { session } = await open({}, { patience: 60_000 });
    const calls = [session.stat(path), session.remove(path)];
    const failed = Promise.all(
      calls.map((call) => expect(call).rejects.toThrow('the SFTP server did not answer STAT within 60 s')),
    );
    await vi.advanceTimersByTimeAsync(59_000);
    expect(session.error).toBeNull();
    await vi.advanceTimersByTimeAsync(1100);
    await failed;
    expect(session.error?.end).toBe('timeout');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('may be silent for as long as it likes while it owes nothing', async () => {
    vi.useFakeTimers();
    const { server, session } = await open();
    await vi.advanceTimersByTimeAsync(3_600_000);
    const call = session.remove(path);
    await vi.advanceTimersByTimeAsync(59_000);
    server.status((await server.next()).id);
    await call;
    expect(session.error).toBeNull();
  });

  it('is not given up while it sends', async () => {
    vi.useFakeTimers();
    const { server, session } = await open();
    const call = session.stat(path);
    const { id } = await server.next();
    const answer = packet('ATTRS', u32(id), u32(1), u64(5));
    for (const byte of answer) {
      await vi.advanceTimersByTimeAsync(50_000);
      server.send(Buffer.from([byte]));
    }
    expect(await call).toEqual({ size: 5 });
  });

  it('is given up if it has forgotten a request, however busy it is', async () => {
    vi.useFakeTimers();
    const { server, session } = await open();
    const forgotten = expect(session.stat(path)).rejects.toThrow('did not answer STAT within 60 s');
    await server.next();
    for (let i = 0; i < 30 && session.error === null; i++) {
      session.remove(path).catch(() => {});
      server.status((await server.next()).id);
      await vi.advanceTimersByTimeAsync(10_000);
    }
    await forgotten;
  });

  it('may take longer for fsync, and for what waits behind it', async () => {
    vi.useFakeTimers();
    const { server, session } = await open();
    const calls = Promise.all([session.fsync(bytes('handle')), session.stat(path)]);
    const [fsync, stat] = [await server.next(), await server.next()];
    await vi.advanceTimersByTimeAsync(500_000);
    server.status(fsync.id);
    await vi.advanceTimersByTimeAsync(0);
    server.attributes(stat.id, {});
    await calls;
    expect(session.error).toBeNull();
  });
});

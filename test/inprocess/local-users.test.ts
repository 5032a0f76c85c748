import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { describe, expect, type TestContext, test } from 'vitest';
import { Gateway } from '../../src/core/gateway.ts';
import { isConnected } from '../../src/core/local/accepted-socket.ts';
import type { Accepted, Admission } from '../../src/core/local/admission.ts';
import { UserAdmission } from '../../src/core/local/admission.ts';
import { localTransport } from '../../src/core/local/local-transport.ts';
import type { LocalUsers } from '../../src/core/local/local-users.ts';
import { type FindPeerOwner, peerOwners } from '../../src/core/local/peer-owner.ts';
import { DirectTransport } from '../../src/core/local/tcp-transport.ts';
import type { Logger } from '../../src/core/log.ts';
import type { Listening, ManagedTransport, Transport } from '../../src/core/transport.ts';
import { deferred } from '../support/deferred.ts';
import { ftpForward } from '../support/gateway.ts';
import { canBeAnother, OTHER_USER, Stranger } from '../support/stranger.ts';

const OTHER = OTHER_USER;

if (!canBeAnother) console.warn('SKIPPED: to connect as another user takes Linux and root');
// A CI machine that cannot do it fails: a skip must not look like a pass.
const asRoot = describe.skipIf(!canBeAnother && process.env.CI !== 'true');

type Test = Pick<TestContext, 'onTestFinished'>;

/** A log that keeps the fields of what it is warned of. */
function recording() {
  const warnings: Record<string, unknown>[] = [];
  const none = () => {};
  const log = { error: none, info: none, debug: none, trace: none, child: () => log } as unknown as Logger;
  log.warn = (fields: unknown) => void warnings.push(fields as Record<string, unknown>);
  return { log, warnings };
}

/** An admission of these users; `before` runs before each judgement. */
function admissionOf(
  uids: ReadonlySet<number>,
  log: Logger,
  {
    before = async () => {},
    findOwner = peerOwners(),
  }: { before?: () => Promise<void>; findOwner?: FindPeerOwner } = {},
): Admission {
  const admission = new UserAdmission(uids, { findOwner, openTables: () => {}, log });
  return {
    prepare: (host) => admission.prepare(host),
    judge: async (connection: Accepted) => {
      await before();
      return admission.judge(connection);
    },
    hasRead: (peer) => admission.hasRead(peer),
    refusedClosed: (peer, sent) => admission.refusedClosed(peer, sent),
  };
}

/** Greets every client. */
async function greeter(test: Test, transport: Transport, host = '127.0.0.1'): Promise<Listening> {
  const listening = await transport.listen({ host, port: 0 }, (stream) => {
    stream.on('error', () => {});
    stream.end('hello');
    stream.resume();
  });
  test.onTestFinished(() => listening.close());
  return listening;
}

/** Connects from a process of that user and returns what it received; null if it was reset. */
async function connectAs(uid: number, port: number, how = '', host = '127.0.0.1'): Promise<string | null> {
  const script = `
    process.setgid(${uid}); process.setuid(${uid});
    let got = '';
    const socket = require('net').connect({ port: ${port}, host: '${host}', allowHalfOpen: true });
    socket.on('connect', () => { ${how} });
    socket.on('data', (data) => { got += data; }).on('end', () => { console.log('got ' + got); socket.end(); });
    socket.on('error', (error) => console.log(error.code));`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'], cwd: '/' });
  let out = '';
  child.stdout.on('data', (data) => {
    out += data;
  });
  await once(child, 'close');
  if (out === 'ECONNRESET\n') return null;
  expect(out).toMatch(/^got /);
  return out.slice(4).trimEnd();
}

test('admits the own user, over IPv4 and IPv6', async (t) => {
  const { log, warnings } = recording();
  const transport = await localTransport([], log);
  for (const host of ['127.0.0.1', '::1']) {
    const { port } = (await greeter(t, transport, host)).endpoint;
    const socket = net.connect({ host, port });
    const [data] = await once(socket, 'data');
    expect(String(data)).toBe('hello');
    socket.destroy();
  }
  expect(warnings).toEqual([]);
});

asRoot('a port of the own user', () => {
  test.each([
    ['another user', OTHER, [], null],
    ['root', 0, [], 'hello'],
    ['another, with LocalUsers=any', OTHER, 'any', 'hello'],
    ['another, named', OTHER, ['nobody'], 'hello'],
    ['another, by uid', OTHER, [String(OTHER)], 'hello'],
    ['a third', 4242, ['nobody'], null],
  ] as [string, number, LocalUsers, string | null][])('%s', async (_, uid, users, got) => {
    const { log, warnings } = recording();
    const transport = await localTransport(users, log);
    await overIPv4And6(transport, uid, got);
    // Three connections, and one line of the log for them.
    expect(warnings).toEqual(
      got === null ? [expect.objectContaining({ event: 'listener.refused-user', uid, count: 1 })] : [],
    );
  });

  /** Also as an IPv6 socket that reaches an IPv4 port. */
  async function overIPv4And6(transport: Transport, uid: number, got: string | null) {
    const listening = [];
    for (const [host, to] of [
      ['127.0.0.1', '127.0.0.1'],
      ['127.0.0.1', '::ffff:127.0.0.1'],
      ['::1', '::1'],
    ] as const) {
      const test = { onTestFinished: () => {} };
      const one = await greeter(test, transport, host);
      listening.push(one);
      expect([to, await connectAs(uid, one.endpoint.port, '', to)]).toEqual([to, got]);
    }
    for (const one of listening) void one.close();
  }

  test.each([
    [OTHER, null],
    [0, 'hello'],
  ])('uid %i that has half-closed already', async (uid, got) => {
    const { log } = recording();
    const halfClosed = deferred<void>();
    const before = () => halfClosed.promise;
    const transport = new DirectTransport({ admission: admissionOf(new Set([0]), log, { before }) });
    const listening = await transport.listen({ host: '127.0.0.1', port: 0 }, (stream) => {
      // Its end-of-file is here, so the client's socket is in FIN_WAIT2.
      stream.on('error', () => {}).on('end', () => stream.end('hello'));
      stream.resume();
    });
    const { port } = listening.endpoint;
    const client = connectAs(uid, port, 'socket.end()');
    await rowInState(port, '05');
    halfClosed.resolve();
    expect(await client).toBe(got);
    await listening.close();
  });

  test.each([
    ['FIN_WAIT2', '05', false],
    ['TIME_WAIT', '06', true],
  ])("one that has closed, in %s, is not taken for root's", async (_, state, alsoUs) => {
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const script = `process.setuid(${OTHER}); const s = require('net').connect(${port}, '127.0.0.1', () => s.destroy())`;
    const child = spawn(process.execPath, ['-e', script], { cwd: '/' });
    const [[socket]] = await Promise.all([
      once(server, 'connection') as Promise<[net.Socket]>,
      once(child, 'close'),
    ]);
    const peer = {
      remote: { host: '127.0.0.1', port: socket.remotePort ?? 0 },
      local: { host: '127.0.0.1', port },
    };
    if (alsoUs) socket.resume().end();
    await rowInState(port, state);
    expect(await peerOwners()(peer)).toBe('closed');
    socket.destroy();
    server.close();
  });

  test('an FTP control port and its data port', async (t) => {
    const { log, warnings } = recording();
    const far = await ftpServer(t);
    let port = 0;
    const gateway = new Gateway({
      transports: new Map([['yourserver', managed(new DirectTransport())]]),
      local: await localTransport([], log),
      forwards: [ftpForward({ host: '127.0.0.1', port: far })],
      log,
    });
    gateway.events.on('forward.listening', ({ endpoint }) => {
      port = endpoint.port;
    });
    t.onTestFinished(() => gateway.stop());
    await gateway.start();

    expect(await connectAs(OTHER, port)).toBe(null);
    const control = net.connect(port, '127.0.0.1').setEncoding('latin1');
    t.onTestFinished(() => void control.destroy());
    expect(await line(control, /^220/)).toMatch(/^220/);
    control.write('EPSV\r\n');
    const dataPort = Number(/\|(\d+)\|/.exec(await line(control, /^229/))?.[1]);
    expect(await connectAs(OTHER, dataPort)).toBe(null);
    expect(warnings.map(({ event, uid, port: at }) => [event, uid, at])).toEqual([
      ['listener.refused-user', OTHER, port],
    ]);
    // It has not used up the port: the one that it is for still gets the file.
    const data = connectAs(0, dataPort);
    control.write('RETR f\r\n');
    expect(await data).toBe('the file');
    control.end();
  });
});

asRoot('addresses that are used again', () => {
  /** An SMTP dialogue, as a stranger's mail would be. */
  const FOREIGN = 'MAIL FROM:<stranger@example.com>\r\n';
  const OWN = 'NOOP\r\n';

  test('does not admit a connection that was reset by the entry of the next one', async (t) => {
    const { log, warnings } = recording();
    const stranger = await Stranger.start(t);
    const accepted = deferred<void>();
    const ownIsConnected = deferred<void>();
    let first = true;
    const before = async () => {
      if (!first) return;
      first = false;
      accepted.resolve();
      await ownIsConnected.promise;
    };
    const transport = new DirectTransport({ admission: admissionOf(new Set([0]), log, { before }) });
    const received: string[] = [];
    const listening = await transport.listen({ host: '127.0.0.1', port: 0 }, (stream) => {
      const index = received.push('') - 1;
      stream.on('error', () => {}).resume();
      stream.on('data', (data) => {
        received[index] += data;
        stream.write('250 ok\r\n');
      });
    });
    t.onTestFinished(() => listening.close());
    const { port } = listening.endpoint;

    // Another user has the connection, and the look at the tables is still to come.
    const localPort = await freePort();
    const intruded = stranger.intrude({ port, localPort, bytes: FOREIGN, end: 'hold' });
    await accepted.promise;
    stranger.reset();
    expect(await intruded).toEqual({ id: expect.any(Number), from: localPort, got: '' });
    // The own client's has the same addresses.
    const own = net.connect({ host: '127.0.0.1', port, localPort });
    t.onTestFinished(() => void own.destroy());
    await once(own, 'connect');
    own.write(OWN);
    ownIsConnected.resolve();
    expect(String((await once(own, 'data'))[0])).toBe('250 ok\r\n');
    expect(received).toEqual([OWN]);
    expect(warnings).toEqual([]);
  });

  test("a connection's ports belong to no other connection while our end is connected", async (t) => {
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.onTestFinished(() => void server.close());
    const { port } = server.address() as net.AddressInfo;
    const localPort = await freePort();
    const stranger = await Stranger.start(t);
    const [[socket]] = await Promise.all([
      once(server, 'connection') as Promise<[net.Socket]>,
      stranger.intrude({ port, localPort, bytes: FOREIGN, end: 'close' }),
    ]);
    t.onTestFinished(() => void socket.destroy());
    // Its client has gone in all order: our end is in CLOSE_WAIT.
    const own = net.connect({ host: '127.0.0.1', port, localPort });
    const outcome = await new Promise<string>((resolve) => {
      own.on('connect', () => resolve('connected'));
      own.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    });
    own.destroy();
    // The kernel refuses the addresses, or it ends the first connection for the second.
    if (outcome === 'connected') expect(isConnected(socket)).toBe(false);
    else expect([outcome, isConnected(socket)]).toEqual([expect.stringMatching(/^EADDR/), true]);
  });
});

describe.runIf(process.platform === 'linux')('a connection that its program has closed already', () => {
  test.each([
    ['and has sent nothing', '', []],
    [
      'and has sent something',
      'QUIT\r\n',
      [expect.objectContaining({ event: 'listener.closed-early', sent: true, count: 1 })],
    ],
  ])('%s', async (_, bytes, expected) => {
    const { log, warnings } = recording();
    // As a kernel before Linux 6.17 shows it.
    const findOwner = peerOwners({ ownersKept: false });
    const own = new Set([process.geteuid?.() ?? 0]);
    const refused = deferred<void>();
    const admission = admissionOf(own, log, { findOwner });
    const transport = new DirectTransport({
      admission: {
        ...admission,
        refusedClosed: (...args) => {
          admission.refusedClosed(...args);
          refused.resolve();
        },
      },
    });
    let served = 0;
    const listening = await transport.listen({ host: '127.0.0.1', port: 0 }, () => {
      served += 1;
    });
    const { port } = listening.endpoint;
    const script = `const s = require('net').connect(${port}, '127.0.0.1', () => s.write(${JSON.stringify(bytes)}, () => s.destroy()))`;
    const blocked = spawnSync(process.execPath, ['-e', script]);
    expect(blocked.status).toBe(0);
    await refused.promise;
    await listening.close();
    expect([served, warnings]).toEqual([0, expected]);
  });
});

describe.runIf(process.platform === 'linux')('a process that lacks', () => {
  /**
   * Runs a greeter, and reads its lines. It is a child of `sh -c`, which may arrange things first.
   */
  async function greeting(t: Test, arrange: string, ...args: string[]) {
    const greeter = new URL('../support/greeter.ts', import.meta.url).pathname;
    const command = `${arrange} exec "$@"`;
    const argv = ['-c', command, 'sh', process.execPath, '--import', 'tsx', greeter, ...args];
    const child = spawn('sh', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    t.onTestFinished(() => void child.kill());
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return { next: async () => JSON.parse((await lines.next()).value) as Record<string, unknown> };
  }

  test('descriptors still identifies users', async (t) => {
    const { next } = await greeting(t, 'ulimit -n 200;', '1');
    const { port } = await next();
    const socket = net.connect(Number(port), '127.0.0.1');
    expect(String((await once(socket, 'data'))[0])).toBe('hello');
    socket.end();
    await once(socket, 'close');
    if (!canBeAnother) return;
    expect(await connectAs(OTHER, Number(port))).toBe(null);
    // To read the user's name takes descriptors too.
    expect((await next()).warning).toMatch(
      /^refused a connection to port \d+ from (a user|nobody) \(uid 65534\); /,
    );
  });

  asRoot('of', () => {
    test('/proc does not listen, and reports it', async (t) => {
      const { next } = await greeting(
        t,
        'exec unshare -m sh -c \'mount -t tmpfs none /proc; exec "$@"\' sh "$@";',
      );
      expect(await next()).toEqual({
        code: 'LISTEN_FAILED',
        message: expect.stringMatching(
          /^cannot tell which users connect to 127\.0\.0\.1: ENOENT.* LocalUsers=any$/,
        ),
      });
    });

    test('a uid of its own in a user namespace does not start, and reports it', async (t) => {
      const { next } = await greeting(t, 'exec unshare -U "$@";');
      expect(await next()).toEqual({
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(
          /^the user of this process \(uid 65534\) cannot be told apart from other users: /,
        ),
      });
    });

    test('names for other users in a user namespace refuses them', async (t) => {
      const { next } = await greeting(t, 'exec unshare -U -r "$@";');
      const { port } = await next();
      expect(await connectAs(0, Number(port))).toBe('hello');
      expect(await connectAs(4242, Number(port))).toBe(null);
      // Its name may be read or not: that takes descriptors too.
      expect((await next()).warning).toMatch(/: its user is not mapped into this user namespace$/);
    });
  });
});

test.runIf(process.platform === 'linux')(
  'finds the owners of 200 simultaneous connections in a few reads',
  async (t) => {
    const { log, warnings } = recording();
    let readings = 0;
    const read = async function* (table: string) {
      readings += 1;
      yield await readFile(`/proc/self/net/${table}`);
    };
    const own = new Set([process.geteuid?.() ?? 0]);
    const findOwner = peerOwners({ read });
    const transport = new DirectTransport({ admission: admissionOf(own, log, { findOwner }) });
    const { port } = (await greeter(t, transport)).endpoint;
    const sockets = Array.from({ length: 200 }, () => net.connect(port, '127.0.0.1'));
    await Promise.all(sockets.map((socket) => once(socket, 'data')));
    for (const socket of sockets) socket.destroy();
    expect(warnings).toEqual([]);
    expect(readings).toBeLessThan(50);
  },
);

/** Settles when the client's end of a connection to `port` is in that state. */
async function rowInState(port: number, state: string): Promise<void> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  await expect
    .poll(async () => await readFile('/proc/net/tcp', 'latin1'), { timeout: 10_000 })
    .toMatch(new RegExp(` [0-9A-F]{8}:[0-9A-F]{4} [0-9A-F]{8}:${hex} ${state} `));
}

/** A port that no program holds now. */
async function freePort(): Promise<number> {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** An FTP server with one file; returns its port. */
async function ftpServer(test: Test): Promise<number> {
  const listen = async (onConnection: (socket: net.Socket) => void) => {
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      onConnection(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    test.onTestFinished(() => void server.close());
    return (server.address() as net.AddressInfo).port;
  };
  return listen((control) => {
    let give: (data: net.Socket) => void = () => {};
    const data = new Promise<net.Socket>((resolve) => {
      give = resolve;
    });
    control.write('220 here\r\n');
    control.on('data', async (bytes) => {
      if (String(bytes).startsWith('EPSV')) control.write(`229 (|||${await listen(give)}|)\r\n`);
      if (!String(bytes).startsWith('RETR')) return;
      control.write('150 here it comes\r\n');
      (await data).end('the file', () => control.write('226 done\r\n'));
    });
  });
}

/** What has come when `pattern` fits it. */
function line(socket: net.Socket, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const onData = (data: string) => {
      text += data;
      if (!pattern.test(text)) return;
      socket.off('data', onData);
      resolve(text);
    };
    socket.on('data', onData).once('error', reject);
  });
}

function managed(transport: Transport): ManagedTransport {
  return {
    state: 'ready',
    openStream: (to, options) => transport.openStream(to, options),
    listen: (...args) => transport.listen(...args),
    start: async () => {},
    stop: async () => {},
    onState: () => {},
  };
}

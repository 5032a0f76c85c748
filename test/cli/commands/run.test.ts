import { type Duplex, PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { SUBCOMMANDS } from '../../../src/cli/commands/subcommands.ts';
import { GatewayError } from '../../../src/core/errors.ts';
import type { Peer } from '../../../src/core/transport.ts';
import { plugins as schemas } from '../../config/plugins.ts';
import { deferred } from '../../support/deferred.ts';
import { undocumented } from '../../support/documented-events.ts';
import { FakeTransport, localhost, login, Run } from '../fakes.ts';

const L = ['-L', '8021:localhost:21'];
const HOST = 'me@yourserver.example.com';

describe('a successful run', () => {
  test('prints its forwards on standard output, and exits with 0 on request', async () => {
    const transport = new FakeTransport();
    const run = new Run([...L, '-L', '8110:localhost:110', HOST], { tty: true, transport });
    await run.waitFor(/pop3/);
    run.process.emit('SIGINT');
    expect(await run.status).toBe(0);
    expect(run.stdout.lines).toEqual([
      'ftp   localhost:8021 → localhost:21   control and data through me@yourserver.example.com',
      'pop3  localhost:8110 → localhost:110  through me@yourserver.example.com',
    ]);
    expect(run.stderr.text).toBe('');
    expect(transport.stopped).toBe(1);
    expect(run.process.eventNames()).toEqual([]);
  });

  test.each(['SIGTERM', 'SIGHUP'])('%s stops it too', async (signal) => {
    const run = new Run([...L, HOST]);
    await run.waitFor(/→/);
    run.process.emit(signal);
    expect(await run.status).toBe(0);
  });

  test('logs JSON if standard error is not a terminal, each line with its event', async () => {
    const run = new Run([...L, '-v', HOST]);
    await run.waitFor(/forward\.ready/);
    run.process.emit('SIGTERM');
    await run.status;
    const lines = run.stderr.lines.map((line) => JSON.parse(line));
    expect(lines.flatMap(undocumented)).toEqual([]);
    expect(lines.map(({ event }) => event)).toEqual([
      'note',
      'forward.listening',
      'forward.ready',
      'stopping',
    ]);
    expect(lines.find(({ event }) => event === 'forward.ready')).toMatchObject({
      level: 'info',
      forward: 'ftp-8021',
      type: 'ftp',
      listen: { host: 'localhost', port: 8021 },
      target: { host: 'localhost', port: 21 },
      server: HOST,
      outsideSsh: false,
    });
    expect(lines[0]).toMatchObject({ msg: 'native crypto: yes', level: 'debug' });
  });

  test('--log-format json keeps standard output empty, -q both', async () => {
    const json = new Run([...L, '--log-format', 'json', HOST], { tty: true });
    await json.waitFor(/forward\.ready/);
    json.process.emit('SIGTERM');
    await json.status;
    expect(json.stdout.text).toBe('');

    let started = () => {};
    const listening = new Promise<void>((resolve) => {
      started = resolve;
    });
    const quiet = new Run([...L, '-q', HOST], {
      tty: true,
      local: async () => ({
        ...localhost,
        listen: (bind, onStream) => {
          if (bind.host === '::1') setImmediate(started);
          return localhost.listen(bind, onStream);
        },
      }),
    });
    await listening;
    quiet.process.emit('SIGTERM');
    expect(await quiet.status).toBe(0);
    expect(quiet.stdout.text + quiet.stderr.text).toBe('');
  });

  test('shows the bound port', async () => {
    const run = new Run(['-L', '0:localhost:21', HOST]);
    await run.waitFor(/localhost:40000 → localhost:21/);
    run.process.emit('SIGINT');
    await run.status;
  });

  test.each([
    [[], false, 'localhost'],
    [['-g'], false, '*'],
    [[], true, '*'],
  ])('with %j and GatewayPorts %s it listens on %s', async (flags, gatewayPorts, host) => {
    const run = new Run([...flags, ...L, HOST], { resolve: async (input) => login(input, { gatewayPorts }) });
    await run.waitFor(/→/);
    run.process.emit('SIGINT');
    await run.status;
    expect(run.stdout.text).toContain(`${host}:8021`);
  });

  test.each([
    ['SIGTERM', [], true],
    ['SIGTERM', ['-o', 'DrainTimeout=0'], false],
    ['SIGINT', [], false],
  ])('%s with %j lets a client that is connected finish: %s', async (signal, options, finishes) => {
    let connect: (stream: Duplex, peer: Peer) => void = () => {};
    const finish = deferred<void>();
    const served = deferred<boolean>();
    const run = new Run([...L, ...options, HOST], {
      local: async () => ({
        ...localhost,
        listen: (bind, onStream) => {
          connect = onStream;
          return localhost.listen(bind, onStream);
        },
      }),
      plugins: schemas.map((plugin) => ({
        ...plugin,
        refusal: () => null,
        run: async (session) => {
          const cut = new Promise((resolve) => session.signal.addEventListener('abort', resolve));
          await Promise.race([finish.promise, cut]);
          served.resolve(!session.signal.aborted);
        },
      })),
    });
    await run.waitFor(/→/);
    const end = { host: '127.0.0.1', port: 4711 };
    connect(new PassThrough(), { remote: end, local: end });
    run.process.emit(signal);
    if (finishes) {
      await run.waitFor(/SIGTERM: stopping; 1 connected: up to 10 s to finish/);
      finish.resolve();
    }
    expect(await served.promise).toBe(finishes);
    expect(await run.status).toBe(0);
    expect(run.notified).toEqual(['ready', 'stopping']);
  });

  test('passes the flags to the login', async () => {
    const flags = ['-Nvp', '2222', '-4', '-i', 'a', '-i', 'b', '-F', 'none', '-oCiphers=x', '-C'];
    const run = new Run([...flags, HOST, ...L, '-l', 'other']);
    await run.waitFor(/→/);
    run.process.emit('SIGINT');
    await run.status;
    expect(run.inputs).toMatchObject([
      {
        destination: 'yourserver.example.com',
        flags: {
          port: 2222,
          user: 'other',
          identityFile: ['a', 'b'],
          family: 4,
          configFile: 'none',
          noSession: true,
        },
        o: [
          ['Ciphers', 'x'],
          ['Compression', 'yes'],
        ],
      },
    ]);
  });

  test("ssh_config's LocalForward, RemoteForward and DynamicForward are enough to forward", async () => {
    const forwards = { local: ['8025:localhost:25'], remote: ['9000:localhost:80'], dynamic: ['1080'] };
    const transport = new FakeTransport();
    transport.listen = localhost.listen;
    const run = new Run([HOST], {
      tty: true,
      transport,
      resolve: async (input) => login(input, { forwards }),
    });
    await run.waitFor(/localhost:9000 on yourserver.example.com → localhost:80 here/);
    expect(run.stdout.text).toMatch(/localhost:8025 +→ localhost:25 /);
    expect(run.stdout.text).toMatch(/socks +localhost:1080 +→ client's choice +through/);
    run.process.emit('SIGINT');
    expect(await run.status).toBe(0);
  });
});

describe('a failed run reports the failure in one line', () => {
  test.each([
    ['SSH_AUTH', 255],
    ['SSH_HOST_KEY', 255],
    ['SSH_CONNECT', 255],
    ['SSH_UNSUPPORTED', 255],
    ['CONFIG_UNSUPPORTED', 2],
  ] as const)('%s before it is ready: exit status %i', async (code, status) => {
    const transport = new FakeTransport(Promise.reject(new GatewayError(code, 'it is so; do that')));
    const run = new Run([...L, HOST], { tty: true, transport });
    expect(await run.status).toBe(status);
    expect(run.stderr.lines[0]).toBe('sshferry: it is so; do that');
    // What a server does not support is not wrong usage.
    expect(run.stderr.text.includes('--help')).toBe(status === 2);
    expect(transport.stopped).toBe(1);
  });

  test('exits with 255 if it cannot bind a port', async () => {
    const taken = new GatewayError('LISTEN_IN_USE', 'cannot listen on localhost:8021: taken');
    const run = new Run([...L, HOST], {
      tty: true,
      local: async () => ({ ...localhost, listen: () => Promise.reject(taken) }),
    });
    expect(await run.status).toBe(255);
    expect(run.stderr.text).toBe('sshferry: cannot listen on localhost:8021: taken\n');
  });

  test('exits with 255 if SSH fails permanently later', async () => {
    const transport = new FakeTransport();
    const run = new Run([...L, HOST], { tty: true, transport });
    await run.waitFor(/→/);
    transport.become('failed', new GatewayError('SSH_HOST_KEY', 'the host key has changed'));
    expect(await run.status).toBe(255);
    expect(run.stderr.text).toBe('sshferry: the host key has changed\n');
  });

  test('as JSON if the log is JSON', async () => {
    const transport = new FakeTransport(Promise.reject(new GatewayError('SSH_AUTH', 'no key is accepted')));
    const run = new Run([...L, HOST], { transport });
    expect(await run.status).toBe(255);
    expect(run.stderr.lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: 'error', event: 'fatal', code: 'SSH_AUTH', msg: 'no key is accepted' },
    ]);
  });
});

describe('a bug', () => {
  test.each([
    ['without -v', [], 1],
    ['with -v', ['-v'], 2],
  ])('%s: exits with 255 and reports it', async (_name, flags, least) => {
    const run = new Run([...flags, ...L, HOST], { tty: true, facts: [] });
    await run.waitFor(/→/);
    run.process.emit('uncaughtException', new TypeError('x is not a function'));
    expect(await run.status).toBe(255);
    const told = run.stderr.lines.filter((line) => !/debug/.test(line));
    expect(told[0]).toContain('sshferry: internal error: x is not a function');
    if (least === 1) expect(told).toHaveLength(1);
    else expect(told[1]).toContain('TypeError: x is not a function');
  });

  test('exits without waiting for a server that does not close', async () => {
    const transport = new FakeTransport();
    transport.stopping = new Promise(() => {});
    const run = new Run([...L, HOST], { transport });
    await run.waitFor(/→/);
    run.process.emit('uncaughtException', new Error('x'));
    run.process.emit('SIGINT');
    expect(await run.status).toBe(255);
  });
});

describe('signals', () => {
  test('a second Ctrl-C ends it immediately', async () => {
    const transport = new FakeTransport();
    transport.stopping = new Promise(() => {});
    const run = new Run([...L, HOST], { transport });
    await run.waitFor(/→/);
    run.process.emit('SIGINT');
    run.process.emit('SIGINT');
    expect(await run.status).toBe(130);
  });

  test('Ctrl-C stops a login', async () => {
    const transport = new FakeTransport(new Promise(() => {}));
    const run = new Run([...L, HOST], { transport });
    await new Promise((resolve) => setImmediate(resolve));
    run.process.emit('SIGINT');
    expect(await run.status).toBe(0);
    expect(transport.stopped).toBe(1);
    expect(run.stdout.text).toBe('');
  });

  test('Ctrl-C at a prompt stops it; the failed prompt is not reported', async () => {
    let give = (_error: Error) => {};
    const transport = new FakeTransport(
      new Promise((_resolve, reject) => {
        give = reject;
      }),
    );
    const run = new Run([...L, HOST], { transport });
    await new Promise((resolve) => setImmediate(resolve));
    run.process.emit('SIGINT');
    give(new GatewayError('SSH_AUTH', 'given up'));
    expect(await run.status).toBe(0);
    expect(run.stderr.text).toBe('');
  });
});

test('--help fits a screen of 80 columns and 24 lines, prompt included', async () => {
  const run = new Run(['--help'], { tty: true });
  expect(await run.status).toBe(0);
  expect(run.stdout.lines.length).toBeLessThan(24);
  expect(Math.max(...run.stdout.lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  for (const flag of [
    '-L',
    '-R',
    '-D',
    '-p',
    '-l',
    '-i',
    '-F',
    '-o',
    '-N',
    '-f',
    '-v',
    '-4',
    '-g',
    '--log-format',
  ])
    expect(run.stdout.text).toContain(`  ${flag}`);
  for (const flag of ['-6', '-q', '-E']) expect(run.stdout.text).toContain(flag);
  for (const { name } of SUBCOMMANDS)
    expect(run.stdout.text).toMatch(new RegExp(`sshferry (.*\\|)?${name}\\b`));
});

test.each(SUBCOMMANDS.map(({ name }) => name))('%s has a --help of 80 columns', async (name) => {
  const run = new Run([name, '--help'], { tty: true });
  expect(await run.status).toBe(0);
  expect(run.stdout.lines[0]).toMatch(new RegExp(`^Usage: (sshferry )?${name}`));
  expect(Math.max(...run.stdout.lines.map((line) => line.length))).toBeLessThanOrEqual(80);
});

test.each(['--version', '-V'])('%s', async (flag) => {
  const run = new Run([flag]);
  expect(await run.status).toBe(0);
  expect(run.stdout.text).toBe('1.2.3\n');
});

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished, type TestContext, vi } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import type { EngineName } from '../../../src/core/ssh/connection/about.ts';
import type { HostVerifier } from '../../../src/core/ssh/host-key/host-key.ts';
import { connectChain } from '../../../src/core/ssh/link/chain.ts';
import type { Hop } from '../../../src/core/ssh/link/connect-hop.ts';
import { opensshEngine } from '../../../src/core/ssh/link/engine.ts';
import type { SshOptions } from '../../../src/core/ssh/options.ts';
import { deferred } from '../../support/deferred.ts';
import { ENGINES } from '../../support/engines.ts';
import { hostVerifier, silentLog, testOptions, typing } from '../../support/ssh-login.ts';
import { type SshServerOptions, startSshServer, type TestSshServer } from '../../support/ssh-server.ts';
import { listenTcp } from '../../support/tcp.ts';

const patient = new AbortController().signal;

async function serve(test: TestContext, count: number, options: SshServerOptions = {}) {
  const servers: TestSshServer[] = [];
  for (let n = 0; n < count; n++) {
    const server = await startSshServer(options);
    test.onTestFinished(() => server.close());
    servers.push(server);
  }
  return servers;
}

function hop(
  server: { port: number },
  name: string,
  over: Partial<SshOptions> = {},
  verifier?: HostVerifier,
  engine: EngineName = 'ssh2',
): Hop {
  return {
    options: testOptions({ host: name, port: server.port, ...over }),
    mayFallBack: true,
    engine: async () => (engine === 'ssh2' ? { name: 'ssh2' } : opensshEngine()),
    succeeded() {},
    openssh: () => ({ prompter: typing('demo'), log: silentLog, passphrases: new Map() }),
    credentials: async () => ({
      prompter: typing('demo'),
      log: silentLog,
      verifier: verifier ?? hostVerifier(),
      identities: [],
    }),
  };
}

function hops(servers: readonly TestSshServer[], over: Partial<SshOptions> = {}): Hop[] {
  return servers.map((server, index) => hop(server, `hop${index}`, over));
}

const connections = (servers: readonly TestSshServer[]) => servers.map((server) => server.connections);

describe.skipIf(!ENGINES.includes('openssh'))('jump hosts of two engines', () => {
  it.each([
    ['ssh2', 'openssh'],
    ['openssh', 'ssh2'],
    ['openssh', 'openssh'],
  ] as const)('%s, then %s: streams, and a loss of the first with its reason', async (first, second) => {
    const test = { onTestFinished } as unknown as TestContext;
    const servers = await serve(test, 2);
    const engines = [first, second];
    const echo = await listenTcp(test, (socket) => socket.pipe(socket));
    const chain = await connectChain(
      servers.map((server, index) =>
        hop(server, `hop${index}`, { strictHostKeyChecking: 'no' }, undefined, engines[index]),
      ),
      silentLog,
      patient,
    );
    onTestFinished(() => chain.close());
    expect(chain.about?.engine).toBe(second);
    const stream = await chain.openStream(echo);
    stream.write('through two');
    const [chunk] = await once(stream, 'data');
    expect(String(chunk)).toBe('through two');
    const failed = once(stream, 'error');
    servers[0]?.killConnections();
    expect((await failed)[0]).toMatchObject({ code: 'SSH_LOST', message: expect.stringContaining('hop0') });
    await chain.closed;
    await vi.waitFor(() => expect(connections(servers)).toEqual([0, 0]));
  });
});

describe('jump hosts', () => {
  it('are reached one through the other, and each host key is verified', async (test) => {
    const servers = await serve(test, 3);
    const echo = await listenTcp(test, (socket) => socket.pipe(socket));
    const shown: Buffer[] = [];
    const verifier = () =>
      hostVerifier({
        judge: (key) => {
          shown.push(Buffer.from(key));
          return { status: 'accepted' };
        },
      });
    const chain = await connectChain(
      servers.map((server, index) => hop(server, `hop${index}`, { session: true }, verifier())),
      silentLog,
      patient,
    );
    expect(shown).toEqual(servers.map(({ hostKey }) => hostKey.blob));
    const stream = await chain.openStream(echo);
    stream.end('through three');
    expect(String((await stream.toArray())[0])).toBe('through three');
    // Nothing reaches the second but what comes from the first.
    expect(servers.map(({ channelsOpened }) => channelsOpened)).toEqual([1, 1, 1]);
    await vi.waitFor(() => expect(servers.map(({ sessionsOpened }) => sessionsOpened)).toEqual([1, 1, 0]));
    expect(await chain.session()).toBeNull();
    await chain.close();
    expect(await chain.closed).toBeNull();
    await vi.waitFor(() => expect(connections(servers)).toEqual([0, 0, 0]));
  });

  it.for([0, 1, 2])(
    'end together, with one reason, when the connection to number %i is lost',
    async (which, test) => {
      const servers = await Promise.all([0, 1, 2].map(() => startSshServer()));
      const to = await listenTcp(test, () => {});
      const chain = await connectChain(hops(servers), silentLog, patient);
      const seen: unknown[] = [];
      (await chain.openStream(to)).on('error', (error) => seen.push(error));
      chain.onEnd((reason) => seen.push(reason));
      servers[which]?.killConnections();
      const reason = await chain.closed;
      expect(reason).toMatchObject({ code: 'SSH_LOST', message: expect.stringContaining(`hop${which}`) });
      await vi.waitFor(() => expect(seen).toHaveLength(2));
      for (const error of seen) expect(error).toBe(reason);
      await vi.waitFor(() => expect(connections(servers)).toEqual([0, 0, 0]));
      await Promise.all(servers.map((server) => server.close()));
    },
  );

  it.each(['login', 'host key'])('end together when the %s at the last fails', async (what) => {
    const servers = await Promise.all([0, 1].map(() => startSshServer()));
    const error = new GatewayError('SSH_HOST_KEY', 'not this one');
    const [first, last] = servers as [TestSshServer, TestSshServer];
    const verifier = hostVerifier(what === 'login' ? {} : { judge: () => ({ status: 'refused', error }) });
    const chain = connectChain(
      [hop(first, 'first'), hop(last, 'last', what === 'login' ? { user: 'nobody' } : {}, verifier)],
      silentLog,
      patient,
    );
    await expect(chain).rejects.toMatchObject({ code: what === 'login' ? 'SSH_AUTH' : 'SSH_HOST_KEY' });
    await vi.waitFor(() => expect(connections(servers)).toEqual([0, 0]));
    await Promise.all(servers.map((server) => server.close()));
  });

  it.each(['connect-failed', 'prohibited'] as const)('may be retried after a refusal: %s', async (answer) => {
    const server = await startSshServer({ allowForward: () => answer });
    const chain = connectChain([hop(server, 'gate'), hop({ port: 22 }, 'inner')], silentLog, patient);
    await expect(chain).rejects.toMatchObject({
      code: 'SSH_CONNECT',
      message: expect.stringContaining('127.0.0.1:22'),
    });
    await vi.waitFor(() => expect(server.connections).toBe(0));
    await server.close();
  });

  it('do not exceed the connect timeout', async () => {
    const server = await startSshServer({ allowForward: () => new Promise(() => {}) });
    const inner = hop({ port: 22 }, 'inner', { connectTimeout: 0.1 });
    await expect(connectChain([hop(server, 'gate'), inner], silentLog, patient)).rejects.toMatchObject({
      code: 'SSH_TIMEOUT',
    });
    await server.close();
  });

  it('can be aborted on the way', async () => {
    const owner = new AbortController();
    const reason = new Error('called off');
    const server = await startSshServer({
      allowForward: () => {
        queueMicrotask(() => owner.abort(reason));
        return new Promise(() => {});
      },
    });
    const chain = connectChain([hop(server, 'gate'), hop({ port: 22 }, 'inner')], silentLog, owner.signal);
    await expect(chain).rejects.toBe(reason);
    await vi.waitFor(() => expect(server.connections).toBe(0));
    await server.close();
  });
});

it.each([0, 1])(
  'a login that never finishes, as with a silent agent, can be aborted: at number %i',
  async (which) => {
    const owner = new AbortController();
    const server = await startSshServer();
    const hops = [hop(server, 'gate'), hop(server, 'inner')];
    const asked = deferred<void>();
    const mute = () => {
      asked.resolve();
      return new Promise<never>(() => {});
    };
    const chain = connectChain(
      hops.map((each, index) => (index === which ? { ...each, credentials: mute } : each)),
      silentLog,
      owner.signal,
    );
    await asked.promise;
    const reason = new Error('called off');
    owner.abort(reason);
    await expect(chain).rejects.toBe(reason);
    await vi.waitFor(() => expect(server.connections).toBe(0));
    await server.close();
  },
);

describe('ProxyCommand', () => {
  /**
   * A program that joins its standard streams to the server, and says that it has ended in a file.
   */
  async function proxy(test: TestContext, port: number) {
    const dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-'));
    test.onTestFinished(() => rm(dir, { recursive: true }));
    const program = path.join(dir, 'proxy.mjs');
    const gone = path.join(dir, 'gone');
    await writeFile(
      program,
      `import net from 'node:net';
       import { writeFileSync } from 'node:fs';
       process.on('exit', () => writeFileSync(${JSON.stringify(gone)}, ''));
       process.on('SIGHUP', () => process.exit());
       const socket = net.connect(${port}, '127.0.0.1');
       process.stdin.pipe(socket).pipe(process.stdout);
       socket.on('error', () => {}).on('close', () => process.exit());`,
    );
    return { command: `'${process.execPath}' '${program}'`, gone };
  }

  const left = (file: string) =>
    vi
      .waitFor(() => access(file), { timeout: 5000 })
      .then(
        () => true,
        () => false,
      );

  it('carries the connection, and ends with it', async (test) => {
    const [server] = (await serve(test, 1)) as [TestSshServer];
    const { command, gone } = await proxy(test, server.port);
    const echo = await listenTcp(test, (socket) => socket.pipe(socket));
    const connection = await connectChain(
      [hop({ port: 1 }, 'far', { proxyCommand: command })],
      silentLog,
      patient,
    );
    const stream = await connection.openStream(echo);
    const bytes = Buffer.alloc(3_000_000, 'x');
    stream.end(bytes);
    expect(Buffer.concat(await stream.toArray()).equals(bytes)).toBe(true);
    await connection.close();
    expect(await left(gone)).toBe(true);
    expect(server.connections).toBe(0);
  });

  it('leads to the first host of a chain', async (test) => {
    const servers = await serve(test, 2);
    const [first, last] = servers as [TestSshServer, TestSshServer];
    const { command, gone } = await proxy(test, first.port);
    const chain = await connectChain(
      [hop({ port: 1 }, 'first', { proxyCommand: command }), hop(last, 'last')],
      silentLog,
      patient,
    );
    expect(connections(servers)).toEqual([1, 1]);
    first.killConnections();
    expect(await chain.closed).toMatchObject({ code: 'SSH_LOST' });
    expect(await left(gone)).toBe(true);
  });

  it.each([
    ["sh -c 'exit 3'", 'exit status 3'],
    ['true', 'exit status 0'],
    ['no-such-program-here 2>/dev/null', 'exit status 127'],
    ['sh -c "kill -9 \\$\\$"', 'ended by SIGKILL'],
  ])('reports its failure in one line: %s', async (proxyCommand, why) => {
    const failed = connectChain([hop({ port: 1 }, 'far', { proxyCommand })], silentLog, patient);
    await expect(failed).rejects.toMatchObject({
      code: 'SSH_CONNECT',
      message: `ProxyCommand ended before the login (${why}): ${proxyCommand}`,
    });
  });

  it('that cannot run for lack of file descriptors may be retried', async () => {
    const source = fileURLToPath(new URL('../../../src/core/ssh/link/proxy-command.ts', import.meta.url));
    const script = `
      import { closeSync, openSync } from 'node:fs';
      import { runProxyCommand } from ${JSON.stringify(source)};
      const taken = [];
      try {
        for (;;) taken.push(openSync('/dev/null'));
      } catch {}
      let failure;
      try {
        runProxyCommand('cat');
      } catch (error) {
        failure = error;
      }
      for (const fd of taken) closeSync(fd);
      console.log(failure.code, failure.retryable, failure.message);`;
    const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', script];
    const { stdout } = await promisify(execFile)('sh', ['-c', 'ulimit -n 100; exec "$@"', 'sh', ...node]);
    expect(stdout.trim()).toBe('SSH_CONNECT true ProxyCommand cannot be run: too many open files: cat');
  });

  it('that stays silent is ended after the connect timeout', async () => {
    const far = hop({ port: 1 }, 'far', { proxyCommand: 'sleep 60', connectTimeout: 0.2 });
    await expect(connectChain([far], silentLog, patient)).rejects.toMatchObject({ code: 'SSH_TIMEOUT' });
    await vi.waitFor(() => expect(process.getActiveResourcesInfo()).not.toContain('ProcessWrap'));
  });
});

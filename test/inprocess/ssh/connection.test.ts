import { once } from 'node:events';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import ssh2, { type Algorithms } from 'ssh2';
import { describe, expect, it, onTestFinished, type TestContext, vi } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { KeyAgent, signByKey } from '../../../src/core/ssh/auth/key-agent.ts';
import type { SshOptions } from '../../../src/core/ssh/options.ts';
import { nativeCrypto } from '../../../src/core/ssh/ssh2/native-crypto.ts';
import type { Peer } from '../../../src/core/transport.ts';
import { deferred } from '../../support/deferred.ts';
import { newKeyPair } from '../../support/key-pair.ts';
import { connectTo, hostVerifier, typing } from '../../support/ssh-login.ts';
import { type SshServerOptions, startSshServer } from '../../support/ssh-server.ts';
import { listenTcp } from '../../support/tcp.ts';

type Test = Pick<TestContext, 'onTestFinished'>;

async function serve(test: Test, options: SshServerOptions = {}) {
  const ssh = await startSshServer(options);
  test.onTestFinished(() => ssh.close());
  return ssh;
}

async function connected(test: Test, options: SshServerOptions = {}) {
  const ssh = await serve(test, options);
  const connection = await connectTo(ssh.port);
  test.onTestFinished(() => connection.close());
  return { ssh, connection };
}

/** A port on which nothing listens. */
async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('connecting', () => {
  it('logs in, is ready, and closes', async (test) => {
    const { ssh, connection } = await connected(test);
    expect(connection.state).toBe('ready');
    await connection.close();
    expect(connection.state).toBe('closed');
    expect(await connection.closed).toBeNull();
    await vi.waitFor(() => expect(ssh.connections).toBe(0));
  });

  it('shows the server’s key to the verifier, with its address', async (test) => {
    const ssh = await serve(test);
    const judge = vi.fn(() => ({ status: 'accepted' }) as const);
    const proven = vi.fn(async () => {});
    const connection = await connectTo(ssh.port, {}, { verifier: hostVerifier({ judge, proven }) });
    test.onTestFinished(() => connection.close());
    expect(judge).toHaveBeenCalledExactlyOnceWith(ssh.hostKey.blob);
    expect(proven).toHaveBeenCalledExactlyOnceWith(ssh.hostKey.blob, '127.0.0.1');
  });

  it('accepts the same key in a rekey without the verifier', async (test) => {
    const ssh = await serve(test);
    const judge = vi.fn(() => ({ status: 'accepted' }) as const);
    const connection = await connectTo(ssh.port, {}, { verifier: hostVerifier({ judge }) });
    test.onTestFinished(() => connection.close());
    await ssh.rekey();
    expect(judge).toHaveBeenCalledOnce();
    expect(connection.state).toBe('ready');
  });

  it('ends with the verifier’s error if it refuses, before any login', async (test) => {
    const authenticate = vi.fn();
    const ssh = await serve(test, { authenticate });
    const error = new GatewayError('SSH_HOST_KEY', 'not this one');
    const verifier = hostVerifier({ judge: () => ({ status: 'refused', error }) });
    await expect(connectTo(ssh.port, {}, { verifier })).rejects.toBe(error);
    await vi.waitFor(() => expect(ssh.connections).toBe(0));
    expect(authenticate).not.toHaveBeenCalled();
  });

  it('ends with SSH_AUTH if the server refuses every login', async (test) => {
    const ssh = await serve(test);
    const login = connectTo(ssh.port, {}, { prompter: typing('wrong') });
    await expect(login).rejects.toMatchObject({ code: 'SSH_AUTH' });
    await vi.waitFor(() => expect(ssh.connections).toBe(0));
  });

  it('reports that nothing listens there', async () => {
    const port = await freePort();
    await expect(connectTo(port)).rejects.toMatchObject({
      code: 'SSH_CONNECT',
      message: expect.stringContaining(`127.0.0.1:${port}: connection refused`),
    });
  });

  it('reports that there is no such host', async () => {
    await expect(connectTo(22, { hostName: 'no-such-host.invalid' })).rejects.toMatchObject({
      code: 'SSH_CONNECT',
      message: expect.stringMatching(/no-such-host\.invalid/),
    });
  });

  it.each([
    [
      'speaks another protocol',
      'HTTP/1.1 400 Bad Request\r\n\r\n',
      'does not speak SSH ("HTTP/1.1 400 Bad Request")',
    ],
    ['hangs up', '', 'closed the connection during login'],
    ['has too many callers', 'Exceeded MaxStartups\r\n', 'Exceeded MaxStartups'],
  ])('reports that the listening program %s', async (_what, greeting, words) => {
    const server = net
      .createServer((socket) => socket.on('error', () => {}).end(greeting))
      .listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    await expect(connectTo(port)).rejects.toMatchObject({
      code: 'SSH_CONNECT',
      message: expect.stringContaining(words),
    });
    server.close();
  });

  it.each([
    [
      { cipher: ['aes128-cbc', 'aes256-cbc'] },
      {},
      /no cipher in common: the server has aes128-cbc,aes256-cbc; .*-o Ciphers=\+aes128-cbc$/,
    ],
    [
      { kex: ['diffie-hellman-group14-sha1'] },
      {},
      /no key exchange algorithm in common: the server has diffie-hellman-group14-sha1; .*KexAlgorithms=\+/,
    ],
    [
      { hmac: ['hmac-md5'] },
      { ciphers: ['aes128-ctr'] },
      /no MAC in common: the server has hmac-md5; .*MACs=\+/,
    ],
    [{}, { hostKeyAlgorithms: ['ssh-dss'] }, /no host key format in common: the server has ssh-ed25519; /],
  ] as const)('lists the algorithms of a server that shares none (%j)', async (offered, options, message) => {
    const ssh = await serve({ onTestFinished }, { algorithms: structuredClone(offered) as Algorithms });
    const wanted: Partial<SshOptions> = options;
    const { hostKeyAlgorithms: algorithms } = wanted;
    const verifier = hostVerifier(algorithms ? { algorithms } : {});
    await expect(connectTo(ssh.port, wanted, { verifier })).rejects.toMatchObject({
      code: 'SSH_UNSUPPORTED',
      message: expect.stringMatching(message),
    });
  });

  it('reports a server of another protocol, even if it then stays silent and connected', async (test) => {
    const { port } = await listenTcp(test, (socket) => socket.write('220 ftp ready\r\n'));
    await expect(connectTo(port, { connectTimeout: 0.5 })).rejects.toMatchObject({
      code: 'SSH_CONNECT',
      message: expect.stringContaining('does not speak SSH ("220 ftp ready")'),
    });
  });

  it.each([
    ['inet', '::1', /"::1" has no IPv4 address/],
    ['inet6', '127.0.0.1', /"127.0.0.1" has no IPv6 address/],
  ] as const)('does not leave %s for %s', async (addressFamily, hostName, message) => {
    await expect(connectTo(1, { addressFamily, hostName })).rejects.toMatchObject({
      code: 'SSH_CONNECT',
      message: expect.stringMatching(message),
    });
  });

  it('gives up on a server that never answers', async (test) => {
    const { port } = await listenTcp(test, (socket) => socket.resume());
    await expect(connectTo(port, { connectTimeout: 0.1 })).rejects.toMatchObject({ code: 'SSH_TIMEOUT' });
  });

  it('does not count the time that a person takes', async (test) => {
    const ssh = await serve(test);
    const slow = { ...typing('demo'), ask: () => new Promise<string>((r) => setTimeout(r, 600, 'demo')) };
    let known = false;
    const verifier = hostVerifier({
      judge: () => ({ status: known ? 'accepted' : 'unknown' }),
      ask: async () => {
        await delay(600);
        known = true;
        return true;
      },
    });
    const connection = await connectTo(ssh.port, { connectTimeout: 0.5 }, { prompter: slow, verifier });
    expect(connection.state).toBe('ready');
    await connection.close();
  });

  it('does not count the time that an agent takes to sign, because it may ask a person', async (test) => {
    const pair = newKeyPair();
    const ssh = await serve(test, { users: { demo: { publicKeys: [pair.public] } } });
    const publicKey = ssh2.utils.parseKey(pair.private);
    if (publicKey instanceof Error) throw publicKey;
    const agent = new KeyAgent(publicKey, async (data, how) => {
      await delay(600);
      return signByKey(publicKey, data, how);
    });
    const identities = [{ type: 'agent', label: 'key', agent, publicKey } as const];
    const connection = await connectTo(ssh.port, { connectTimeout: 0.5 }, { identities });
    expect(connection.state).toBe('ready');
    await connection.close();
  });

  it.each(['before', 'while connecting', 'at a prompt'])('can be aborted %s', async (when) => {
    const ssh = await startSshServer();
    const owner = new AbortController();
    const reason = new Error('called off');
    if (when === 'before') owner.abort(reason);
    const ask = (_question: string, { signal }: { signal?: AbortSignal }) => {
      queueMicrotask(() => owner.abort(reason));
      return new Promise<string>((_resolve, reject) =>
        signal?.addEventListener('abort', () => reject(signal.reason)),
      );
    };
    const login = connectTo(ssh.port, {}, { signal: owner.signal, prompter: { ...typing(''), ask } });
    if (when === 'while connecting') owner.abort(reason);
    await expect(login).rejects.toBe(reason);
    await vi.waitFor(() => expect(ssh.connections).toBe(0));
    await ssh.close();
  });

  it('works over a stream that the caller passes', async (test) => {
    const outer = await connected(test);
    const inner = await serve(test);
    const dial = () => outer.connection.openStream({ host: '127.0.0.1', port: inner.port });
    const connection = await connectTo(inner.port, {}, { dial });
    const echo = await listenTcp(test, (peer) => peer.pipe(peer));
    const stream = await connection.openStream(echo);
    stream.end('through two');
    expect(String((await stream.toArray())[0])).toBe('through two');
    await connection.close();
    await vi.waitFor(() => expect(outer.ssh.channels).toBe(0));
  });
});

describe('openStream', () => {
  it('does not tell the server where the connection comes from', async (test) => {
    const allowForward = vi.fn(() => 'prohibited' as const);
    const { connection } = await connected(test, { allowForward });
    const from = { host: '127.0.0.1', port: 0 };
    await connection.openStream({ host: 'mail.example', port: 110 }).catch(() => {});
    expect(allowForward).toHaveBeenCalledWith({ host: 'mail.example', port: 110, from });
  });

  it.each([
    ['prohibited', 'PermitOpen'],
    ['connect-failed', 'is the service running'],
    ['unknown-type', 'does not support TCP forwarding'],
    ['shortage', 'no resources left'],
  ] as const)('explains a refusal: %s', async (reason, words) => {
    const ssh = await startSshServer({ allowForward: () => reason });
    const connection = await connectTo(ssh.port);
    await expect(connection.openStream({ host: 'localhost', port: 21 })).rejects.toMatchObject({
      code: 'CHANNEL_REFUSED',
      reason,
      message: expect.stringContaining(words),
    });
    expect(connection.state).toBe('ready');
    await connection.close();
    await ssh.close();
  });

  it.each(['timeout', 'signal'])('gives up by %s, and destroys what opens too late', async (how) => {
    const answer = deferred<true>();
    const ssh = await startSshServer({ allowForward: () => answer.promise });
    const target = net.createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
    await once(target, 'listening');
    const connection = await connectTo(ssh.port);
    const owner = new AbortController();
    const opening = connection.openStream(
      { host: '127.0.0.1', port: (target.address() as net.AddressInfo).port },
      how === 'timeout' ? { timeout: 50 } : { signal: owner.signal },
    );
    const reason = new Error('no longer wanted');
    if (how === 'signal') owner.abort(reason);
    await expect(opening).rejects.toMatchObject(how === 'timeout' ? { code: 'CHANNEL_TIMEOUT' } : reason);
    expect(ssh.channelsOpened).toBe(0);
    answer.resolve(true);
    await vi.waitFor(() => expect(ssh.channelsOpened).toBe(1));
    await vi.waitFor(() => expect(ssh.channels).toBe(0));
    await connection.close();
    await ssh.close();
    target.close();
  });

  it('rejects on a lost connection, and on one that is lost meanwhile', async (test) => {
    const { ssh, connection } = await connected(test, { allowForward: () => new Promise(() => {}) });
    const opening = connection.openStream({ host: 'localhost', port: 21 });
    ssh.killConnections();
    await expect(opening).rejects.toMatchObject({ code: 'SSH_LOST' });
    await expect(connection.openStream({ host: 'localhost', port: 21 })).rejects.toMatchObject({
      code: 'SSH_LOST',
    });
    await expect(connection.listen({ host: '127.0.0.1', port: 0 }, () => {})).rejects.toMatchObject({
      code: 'SSH_LOST',
    });
  });
});

it('survives a channel that is closed in the packet that opens it, before a handler is attached', async (test) => {
  const server = new ssh2.Server({ hostKeys: [newKeyPair().private] }, (client) => {
    client.on('error', () => {});
    client.on('authentication', (context) => context.accept());
    client.on('tcpip', (accept) => {
      const { _sock: socket } = client as unknown as { _sock: net.Socket };
      socket.cork();
      accept().close();
      socket.uncork();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const connection = await connectTo(port);
  test.onTestFinished(async () => {
    await connection.close();
    server.close();
  });
  await expect(connection.openStream({ host: 'localhost', port: 1 })).rejects.toMatchObject({
    code: 'CHANNEL_REFUSED',
    reason: 'connect-failed',
    message: expect.stringContaining('closed the connection as soon as'),
  });
  expect(connection.state).toBe('ready');
});

describe('listen', () => {
  it('passes on connections to the server’s port, until it is closed', async (test) => {
    const { ssh, connection } = await connected(test);
    const arrived = deferred<[Duplex, Peer]>();
    const listening = await connection.listen({ host: '127.0.0.1', port: 0 }, (...it) => arrived.resolve(it));
    expect(listening.endpoint.port).toBeGreaterThan(0);
    const client = net.connect(listening.endpoint.port, '127.0.0.1');
    client.end('hello');
    const [stream, peer] = await arrived.promise;
    expect(peer).toEqual({
      remote: { host: '127.0.0.1', port: client.localPort },
      local: listening.endpoint,
    });
    stream.end();
    expect(String((await stream.toArray())[0])).toBe('hello');
    client.resume();
    await listening.close();
    await vi.waitFor(() => expect(ssh.listeners).toBe(0));
  });

  it('explains that the server refuses', async (test) => {
    const { connection } = await connected(test, { allowListen: false });
    await expect(connection.listen({ host: '127.0.0.1', port: 2121 }, () => {})).rejects.toMatchObject({
      code: 'LISTEN_FAILED',
      message: expect.stringContaining('PermitListen'),
    });
  });
});

describe('session', () => {
  it('asks for the sftp subsystem, once, and runs nothing', async (test) => {
    const { ssh, connection } = await connected(test);
    expect(await connection.session()).toBeNull();
    expect(ssh.sessionRequests).toEqual(['subsystem:sftp']);
  });

  it('returns a note if the server opens none', async (test) => {
    const { connection } = await connected(test, { allowSession: false });
    expect(await connection.session()).toContain('no session');
    expect(connection.state).toBe('ready');
  });
});

describe('the end', () => {
  it('notices a server that has vanished, by keepalive', async (test) => {
    const ssh = await serve(test);
    const connection = await connectTo(ssh.port, { serverAliveInterval: 0.1, serverAliveCountMax: 2 });
    ssh.freeze();
    expect(await connection.closed).toMatchObject({
      code: 'SSH_LOST',
      message: expect.stringContaining('no answer'),
    });
  });

  it('ends open streams with STOPPING when it is closed on purpose', async (test) => {
    const { connection } = await connected(test);
    const to = await listenTcp(test, () => {});
    const stream = await connection.openStream(to);
    const failed = once(stream, 'error');
    await connection.close();
    expect((await failed)[0]).toMatchObject({ code: 'STOPPING' });
  });
});

it('detects whether ssh2 has its native addon', () => {
  expect(nativeCrypto()).toBeTypeOf('boolean');
});

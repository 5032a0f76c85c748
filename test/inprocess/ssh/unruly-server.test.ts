import { createDiffieHellmanGroup } from 'node:crypto';
import net from 'node:net';
import { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import ssh2 from 'ssh2';
import { describe, expect, it, type TestContext, vi } from 'vitest';
import type { GatewayError } from '../../../src/core/errors.ts';
import { Gateway } from '../../../src/core/gateway.ts';
import { DirectTransport } from '../../../src/core/local/tcp-transport.ts';
import type { Identity } from '../../../src/core/ssh/auth/identity.ts';
import { KeyAgent, signByKey } from '../../../src/core/ssh/auth/key-agent.ts';
import { SshSupervisor } from '../../../src/core/ssh/link/supervisor.ts';
import type { Prompter, SshOptions } from '../../../src/core/ssh/options.ts';
import type { SshConnection } from '../../../src/core/ssh/ssh2/connection.ts';
import { deferred } from '../../support/deferred.ts';
import { ftpForward } from '../../support/gateway.ts';
import { RawClient } from '../../support/raw-client.ts';
import type { RawSshConnection } from '../../support/raw-ssh/connection.ts';
import { Reader } from '../../support/raw-ssh/encoding.ts';
import { newHostKey } from '../../support/raw-ssh/host-key.ts';
import {
  exchangeKeys,
  GROUP_EXCHANGE,
  type KeyExchangeOptions,
  OFFER,
  rekey,
} from '../../support/raw-ssh/key-exchange.ts';
import {
  channelClose,
  channelData,
  channelEof,
  channelRequest,
  debug,
  disconnect,
  extendedData,
  forwardedTcpip,
  globalRequest,
  ignore,
  infoRequest,
  kexInit,
  MSG,
  openConfirmation,
  requestFailure,
  requestSuccess,
  serverSigAlgs,
  serviceAccept,
  unimplemented,
  userauthBanner,
  userauthFailure,
  userauthPkOk,
  userauthSuccess,
  windowAdjust,
} from '../../support/raw-ssh/messages.ts';
import { startRawSshServer } from '../../support/raw-ssh/server.ts';
import { type ConnectionHandlers, letIn, serve } from '../../support/raw-ssh/steps.ts';
import { connectTo, silentLog, typing } from '../../support/ssh-login.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const hostKey = newHostKey();
const TARGET = { host: 'localhost', port: 21 };

/** Logs in to a correct server, which then uses `handlers`. */
async function loggedIn(
  test: TestContext,
  handlers: (connection: RawSshConnection) => ConnectionHandlers,
  identification?: string,
): Promise<{ ssh: SshConnection; server: RawSshConnection }> {
  const raw = await startRawSshServer(test, async (connection) => {
    await exchangeKeys(connection, { hostKey, ...(identification && { identification }) });
    await letIn(connection);
    await serve(connection, handlers(connection));
  });
  const ssh = await connectTo(raw.port);
  test.onTestFinished(() => ssh.close());
  const [server] = raw.connections;
  if (server === undefined) throw new Error('no connection');
  return { ssh, server };
}

/** Ignores the stream's errors. */
function quiet(stream: Duplex): Duplex {
  return stream.on('error', () => {});
}

/** Resolves when the client has handled everything that the server has sent so far. */
async function handled(server: RawSshConnection): Promise<void> {
  const before = server.received.length;
  server.send(globalRequest('are-you-there@example.com', true));
  await said(server, MSG.REQUEST_FAILURE, before);
}

/** Returns the client's first message of that type, starting at index `from`. */
function said(server: RawSshConnection, type: number, from = 0): Promise<Buffer> {
  return vi.waitFor(
    () => {
      const payload = server.received.slice(from).find(([first]) => first === type);
      if (payload === undefined) throw new Error(`no message of type ${type} has come`);
      return payload;
    },
    { timeout: 20_000 },
  );
}

describe('data beyond the window', () => {
  const FLOOD = 16 * MiB;
  const confirming = (connection: RawSshConnection, window: { is: number }): ConnectionHandlers => ({
    open: (request) => {
      window.is = request.window;
      connection.send(openConfirmation(request.sender, request.sender));
    },
  });

  it.for(['data', 'extended data'])('ends the connection, or does no harm: %s', async (kind, test) => {
    const window = { is: 0 };
    const { ssh, server } = await loggedIn(test, (connection) => confirming(connection, window));
    const stream = quiet(await ssh.openStream(TARGET, { bulk: true }));
    const packet = (kind === 'data' ? channelData : extendedData)(0, Buffer.alloc(32 * KiB));
    let sent = 0;
    // The stream is never read, so only dropped extended data is granted again.
    const flood = () => {
      while (!server.ended && sent < FLOOD) {
        sent += 32 * KiB;
        server.send(packet);
        if (sent % MiB === 0) return void setImmediate(flood);
      }
    };
    flood();
    if (kind === 'data') {
      expect(await ssh.closed).toMatchObject({
        code: 'SSH_LOST',
        message: expect.stringContaining('sent more than its receive window allows'),
      });
      expect(stream.readableLength).toBeLessThan(1.2 * window.is + 64 * KiB);
    } else {
      // It is dropped on arrival and its window is granted again, so it never exceeds the window.
      await vi.waitFor(() => expect(sent).toBe(FLOOD), { timeout: 20_000 });
      await handled(server);
      expect(stream.readableLength).toBe(0);
      expect(ssh.state).toBe('ready');
    }
  });

  it('ends the connection on a session channel whose request is still pending', async (test) => {
    const { ssh, server } = await loggedIn(test, (connection) => ({
      open: ({ sender }) => connection.send(openConfirmation(sender, sender)),
      // The request is never answered.
      request: () => {
        for (let sent = 0; sent < 8 * MiB; sent += 32 * KiB)
          connection.send(channelData(0, Buffer.alloc(32 * KiB)));
      },
    }));
    void ssh.session();
    expect(await ssh.closed).toMatchObject({ code: 'SSH_LOST' });
    await server.closed;
  });

  it('is tolerated up to a tenth of the window, as in ssh, without losing a byte', async (test) => {
    const window = { is: 0 };
    const { ssh, server } = await loggedIn(test, (connection) => confirming(connection, window));
    const stream = await ssh.openStream(TARGET, { bulk: true });
    const total = Buffer.alloc(window.is + 96 * KiB, 'every byte, in its order. ');
    for (let at = 0; at < total.length; at += 32 * KiB)
      server.send(channelData(0, total.subarray(at, at + 32 * KiB)));
    server.send(channelEof(0));
    await handled(server);
    expect(ssh.state).toBe('ready');
    expect(Buffer.concat(await stream.toArray()).equals(total)).toBe(true);
    stream.destroy();
  });
});

describe('a maximum packet size', () => {
  it.for([0, 1, 1023])('of %i bytes refuses the channel; the connection continues', async (packet, test) => {
    const sizes = [packet, 32 * KiB];
    const { ssh, server } = await loggedIn(test, (connection) => ({
      open: ({ sender }) => connection.send(openConfirmation(sender, sender, { packet: sizes.shift() ?? 0 })),
    }));
    await expect(ssh.openStream(TARGET)).rejects.toMatchObject({
      code: 'CHANNEL_REFUSED',
      message: `yourserver, on the way to localhost:21: the maximum packet size of ${packet} bytes is too small; at least 1024 are needed`,
    });
    // For the server the channel was open.
    await said(server, MSG.CHANNEL_CLOSE);
    const stream = await ssh.openStream(TARGET);
    stream.write('hello');
    await vi.waitFor(() => expect(server.channelData).toBe('hello'));
    stream.destroy();
  });

  it('of 1,024 bytes is respected', async (test) => {
    const { ssh, server } = await loggedIn(test, (connection) => ({
      open: ({ sender }) => connection.send(openConfirmation(sender, sender, { packet: 1024 })),
    }));
    const stream = await ssh.openStream(TARGET);
    const bytes = Buffer.alloc(10_000, 'in small pieces ');
    stream.write(bytes);
    await vi.waitFor(() => expect(server.channelData).toBe(bytes.toString()));
    const data = server.received.filter((payload) => payload[0] === MSG.CHANNEL_DATA);
    expect(Math.max(...data.map((payload) => payload.length - 9))).toBe(1024);
    stream.destroy();
  });

  it('that is too small also refuses a channel that the server opens', async (test) => {
    const { ssh, server } = await loggedIn(test, (connection) => ({
      global: () => connection.send(requestSuccess(4711)),
    }));
    const arrived = vi.fn();
    await ssh.listen({ host: '127.0.0.1', port: 0 }, arrived);
    const bound = { host: '127.0.0.1', port: 4711 };
    server.send(forwardedTcpip(7, bound, { host: '127.0.0.1', port: 2 }, { packet: 0 }));
    const failure = new Reader(await said(server, MSG.CHANNEL_OPEN_FAILURE));
    expect([failure.uint32(), failure.uint32(), failure.string()]).toEqual([
      7,
      4,
      'the maximum packet size of 0 bytes is too small; at least 1024 are needed',
    ]);
    expect(arrived).not.toHaveBeenCalled();
    expect(ssh.state).toBe('ready');
  });
});

describe('a send window', () => {
  it('of 4 GiB works', async (test) => {
    const { ssh, server } = await loggedIn(test, (connection) => ({
      open: ({ sender }) => connection.send(openConfirmation(sender, sender, { window: 2 ** 32 - 1 })),
    }));
    const stream = await ssh.openStream(TARGET);
    const bytes = Buffer.alloc(3 * MiB, 'as far as it goes ');
    stream.write(bytes);
    await vi.waitFor(() => expect(server.channelData.length).toBe(bytes.length), { timeout: 20_000 });
    stream.destroy();
  });

  it('larger than SSH allows ends the connection', async (test) => {
    const { ssh } = await loggedIn(test, (connection) => ({
      open: ({ sender }) =>
        connection.send(
          openConfirmation(sender, sender, { window: 2 ** 32 - 1 }),
          windowAdjust(sender, 2 ** 32 - 1),
        ),
    }));
    void ssh.openStream(TARGET).catch(() => {});
    expect(await ssh.closed).toMatchObject({
      code: 'SSH_LOST',
      message: expect.stringContaining('a larger window than SSH allows'),
    });
  });
});

describe('during a key exchange', () => {
  /** A stream with a large send window. */
  async function openStream(test: TestContext) {
    const { ssh, server } = await loggedIn(test, (connection) => ({
      open: ({ sender }) =>
        connection.send(openConfirmation(sender, sender, { window: 2 ** 31, packet: 32 * KiB })),
    }));
    const stream = quiet(await ssh.openStream(TARGET));
    return { ssh, server, stream };
  }

  it('writes wait in the stream, not in ssh2', async (test) => {
    const { ssh, server, stream } = await openStream(test);
    server.send(kexInit(OFFER));
    await said(server, MSG.KEXINIT, 1);
    const block = Buffer.alloc(64 * KiB, 'after the exchange');
    let written = 0;
    while (stream.write(block)) written += 1;
    for (let i = 0; i < 100; i++) await turn();
    expect(written).toBeLessThan(8);
    expect(stream.writableLength).toBe((written + 1) * block.length);
    expect(server.channelData).toBe('');
    expect(ssh.state).toBe('ready');
  });

  it('a transfer pauses, then continues with every byte in order', async (test) => {
    const { ssh, server, stream } = await openStream(test);
    const block = Buffer.alloc(64 * KiB);
    const total = 8 * MiB;
    let sent = 0;
    const more = () => {
      while (sent < total) {
        block.writeUInt32BE(sent);
        sent += block.length;
        if (!stream.write(Buffer.from(block))) return;
      }
      stream.end();
    };
    stream.on('drain', more);
    more();
    for (let round = 0; round < 5; round++) {
      await rekey(server, { hostKey });
      await turn();
    }
    await said(server, MSG.CHANNEL_EOF);
    const bytes = Buffer.from(server.channelData, 'latin1');
    expect(bytes.length).toBe(total);
    for (let at = 0; at < total; at += block.length) expect(bytes.readUInt32BE(at)).toBe(at);
    expect(ssh.state).toBe('ready');
    stream.destroy();
  });

  it('the connection ends after two minutes', async (test) => {
    const { ssh, server, stream } = await openStream(test);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    test.onTestFinished(() => void vi.useRealTimers());
    server.send(kexInit(OFFER));
    await said(server, MSG.KEXINIT, 1);
    const written = new Promise((resolve) => stream.write('too late', resolve));
    await vi.advanceTimersByTimeAsync(120_000);
    expect(await ssh.closed).toMatchObject({
      code: 'SSH_LOST',
      message: expect.stringContaining('a rekey did not finish within 120 s'),
    });
    expect(await written).toBeInstanceOf(Error);
  });
});

describe('a channel that the server confirms and closes in one segment', () => {
  it.for(['SSH-2.0-OpenSSH_9.2', 'SSH-2.0-dropbear_2022.83'])(
    'rejects openStream: %s',
    async (identification, test) => {
      const { ssh } = await loggedIn(
        test,
        (connection) => ({
          open: ({ sender }) =>
            connection.together(() =>
              connection.send(openConfirmation(sender, sender), channelClose(sender)),
            ),
        }),
        identification,
      );
      await expect(ssh.openStream(TARGET)).rejects.toMatchObject({
        code: 'CHANNEL_REFUSED',
        reason: 'connect-failed',
        message: 'localhost:21 closed the connection as soon as yourserver had opened it; check the target',
      });
      expect(ssh.state).toBe('ready');
    },
  );

  it.for([
    ['SSH-2.0-Go', [channelClose(0)]],
    ['SSH-2.0-OpenSSH_9.2', [channelEof(0), channelClose(0)]],
    ['SSH-2.0-OpenSSH_9.2', [channelData(0, '421 go away\r\n'), channelEof(0), channelClose(0)]],
  ] as const)('resolves openStream if its data is complete: %s', async ([identification, rest], test) => {
    const { ssh } = await loggedIn(
      test,
      (connection) => ({
        open: ({ sender }) =>
          connection.together(() => connection.send(openConfirmation(sender, sender), ...rest)),
      }),
      identification,
    );
    const stream = await ssh.openStream(TARGET);
    const said = rest.length === 3 ? '421 go away\r\n' : '';
    expect(Buffer.concat(await stream.toArray()).toString()).toBe(said);
  });
});

describe('an FTP client whose channel the server confirms and closes in one segment', () => {
  /** A gateway for FTP before a raw server. */
  async function ftpGateway(
    test: TestContext,
    handlers: (connection: RawSshConnection) => ConnectionHandlers,
  ) {
    const raw = await startRawSshServer(test, async (connection) => {
      await exchangeKeys(connection, { hostKey, identification: 'SSH-2.0-dropbear_2022.83' });
      await letIn(connection);
      await serve(connection, handlers(connection));
    });
    const supervisor = new SshSupervisor(
      (signal) => connectTo(raw.port, {}, { signal }),
      { host: 'yourserver', connectTimeout: 10, connectionAttempts: 1, session: false },
      silentLog,
    );
    const gateway = new Gateway({
      transports: new Map([['yourserver', supervisor]]),
      local: new DirectTransport(),
      forwards: [ftpForward(TARGET)],
      log: silentLog,
    });
    test.onTestFinished(() => gateway.stop());
    await gateway.start();
    const endpoint = gateway.endpoint('ftp');
    if (endpoint === undefined) throw new Error('it does not listen');
    return { gateway, client: await RawClient.connect(test, endpoint) };
  }

  it('gets a 421, and its session ends', async (test) => {
    const { gateway, client } = await ftpGateway(test, (connection) => ({
      open: ({ sender }) =>
        connection.together(() => connection.send(openConfirmation(sender, sender), channelClose(sender))),
    }));
    expect(await client.reply()).toMatch(/^421 .*localhost:21 closed the connection as soon as/);
    expect(await client.control.ended()).toBe('eof');
    client.control.end();
    await vi.waitFor(() => expect(gateway.sessions).toBe(0));
  });

  it('gets a 425 or 426 for a data channel', async (test) => {
    const { client } = await ftpGateway(test, (connection) => ({
      open: ({ sender, to }) => {
        const rest = to?.port === 21 ? [channelData(sender, '220 ready\r\n')] : [channelClose(sender)];
        connection.together(() => connection.send(openConfirmation(sender, sender), ...rest));
      },
      channel: (type, channel, reader) => {
        if (type !== MSG.CHANNEL_DATA) return;
        const verb = reader.string().trim().split(' ')[0];
        const replies: Record<string, string> = {
          EPSV: '229 Entering Extended Passive Mode (|||4711|)',
          RETR: '150 here it comes',
          NOOP: '200 fine',
        };
        connection.send(channelData(channel, `${replies[verb ?? ''] ?? '500 what?'}\r\n`));
      },
    }));
    expect(await client.reply()).toBe('220 ready');
    const reply = await client.command('EPSV');
    if (reply.startsWith('229')) expect(await client.command('RETR file')).toMatch(/^(425|426) /);
    else expect(reply).toMatch(/^425 /);
  });
});

describe('a tcpip-forward for port 0 that the server answers with port', () => {
  it.for([
    ['70000', requestSuccess(70_000), /answered with port 70000, which is not a port/],
    ['0', requestSuccess(0), /answered with port 0, which is not a port/],
    ['none', requestSuccess(), /answered with port 0, which is not a port/],
  ] as const)('%s is refused', async ([, answer, message], test) => {
    const { ssh } = await loggedIn(test, (connection) => ({ global: () => connection.send(answer) }));
    await expect(ssh.listen({ host: '127.0.0.1', port: 0 }, () => {})).rejects.toMatchObject({
      code: 'LISTEN_FAILED',
      message: expect.stringMatching(message),
    });
    expect(ssh.state).toBe('ready');
  });

  it('4711 twice is refused the second time', async (test) => {
    const { ssh } = await loggedIn(test, (connection) => ({
      global: () => connection.send(requestSuccess(4711)),
    }));
    await ssh.listen({ host: '127.0.0.1', port: 0 }, () => {});
    await expect(ssh.listen({ host: '127.0.0.1', port: 0 }, () => {})).rejects.toMatchObject({
      code: 'LISTEN_FAILED',
      message: expect.stringContaining('port 4711, which another forward already has'),
    });
  });
});

describe('a key exchange', () => {
  it.for([512, 1024])(
    'over a group of %i bits is refused before the client sends its public value',
    async (bits, test) => {
      // Only the size matters here; the number need not be prime.
      const prime = Buffer.alloc(bits / 8, 0xff);
      const group = { prime, generator: Buffer.from([2]) };
      const raw = await startRawSshServer(test, (connection) =>
        exchangeKeys(connection, { hostKey, offer: { kex: [GROUP_EXCHANGE] }, group }),
      );
      await expect(connectTo(raw.port)).rejects.toMatchObject({
        code: 'SSH_UNSUPPORTED',
        message: expect.stringContaining(`a Diffie-Hellman group of ${bits} bits`),
      });
      const types = raw.connections[0]?.received.map((payload) => payload[0]);
      expect(types).not.toContain(MSG.KEX_DH_GEX_INIT);
    },
  );

  it('over a group of 512 bits is refused in a rekey, for good', async (test) => {
    const dh = createDiffieHellmanGroup('modp14');
    const options: KeyExchangeOptions = {
      hostKey,
      offer: { kex: [GROUP_EXCHANGE] },
      group: { prime: dh.getPrime(), generator: dh.getGenerator() },
    };
    const raw = await startRawSshServer(test, async (connection) => {
      await exchangeKeys(connection, options);
      await letIn(connection);
      await serve(connection);
    });
    const ssh = await connectTo(raw.port);
    const [server] = raw.connections;
    if (server === undefined) throw new Error('no connection');
    const small = { prime: Buffer.alloc(64, 0xff), generator: Buffer.from([2]) };
    await expect(rekey(server, { ...options, group: small })).rejects.toThrow('hung up');
    expect(await ssh.closed).toMatchObject({ code: 'SSH_UNSUPPORTED', retryable: false });
  });
});

describe('before the login', () => {
  it.for([
    ['CHANNEL_OPEN', forwardedTcpip(0, TARGET, TARGET)],
    ['GLOBAL_REQUEST', globalRequest('hostkeys-00@openssh.com', false)],
    ['CHANNEL_DATA', channelData(0, 'x')],
    ['CHANNEL_REQUEST', channelRequest(0, 'x', true)],
    ['REQUEST_SUCCESS', requestSuccess()],
    ['CHANNEL_OPEN_CONFIRMATION', openConfirmation(0, 0)],
    ['CHANNEL_WINDOW_ADJUST', windowAdjust(0, 1)],
  ] as const)('%s ends the connection', async ([name, message], test) => {
    const raw = await startRawSshServer(test, async (connection) => {
      await exchangeKeys(connection, { hostKey });
      await letIn(connection, () => [message, userauthSuccess()]);
    });
    await expect(connectTo(raw.port)).rejects.toMatchObject({
      code: 'SSH_CONNECT',
      message: expect.stringContaining(`it sent ${name} before the login was done`),
    });
  });

  it('USERAUTH_SUCCESS without a request ends the connection', async (test) => {
    const raw = await startRawSshServer(test, (connection) =>
      exchangeKeys(connection, { hostKey, inject: { newkeys: [userauthSuccess()] } }),
    );
    await expect(connectTo(raw.port)).rejects.toMatchObject({ code: 'SSH_CONNECT' });
  });

  it('IGNORE, DEBUG and UNIMPLEMENTED are harmless at any point', async (test) => {
    const harmless = [ignore('x'), debug('x'), unimplemented(3)];
    const raw = await startRawSshServer(test, async (connection) => {
      const inject = { identification: harmless, kexinit: harmless, reply: harmless, newkeys: harmless };
      await exchangeKeys(connection, { hostKey, inject });
      await letIn(connection, () => [...harmless, userauthSuccess()]);
      await serve(connection);
    });
    const ssh = await connectTo(raw.port);
    expect(ssh.state).toBe('ready');
    await ssh.close();
  });

  it('messages after a DISCONNECT have no effect', async (test) => {
    const raw = await startRawSshServer(test, async (connection) => {
      await exchangeKeys(connection, { hostKey });
      await letIn(connection, () => [disconnect(11, 'bye'), userauthSuccess()]);
    });
    await expect(connectTo(raw.port)).rejects.toMatchObject({ code: 'SSH_CONNECT' });
  });

  it('a banner during a question is shown after the answer', async (test) => {
    const raw = await startRawSshServer(test, async (connection) => {
      await exchangeKeys(connection, { hostKey });
      await letIn(connection, ({ method }) => {
        if (method !== 'none') return null;
        connection.send(userauthBanner('Welcome.\n'));
        setTimeout(() => connection.send(userauthBanner('Enter passphrase: ')), 100);
        return [userauthFailure(['password'])];
      });
      await serve(connection);
    });
    const events: string[] = [];
    const prompter: Prompter = {
      interactive: true,
      ask: async (question) => {
        events.push(question);
        await new Promise((resolve) => setTimeout(resolve, 500));
        events.push('answered');
        return 'demo';
      },
      tell: (text) => void events.push(text),
    };
    const ssh = await connectTo(raw.port, {}, { prompter });
    expect(events).toEqual(['Welcome.\n', "demo@yourserver's password: ", 'answered', 'Enter passphrase: ']);
    await ssh.close();
  });

  it('USERAUTH_SUCCESS during a question closes the question and keeps the connection', async (test) => {
    const raw = await startRawSshServer(test, async (connection) => {
      await exchangeKeys(connection, { hostKey });
      await letIn(connection, ({ method }) => {
        if (method !== 'none') return null;
        setTimeout(() => connection.send(userauthSuccess()), 100);
        return [userauthFailure(['password'])];
      });
    });
    const closed = deferred<void>();
    const prompter: Prompter = {
      interactive: true,
      ask: (_question, { signal }) =>
        new Promise((_resolve, reject) =>
          signal?.addEventListener('abort', () => {
            closed.resolve();
            reject(signal.reason);
          }),
        ),
      tell() {},
    };
    const ssh = await connectTo(raw.port, {}, { prompter });
    await closed.promise;
    for (let i = 0; i < 10; i++) await turn();
    expect(ssh.state).toBe('ready');
    await ssh.close();
  });
});

describe('an RSA key', () => {
  const pair = ssh2.utils.generateKeyPairSync('rsa', { bits: 2048 });
  const key = ssh2.utils.parseKey(pair.private);
  if (key instanceof Error) throw key;
  const publicKey = ssh2.utils.parseKey(pair.public);
  if (publicKey instanceof Error) throw publicKey;

  /** Logs in with the key; returns its signature algorithms. `offered` is `server-sig-algs`. */
  async function algorithms(
    test: TestContext,
    offered: readonly string[] | null,
    options: Partial<SshOptions>,
    identity: Identity,
  ) {
    const seen: string[] = [];
    const raw = await startRawSshServer(test, async (connection) => {
      await exchangeKeys(connection, {
        hostKey,
        ...(offered && { inject: { newkeys: [serverSigAlgs(offered)] } }),
      });
      await letIn(connection, ({ method, rest }) => {
        if (method !== 'publickey') return [userauthFailure(['publickey'])];
        const reader = new Reader(rest, 0);
        const signed = reader.bool();
        const algorithm = reader.string();
        const blob = reader.bytes();
        if (!signed) return [userauthPkOk(algorithm, blob)];
        seen.push(`${algorithm} ${new Reader(reader.bytes(), 0).string()}`);
        return [userauthSuccess()];
      });
    });
    const login = connectTo(raw.port, options, { identities: [identity] });
    const outcome = await login.then(
      (ssh) => ssh.close().then(() => 'in'),
      (error: unknown) => error,
    );
    return { seen, outcome };
  }

  const agent = new KeyAgent(publicKey, async (data, how) => signByKey(key, data, how));
  const IDENTITIES: readonly Identity[] = [
    { type: 'file', label: 'id_rsa', key },
    { type: 'agent', label: 'agent key rsa', agent, publicKey },
  ];
  const ASKED = { pubkeyAcceptedAlgorithms: ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'] };

  describe.each(IDENTITIES)('from $type', (identity) => {
    it.for([
      ['rsa-sha2-512', ['ssh-rsa', 'rsa-sha2-256', 'rsa-sha2-512'], {}],
      ['rsa-sha2-256', ['ssh-rsa', 'rsa-sha2-256'], {}],
      ['rsa-sha2-512', null, {}],
      ['ssh-rsa', ['ssh-rsa'], ASKED],
      ['rsa-sha2-512', ['ssh-rsa', 'rsa-sha2-512'], ASKED],
      [
        'rsa-sha2-256',
        ['rsa-sha2-512', 'rsa-sha2-256'],
        { pubkeyAcceptedAlgorithms: ['ssh-ed25519', 'rsa-sha2-256'] },
      ],
    ] as const)('signs with %s for a server that has %j (%j)', async ([expected, offered, options], test) => {
      const { seen, outcome } = await algorithms(test, offered, options, identity);
      expect(outcome).toBe('in');
      expect(seen).toEqual([`${expected} ${expected}`]);
    });

    it('is not offered if PubkeyAcceptedAlgorithms names no RSA', async (test) => {
      const only = { pubkeyAcceptedAlgorithms: ['ssh-ed25519'] };
      const { seen, outcome } = await algorithms(test, ['rsa-sha2-512', 'rsa-sha2-256'], only, identity);
      expect(seen).toEqual([]);
      expect(outcome).toMatchObject({ code: 'SSH_AUTH' });
    });

    it('never signs with SHA-1 by default: it is not offered, and the error names the option', async (test) => {
      const { seen, outcome } = await algorithms(test, ['ssh-rsa', 'ssh-ed25519'], {}, identity);
      expect(seen).toEqual([]);
      expect(outcome).toMatchObject({
        code: 'SSH_AUTH',
        message: expect.stringContaining('-o PubkeyAcceptedAlgorithms=+ssh-rsa'),
      });
    });
  });
});

describe('after the login', () => {
  it.for([
    ['SERVICE_ACCEPT', serviceAccept()],
    ['USERAUTH_FAILURE', userauthFailure(['password', 'publickey'])],
    ['USERAUTH_SUCCESS', userauthSuccess()],
    ['USERAUTH_BANNER', userauthBanner('Type your password: ')],
    ['USERAUTH_PK_OK', userauthPkOk('ssh-ed25519', Buffer.alloc(0))],
    ['USERAUTH_INFO_REQUEST', infoRequest('', '', ['Password again: '])],
  ] as const)('%s opens no question and sends nothing', async ([, message], test) => {
    const raw = await startRawSshServer(test, async (connection) => {
      await exchangeKeys(connection, { hostKey });
      await letIn(connection);
      await serve(connection);
    });
    const person = { ...typing('demo'), ask: vi.fn(async () => 'demo'), tell: vi.fn() };
    const ssh = await connectTo(raw.port, {}, { prompter: person });
    const [server] = raw.connections;
    if (server === undefined) throw new Error('no connection');
    const before = server.received.length;
    server.send(message);
    await handled(server);
    expect(server.received.slice(before).map((payload) => payload[0])).toEqual([MSG.REQUEST_FAILURE]);
    expect(person.ask).toHaveBeenCalledOnce();
    expect(person.tell).not.toHaveBeenCalled();
    expect(ssh.state).toBe('ready');
    await ssh.close();
  });

  it.for(['GLOBAL_REQUEST', 'CHANNEL_OPEN', 'CHANNEL_REQUEST'])(
    'endless requests from a server that reads no answer end the connection: %s',
    async (name, test) => {
      const raw = await startRawSshServer(test, async (connection) => {
        await exchangeKeys(connection, { hostKey });
        await letIn(connection);
        await serve(connection, { open: ({ sender }) => connection.send(openConfirmation(sender, sender)) });
      });
      const socket = net.connect(raw.port, '127.0.0.1');
      const line = new StallingLine(socket);
      const ssh = await connectTo(raw.port, {}, { dial: async () => line });
      test.onTestFinished(() => ssh.close());
      quiet(await ssh.openStream(TARGET));
      const [server] = raw.connections;
      if (server === undefined) throw new Error('no connection');
      line.stalled = true;
      const message = {
        GLOBAL_REQUEST: globalRequest('x@example.com', true),
        CHANNEL_OPEN: forwardedTcpip(0, TARGET, { host: '127.0.0.1', port: 2 }),
        CHANNEL_REQUEST: channelRequest(0, 'x@example.com', true),
      }[name];
      for (let sent = 0; sent < 11_000 && message; sent++) server.send(message);
      expect(await ssh.closed).toMatchObject({
        code: 'SSH_LOST',
        message: expect.stringContaining('without reading an answer'),
      });
    },
  );
});

/** A stream over a socket whose writes can stall, as if the other side stopped reading. */
class StallingLine extends Duplex {
  stalled = false;
  readonly #socket: net.Socket;

  constructor(socket: net.Socket) {
    super();
    this.#socket = socket;
    socket.on('data', (chunk) => this.push(chunk)).on('end', () => this.push(null));
    socket.on('error', () => {});
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.#socket.write(chunk);
    if (!this.stalled) callback();
  }

  override _destroy(_error: Error | null, callback: () => void): void {
    this.#socket.destroy();
    callback();
  }
}

describe('a connection that does not answer', () => {
  const silent = (): ConnectionHandlers => ({ open: () => {}, global: () => {} });

  it('is named as the cause, not the target or a firewall', async (test) => {
    const { ssh } = await loggedIn(test, silent);
    const error = await ssh.openStream(TARGET, { timeout: 300 }).catch((cause: unknown) => cause);
    expect(error).toMatchObject({
      code: 'SSH_TIMEOUT',
      message: expect.stringMatching(
        /^the SSH connection to yourserver does not answer: no reply to the request for localhost:21 within 0\.3 s, and none to a keepalive/,
      ),
    });
    expect((error as GatewayError).message).not.toContain('firewall');
  });

  it('is not named as the cause if it answers a keepalive', async (test) => {
    const { ssh } = await loggedIn(test, (connection) => ({
      open: () => {},
      global: (_name, wantReply) => {
        if (wantReply) connection.send(requestFailure());
      },
    }));
    await expect(ssh.openStream(TARGET, { timeout: 300 })).rejects.toMatchObject({
      code: 'CHANNEL_TIMEOUT',
      message: 'localhost:21 did not answer yourserver within 0.3 s; a firewall may be in the way',
    });
  });

  it('gets one keepalive for all waiting streams', async (test) => {
    const asked: string[] = [];
    const { ssh } = await loggedIn(test, () => ({
      open: () => {},
      global: (name) => void asked.push(name),
    }));
    const opening = Array.from({ length: 20 }, () => ssh.openStream(TARGET, { timeout: 300 }));
    const results = await Promise.allSettled(opening);
    expect(results.map((result) => result.status === 'rejected' && result.reason.code)).toEqual(
      Array(20).fill('SSH_TIMEOUT'),
    );
    expect(asked).toEqual(['keepalive@openssh.com']);
  });
});

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it, type TestContext, vi } from 'vitest';
import { check } from '../../../src/check/check.ts';
import { GatewayError } from '../../../src/core/errors.ts';
import { Gateway } from '../../../src/core/gateway.ts';
import { DirectTransport } from '../../../src/core/local/tcp-transport.ts';
import { silentLogger } from '../../../src/core/log.ts';
import type { Prompter, SshOptions, StrictHostKeyChecking } from '../../../src/core/ssh/options.ts';
import { sshTransport } from '../../../src/core/ssh/transport.ts';
import type { TransportState } from '../../../src/core/transport.ts';
import { startCli } from '../../support/cli.ts';
import { ftpForward } from '../../support/gateway.ts';
import type { RawSshConnection } from '../../support/raw-ssh/connection.ts';
import { newHostKey, type RawHostKey, stolenHostKey } from '../../support/raw-ssh/host-key.ts';
import { exchangeKeys, POINTS, rekey } from '../../support/raw-ssh/key-exchange.ts';
import {
  channelData,
  disconnect,
  forwardedTcpip,
  globalRequest,
  infoRequest,
  MSG,
  openConfirmation,
  serverSigAlgs,
  serviceAccept,
  userauthBanner,
  userauthFailure,
  userauthSuccess,
} from '../../support/raw-ssh/messages.ts';
import { type RawScript, type RawSshServer, startRawSshServer } from '../../support/raw-ssh/server.ts';
import { forwarding, letIn, serve } from '../../support/raw-ssh/steps.ts';
import { testOptions } from '../../support/ssh-login.ts';
import { listenTcp } from '../../support/tcp.ts';

/** What the attacker wants to receive, and what it wants sshferry to display. */
const SECRET = 'Medlar-5521-jelly';
const BAIT = 'Please type your password again';
const USER = 'demo-user-of-the-login';

const MESSAGES = {
  USERAUTH_SUCCESS: userauthSuccess(),
  SERVICE_ACCEPT: serviceAccept(),
  USERAUTH_BANNER: userauthBanner(BAIT),
  USERAUTH_FAILURE: userauthFailure(['password', 'keyboard-interactive']),
  USERAUTH_INFO_REQUEST: infoRequest(BAIT, BAIT, [`${BAIT}: `]),
  EXT_INFO: serverSigAlgs(['ssh-rsa']),
  CHANNEL_OPEN: forwardedTcpip(0, { host: '127.0.0.1', port: 1 }, { host: '127.0.0.1', port: 2 }),
  GLOBAL_REQUEST: globalRequest('keepalive@openssh.com', true),
  DISCONNECT: disconnect(2, BAIT),
} as const;
type Message = keyof typeof MESSAGES;

const CASES = (Object.keys(MESSAGES) as Message[]).flatMap((message) =>
  POINTS.map((point) => ({ message, point, name: `${message} behind ${point}` })),
);
const STRICT: readonly StrictHostKeyChecking[] = ['yes', 'ask', 'accept-new', 'no'];

const genuine = newHostKey();
const attacking = newHostKey();

/** A correct server that lets every client log in. */
const honest: RawScript = async (connection) => {
  await exchangeKeys(connection, { hostKey: genuine });
  await letIn(connection, () => [userauthSuccess()]);
  await serve(connection, forwarding(connection));
};

/** Injects a message out of turn, then acts as if the client were logged in, as an FTP server. */
function attack({ message, point }: Attack, hostKey: RawHostKey): RawScript {
  return async (connection) => {
    await exchangeKeys(connection, { hostKey, inject: { [point]: [MESSAGES[message]] }, wait: false });
    await lure(connection);
  };
}

function lure(connection: RawSshConnection): Promise<void> {
  return serve(connection, {
    open: ({ sender }) =>
      connection.send(openConfirmation(sender, sender), channelData(sender, '220 come in\r\n')),
  });
}

/** A person who refuses every host key. `look` runs while the question is open. */
class Doubter implements Prompter {
  readonly interactive = true;
  told = '';
  asked = 0;
  readonly #look: () => void | Promise<void>;

  constructor(look: () => void | Promise<void> = () => {}) {
    this.#look = look;
  }

  async ask(question: string): Promise<string> {
    if (question.includes('password')) return 'demo';
    this.asked += 1;
    await this.#look();
    return 'no';
  }

  tell(text: string): void {
    this.told += text;
  }
}

interface Setup {
  /** The keys in known_hosts, by port of 127.0.0.1. */
  readonly known?: ReadonlyMap<number, RawHostKey>;
  readonly options: Partial<SshOptions> & { port: number };
}

async function knownHosts(test: TestContext, known: ReadonlyMap<number, RawHostKey>): Promise<string> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-mitm-'));
  test.onTestFinished(() => rm(dir, { recursive: true }));
  const file = path.join(dir, 'known_hosts');
  await writeFile(file, [...known].map(([port, key]) => `[127.0.0.1]:${port} ${key.line}\n`).join(''));
  return file;
}

/** An FTP forward, and FTP clients that connect as soon as it listens and send a secret. */
async function ftpThrough(test: TestContext, { known = new Map(), options }: Setup, prompter: Prompter) {
  const file = await knownHosts(test, known);
  const login = testOptions({ user: USER, userKnownHostsFile: [file], ...options });
  const transport = sshTransport(login, prompter, silentLogger);
  const spec = ftpForward({ host: '127.0.0.1', port: 21 });
  const gateway = new Gateway({
    transports: new Map([['yourserver', transport]]),
    local: new DirectTransport(),
    forwards: [spec],
    log: silentLogger,
  });
  const states: TransportState[] = [];
  const errors: (GatewayError | undefined)[] = [];
  gateway.events.on('transport.state', ({ state, error }) => {
    states.push(state);
    errors.push(error);
  });
  const client = () => {
    const { port } = gateway.endpoint('ftp') ?? { port: 0 };
    const socket = net.connect({ host: '127.0.0.1', port }, () =>
      socket.write(`USER alice\r\nPASS ${SECRET}\r\n`),
    );
    socket.on('error', () => {}).resume();
    test.onTestFinished(() => void socket.destroy());
    return socket;
  };
  gateway.events.on('forward.listening', () => void client());
  test.onTestFinished(() => gateway.stop());
  return { gateway, transport, states, errors, client, file };
}

/** The types of the messages that the client has sent. */
const sent = (connection: RawSshConnection) => connection.received.map((payload) => payload[0]);

/** All that a client may send before the verdict. DISCONNECT carries only a reason code. */
const BEFORE_VERDICT: readonly (number | undefined)[] = [MSG.KEXINIT, MSG.KEX_ECDH_INIT, MSG.DISCONNECT];

/** Expects that no FTP byte reached the attacker, and that none of its text is displayed. */
function expectNothing(
  where: string,
  attacked: readonly RawSshConnection[],
  shown: string,
  failure: unknown,
): void {
  for (const connection of attacked) {
    expect(connection.heard, where).not.toContain(SECRET);
    expect(connection.heard, where).not.toContain('USER');
    expect(connection.heard, where).not.toContain('alice');
  }
  expect(shown, where).not.toContain(BAIT);
  const { message = '', cause } = failure as Error;
  expect(`${message} ${cause instanceof Error ? cause.stack : ''}`, where).not.toContain(BAIT);
}

type Attack = (typeof CASES)[number];

/** Whether the attacker's key comes before the message. */
const keyShown = ({ point }: Attack) => point === 'reply' || point === 'newkeys';

/** An unauthenticated DISCONNECT only means that the server hung up. */
const codeOf = (attacker: Attack) =>
  attacker.message === 'DISCONNECT' && !keyShown(attacker) ? 'SSH_CONNECT' : 'SSH_HOST_KEY';

/** What an attack on a host leads to. `strict` is null for a host with another known key. */
function outcomeOf(attacker: Attack, strict: StrictHostKeyChecking | null) {
  // accept-new and no trust an unknown host after it has proven its key.
  const trusting = strict === 'accept-new' || strict === 'no';
  const hungUp = attacker.message === 'DISCONNECT' && (trusting || !keyShown(attacker));
  return {
    asked: strict === 'ask' && keyShown(attacker),
    trusted: trusting && attacker.point === 'newkeys',
    code: hungUp ? 'SSH_CONNECT' : 'SSH_HOST_KEY',
    allowed: trusting ? [...BEFORE_VERDICT, MSG.NEWKEYS] : BEFORE_VERDICT,
  };
}

describe('an attacker in the middle receives no FTP byte and displays nothing', () => {
  describe.each(STRICT)('StrictHostKeyChecking=%s', (strict) => {
    it('at the first login to a host with another known key', async (test) => {
      await Promise.all(
        CASES.map(async (attacker) => {
          const server = await startRawSshServer(test, attack(attacker, attacking));
          const person = new Doubter();
          const { gateway } = await ftpThrough(
            test,
            {
              known: new Map([[server.port, genuine]]),
              options: { port: server.port, strictHostKeyChecking: strict },
            },
            person,
          );
          const failure = await gateway.start().catch((error: unknown) => error);
          const where = `${attacker.name}`;
          expect(failure, where).toMatchObject({ code: codeOf(attacker) });
          expectNothing(where, server.connections, person.told, failure);
          expect(server.connections, where).toHaveLength(1);
          for (const connection of server.connections)
            expect(BEFORE_VERDICT, where).toEqual(expect.arrayContaining(sent(connection)));
          expect(person.asked, where).toBe(0);
        }),
      );
    });

    it('at the first login to an unknown host', async (test) => {
      await Promise.all(
        CASES.map(async (attacker) => {
          const where = attacker.name;
          const server = await startRawSshServer(test, attack(attacker, attacking));
          const person = new Doubter(async () => {
            // During the question no connection is open and no forward listens.
            await vi.waitFor(() => expect(server.open, where).toBe(0));
            expect(gateway.endpoint('ftp'), where).toBeUndefined();
            expect(person.told, where).not.toContain(BAIT);
          });
          const { gateway } = await ftpThrough(
            test,
            { options: { port: server.port, strictHostKeyChecking: strict, connectTimeout: 2 } },
            person,
          );
          const failure = await gateway.start().catch((error: unknown) => error);
          const outcome = outcomeOf(attacker, strict);
          expect(failure, where).toBeInstanceOf(GatewayError);
          expect(person.asked, where).toBe(outcome.asked ? 1 : 0);
          expectNothing(where, server.connections, person.told, outcome.trusted ? new Error() : failure);
          if (outcome.trusted) return;
          expect(failure, where).toMatchObject({ code: outcome.code });
          for (const connection of server.connections)
            expect(outcome.allowed, where).toEqual(expect.arrayContaining(sent(connection)));
        }),
      );
    });

    it('at a reconnect, while an FTP client waits', async (test) => {
      await Promise.all(
        CASES.map(async (attacker) => {
          const where = attacker.name;
          const server = await startRawSshServer(test, honest);
          const person = new Doubter();
          const { gateway, transport, errors, client } = await ftpThrough(
            test,
            {
              known: new Map([[server.port, genuine]]),
              options: { port: server.port, strictHostKeyChecking: strict },
            },
            person,
          );
          await gateway.start();
          server.script = attack(attacker, attacking);
          const [first, ...attacked] = [...server.connections];
          expect(attacked, where).toEqual([]);
          first?.destroy();
          await vi.waitFor(() => expect(transport.state, where).not.toBe('ready'));
          client();
          const fatal = codeOf(attacker) === 'SSH_HOST_KEY';
          await vi.waitFor(() => expect(errors.at(-1), where).toMatchObject({ code: codeOf(attacker) }), {
            timeout: 20_000,
          });
          expect(transport.state, where).toBe(fatal ? 'failed' : 'backoff');
          expectNothing(where, server.connections.slice(1), person.told, errors.at(-1));
          for (const connection of server.connections.slice(1))
            expect(BEFORE_VERDICT, where).toEqual(expect.arrayContaining(sent(connection)));
        }),
      );
    });

    it.for([
      ['the jump host', 'with another known key'],
      ['the jump host', 'unknown'],
      ['the host behind it', 'with another known key'],
      ['the host behind it', 'unknown'],
    ] as const)('at %s, %s', async ([place, known], test) => {
      await Promise.all(
        CASES.map(async (attacker) => {
          const where = attacker.name;
          const script = attack(attacker, attacking);
          const gate = await startRawSshServer(test, place === 'the jump host' ? script : honest);
          const inner = await startRawSshServer(test, place === 'the jump host' ? honest : script);
          const person = new Doubter();
          const attackedHost = place === 'the jump host' ? gate : inner;
          const keys = new Map(
            [gate, inner]
              .filter((host) => known !== 'unknown' || host !== attackedHost)
              .map(({ port }) => [port, genuine]),
          );
          const file = await knownHosts(test, keys);
          const jump = testOptions({
            host: 'gate',
            port: gate.port,
            userKnownHostsFile: [file],
            strictHostKeyChecking: strict,
            connectTimeout: 5,
          });
          const { gateway } = await ftpThrough(
            test,
            {
              known: keys,
              options: {
                ...{ port: inner.port, strictHostKeyChecking: strict, jumpHosts: [jump] },
                connectTimeout: 5,
              },
            },
            person,
          );
          const failure = await gateway.start().catch((error: unknown) => error);
          const outcome = outcomeOf(attacker, known === 'unknown' ? strict : null);
          expect(failure, where).toBeInstanceOf(GatewayError);
          expect(person.asked, where).toBe(outcome.asked ? 1 : 0);
          expectNothing(
            where,
            attackedHost.connections,
            person.told,
            outcome.trusted ? new Error() : failure,
          );
          if (!outcome.trusted) {
            expect(failure, where).toMatchObject({ code: outcome.code });
            for (const connection of attackedHost.connections)
              expect(outcome.allowed, where).toEqual(expect.arrayContaining(sent(connection)));
          }
          await vi.waitFor(() => expect([gate.open, inner.open], where).toEqual([0, 0]), {
            timeout: 10_000,
          });
        }),
      );
    });

    it('at a data connection, whose data then takes the main connection', async (test) => {
      const echo = await listenTcp(test, (socket) => socket.pipe(socket));
      await Promise.all(
        CASES.map(async (attacker) => {
          const where = attacker.name;
          const server = await startRawSshServer(test, honest);
          const file = await knownHosts(test, new Map([[server.port, genuine]]));
          const person = new Doubter();
          const options = testOptions({
            port: server.port,
            userKnownHostsFile: [file],
            strictHostKeyChecking: strict,
            dataConnections: 1,
          });
          const transport = sshTransport(options, person, silentLogger);
          test.onTestFinished(() => transport.stop());
          await transport.start();
          server.script = attack(attacker, attacking);
          const stream = await transport.openStream(echo, { bulk: true });
          stream.end(SECRET);
          expect(String((await stream.toArray())[0]), where).toBe(SECRET);
          expect(server.connections.length, where).toBeGreaterThan(1);
          expectNothing(where, server.connections.slice(1), person.told, new Error());
          for (const connection of server.connections.slice(1))
            expect(BEFORE_VERDICT, where).toEqual(expect.arrayContaining(sent(connection)));
          expect(transport.state, where).toBe('ready');
        }),
      );
    });

    it.for(['with another known key', 'unknown'] as const)('in check, of a host %s', async (known, test) => {
      await Promise.all(
        CASES.map(async (attacker) => {
          const where = attacker.name;
          const server = await startRawSshServer(test, attack(attacker, attacking));
          const file = await knownHosts(test, new Map(known === 'unknown' ? [] : [[server.port, genuine]]));
          const person = new Doubter();
          const login = testOptions({
            port: server.port,
            user: USER,
            userKnownHostsFile: [file],
            strictHostKeyChecking: strict,
            connectTimeout: 5,
          });
          const findings = await check(
            {
              servers: new Map([['office', login]]),
              forwards: [ftpForward({ host: '127.0.0.1', port: 21 }, { server: 'office' })],
            },
            {
              local: new DirectTransport(),
              log: silentLogger,
              connect: (_, options, prompter, progress) =>
                sshTransport(options, prompter, silentLogger, progress),
              prompter: person,
              targetUser: 'alice',
              netrc: '/nonexistent',
              timeout: 5000,
              signal: new AbortController().signal,
              writes: false,
              own: '/nonexistent',
            },
            { server() {}, forward() {}, step() {} },
          );
          const steps = findings.servers[0]?.steps ?? [];
          const outcome = outcomeOf(attacker, known === 'unknown' ? strict : null);
          expectNothing(where, server.connections, person.told, new Error());
          if (outcome.trusted) return;
          // The host key step never succeeds.
          expect(
            steps.map(({ name, outcome }) => `${name} ${outcome}`),
            where,
          ).toEqual(['connect ok', 'host-key failed']);
          expect(steps.at(-1)?.code, where).toBe(outcome.code);
          expect(JSON.stringify(findings), where).not.toContain(BAIT);
          for (const connection of server.connections)
            expect(outcome.allowed, where).toEqual(expect.arrayContaining(sent(connection)));
        }),
      );
    });
  });

  it('is refused if it injects plaintext into the key exchange of the genuine server', async (test) => {
    await Promise.all(
      CASES.map(async (attacker) => {
        const { message, point, name } = attacker;
        // The genuine server encrypts what follows its NEWKEYS; the attacker cannot.
        const injected =
          point === 'newkeys'
            ? { injectPlain: [MESSAGES[message]] }
            : { inject: { [point]: [MESSAGES[message]] } };
        const server = await startRawSshServer(test, async (connection) => {
          await exchangeKeys(connection, { hostKey: genuine, ...injected, wait: false });
          await letIn(connection, () => [userauthSuccess()]);
          await lure(connection);
        });
        const person = new Doubter();
        const { gateway } = await ftpThrough(
          test,
          { known: new Map([[server.port, genuine]]), options: { port: server.port } },
          person,
        );
        const failure = await gateway.start().catch((error: unknown) => error);
        const broken = message === 'DISCONNECT' || point === 'newkeys';
        expect(failure, name).toMatchObject({ code: broken ? 'SSH_CONNECT' : 'SSH_HOST_KEY' });
        expectNothing(name, server.connections, person.told, failure);
      }),
    );
  });

  it('receives no password while a person thinks about the question', async (test) => {
    const attacker: Attack = { message: 'USERAUTH_SUCCESS', point: 'newkeys', name: '' };
    const server = await startRawSshServer(test, attack(attacker, attacking));
    const person = new Doubter(async () => {
      // Long enough for a forward to listen and for clients to connect.
      await new Promise((resolve) => setTimeout(resolve, 1000));
    });
    const options = { port: server.port, strictHostKeyChecking: 'ask' } as const;
    const { gateway } = await ftpThrough(test, { options }, person);
    const listening = vi.fn();
    gateway.events.on('forward.listening', listening);
    await expect(gateway.start()).rejects.toMatchObject({ code: 'SSH_HOST_KEY' });
    expectNothing('', server.connections, person.told, new Error());
    expect(listening).not.toHaveBeenCalled();
    expect(person.asked).toBe(1);
  });

  it('is refused if it presents the right key without its private key', async (test) => {
    await Promise.all(
      CASES.map(async (attacker) => {
        const where = attacker.name;
        const server = await startRawSshServer(test, attack(attacker, stolenHostKey(genuine)));
        const person = new Doubter();
        const { gateway } = await ftpThrough(
          test,
          { known: new Map([[server.port, genuine]]), options: { port: server.port } },
          person,
        );
        const failure = await gateway.start().catch((error: unknown) => error);
        // Without the NEWKEYS, the client never checks the signature.
        const hungUp = attacker.message === 'DISCONNECT' && attacker.point !== 'newkeys';
        expect(failure, where).toMatchObject({ code: hungUp ? 'SSH_CONNECT' : 'SSH_HOST_KEY' });
        expectNothing(where, server.connections, person.told, failure);
      }),
    );
  });

  it('ends a running sshferry with exit status 255', async (test) => {
    const server = await startRawSshServer(test, honest);
    const file = await knownHosts(test, new Map([[server.port, genuine]]));
    const { child, ended, said } = startCli(test, [
      ...['-F', 'none', '-N', '-L', 'ftp/0:localhost:21', '-p', String(server.port)],
      ...['-o', `UserKnownHostsFile=${file}`, '-o', 'IdentityAgent=none', `${USER}@127.0.0.1`],
    ]);
    await said('forward.listening');
    server.script = attack({ message: 'USERAUTH_SUCCESS', point: 'newkeys', name: '' }, attacking);
    server.connections[0]?.destroy();
    expect(await ended).toBe(255);
    await said('fatal', /has changed/);
    expect(child.exitCode).toBe(255);
    expectNothing('', server.connections.slice(1), '', new Error());
  });

  it('ends the connection for good if it changes the key in a rekey', async (test) => {
    const server = await startRawSshServer(test, honest);
    const { gateway, errors, states } = await ftpThrough(
      test,
      { known: new Map([[server.port, genuine]]), options: { port: server.port } },
      new Doubter(),
    );
    await gateway.start();
    for (const connection of server.connections)
      await expect(rekey(connection, { hostKey: attacking })).rejects.toThrow('hung up');
    await vi.waitFor(() => expect(states.at(-1)).toBe('failed'));
    expect(errors.at(-1)).toMatchObject({ code: 'SSH_HOST_KEY' });
  });
});

describe('a question about an unknown key', () => {
  /** A person who accepts after a while, and records how many connections are open meanwhile. */
  class Believer implements Prompter {
    readonly interactive = true;
    told = '';
    readonly open: number[] = [];
    readonly #server: RawSshServer;

    constructor(server: RawSshServer) {
      this.#server = server;
    }

    async ask(question: string): Promise<string> {
      if (!question.includes('continue connecting')) return 'demo';
      await vi.waitFor(() => expect(this.#server.open).toBe(0));
      await new Promise((resolve) => setTimeout(resolve, 700));
      this.open.push(this.#server.open);
      return 'yes';
    }

    tell(text: string): void {
      this.told += text;
    }
  }

  const ask = { strictHostKeyChecking: 'ask', connectTimeout: 0.5 } as const;

  it.for(['directly', 'through a jump host', 'through a ProxyCommand'])(
    'holds no connection open; %s, one new connection follows the answer',
    async (way, test) => {
      const echo = await listenTcp(test, (socket) => socket.pipe(socket));
      const server = await startRawSshServer(test, honest);
      const gate = await startRawSshServer(test, honest);
      const file = await knownHosts(test, new Map([[gate.port, genuine]]));
      const person = new Believer(server);
      const options = testOptions({
        port: server.port,
        userKnownHostsFile: [file],
        dataConnections: 1,
        ...ask,
        ...(way === 'through a jump host' && {
          jumpHosts: [testOptions({ host: 'gate', port: gate.port, userKnownHostsFile: [file] })],
        }),
        ...(way === 'through a ProxyCommand' && {
          proxyCommand: `'${process.execPath}' -e 'const s = require("net").connect(${server.port}, "127.0.0.1"); s.on("error", () => {}); process.stdin.pipe(s).pipe(process.stdout)'`,
          connectTimeout: 5,
        }),
      });
      const stages: string[] = [];
      const transport = sshTransport(options, person, silentLogger, ({ host, stage }) =>
        stages.push(`${host} ${stage}`),
      );
      test.onTestFinished(() => transport.stop());
      await transport.start();
      expect(person.open).toEqual([0]);
      expect(server.connections).toHaveLength(2);
      if (way === 'through a jump host') expect(gate.connections).toHaveLength(1);
      expect(stages.filter((stage) => stage.startsWith('yourserver'))).toEqual([
        'yourserver connected',
        'yourserver verified',
        'yourserver ready',
      ]);
      expect(await readFile(file, 'utf8')).toContain(`[127.0.0.1]:${server.port} ${genuine.line}\n`);
      expect(person.told).toMatch(/established\.\n[\s\S]*Permanently added/);
      // A data connection and a reconnect do not ask again.
      const stream = await transport.openStream(echo, { bulk: true });
      stream.end('hello');
      expect(String((await stream.toArray())[0])).toBe('hello');
      expect(server.connections).toHaveLength(3);
      for (const connection of server.connections) connection.destroy();
      await vi.waitFor(() => expect(transport.state).not.toBe('ready'));
      await vi.waitFor(() => expect(transport.state).toBe('ready'), { timeout: 20_000 });
      expect(person.open).toEqual([0]);
    },
  );

  it('is about one key: a server that then presents another is refused without a question', async (test) => {
    const server = await startRawSshServer(test, honest);
    const person = new Believer(server);
    const file = await knownHosts(test, new Map());
    const options = testOptions({ port: server.port, userKnownHostsFile: [file], ...ask });
    const transport = sshTransport(options, person, silentLogger);
    test.onTestFinished(() => transport.stop());
    server.script = (connection, number) => {
      const hostKey = number === 0 ? genuine : attacking;
      return exchangeKeys(connection, { hostKey });
    };
    await expect(transport.start()).rejects.toMatchObject({
      code: 'SSH_HOST_KEY',
      message: expect.stringContaining(attacking.fingerprint),
    });
    expect(person.open).toHaveLength(1);
    expect(server.connections).toHaveLength(2);
    expect(await readFile(file, 'utf8')).toBe('');
  });

  it('answered with yes adds nothing to known_hosts before the server proves the key', async (test) => {
    const server = await startRawSshServer(test, (connection) =>
      exchangeKeys(connection, { hostKey: stolenHostKey(genuine) }),
    );
    const person = new Believer(server);
    const file = await knownHosts(test, new Map());
    const options = testOptions({ port: server.port, userKnownHostsFile: [file], ...ask });
    const transport = sshTransport(options, person, silentLogger);
    test.onTestFinished(() => transport.stop());
    await expect(transport.start()).rejects.toMatchObject({ code: 'SSH_HOST_KEY' });
    expect(await readFile(file, 'utf8')).toBe('');
  });
});

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { LoginProgress } from '../../../src/core/ssh/connection/progress.ts';
import type { Prompter, SshOptions } from '../../../src/core/ssh/options.ts';
import { sshTransport } from '../../../src/core/ssh/transport.ts';
import type { ManagedTransport } from '../../../src/core/transport.ts';
import { CLI, startCli } from '../../support/cli.ts';
import { deferred } from '../../support/deferred.ts';
import { descendants, killAll } from '../../support/descendants.ts';
import { connectByOpenSsh } from '../../support/engines.ts';
import { describeWith, makeKey, run } from '../../support/openssh.ts';
import { silentLog, testOptions, typing } from '../../support/ssh-login.ts';
import { ScriptedPrompter } from '../../support/ssh-person.ts';
import { startSshServer } from '../../support/ssh-server.ts';
import { freePort, SSHD, startSshd } from '../../support/sshd.ts';
import { listenTcp } from '../../support/tcp.ts';

const TEST = { onTestFinished };
const UNATTENDED: Prompter = {
  interactive: false,
  ask: () => Promise.reject(new Error('no person to ask')),
  tell() {},
};

describeWith([SSHD, 'ssh', 'ssh-keygen'], 'the OpenSSH engine at a real sshd', () => {
  let dir: string;
  let sshd: { port: number; server: ChildProcess };
  /** The sockets of masters are in here. */
  let runtime: string;
  const file = (name: string) => path.join(dir, name);

  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-openssh-'));
    runtime = await mkdtemp(path.join(os.tmpdir(), 'sf-'));
    vi.stubEnv('XDG_RUNTIME_DIR', runtime);
    await Promise.all([
      ...['host', 'login', 'other', 'ca'].map((name) => makeKey(file(name))),
      makeKey(file('locked'), { passphrase: 'sesame' }),
      makeKey(file('certified')),
    ]);
    const keys = ['login.pub', 'locked.pub'].map((name) => readFile(file(name), 'utf8'));
    await writeFile(file('authorized_keys'), (await Promise.all(keys)).join(''));
    sshd = await startSshd(dir);
    await knownHosts('known_hosts', sshd.port, 'host');
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    sshd?.server.kill();
    await rm(dir, { recursive: true, force: true });
    await rm(runtime, { recursive: true, force: true });
  });

  async function knownHosts(name: string, port: number, key: string, marker = ''): Promise<string> {
    const line = `${marker}[127.0.0.1]:${port} ${await readFile(file(`${key}.pub`), 'utf8')}`;
    await writeFile(file(name), line);
    return file(name);
  }

  const options = (over: Partial<SshOptions> = {}): Partial<SshOptions> => ({
    user: os.userInfo().username,
    strictHostKeyChecking: 'yes',
    userKnownHostsFile: [file('known_hosts')],
    identityFile: [file('login')],
    identityFileExplicit: true,
    identitiesOnly: true,
    ...over,
  });
  const connect = (over: Partial<SshOptions> = {}, prompter: Prompter = UNATTENDED, port = sshd.port) =>
    connectByOpenSsh(port, options(over), { prompter });

  /** A transport as the command has it, stopped with the test. */
  async function transport(
    over: Partial<SshOptions>,
    port: number,
    prompter: Prompter = UNATTENDED,
  ): Promise<ManagedTransport & { progress: LoginProgress[]; lines: string[] }> {
    const progress: LoginProgress[] = [];
    const lines: string[] = [];
    const note = (_fields: unknown, text: string) => void lines.push(text);
    const log = { ...silentLog, debug: note, info: note, warn: note, child: () => log };
    const made = sshTransport(testOptions({ ...options(over), port }), prompter, log, (it) =>
      progress.push(it),
    );
    onTestFinished(() => made.stop());
    await made.start();
    return Object.assign(made, { progress, lines });
  }

  /** Everything that masters have left in their folder. */
  const left = () => readdir(runtime);

  it('logs in with a key, carries streams, and leaves nothing behind', async () => {
    const echo = await listenTcp(TEST, (socket) => socket.pipe(socket));
    const connection = await connect();
    expect(await left()).toHaveLength(1);
    expect(connection.about).toMatchObject({
      engine: 'openssh',
      keyExchange: expect.stringMatching(/^\S+$/),
    });
    const stream = await connection.openStream(echo);
    stream.end('there and back');
    expect(String((await stream.toArray())[0])).toBe('there and back');
    await connection.close();
    expect(await connection.closed).toBeNull();
    expect(await left()).toEqual([]);
    expect(await sshProcesses()).toEqual([]);
  });

  it('sends what was written before it is closed', { repeats: 4 }, async () => {
    const total = 1_500_000;
    let received = 0;
    const ended = deferred<void>();
    const to = await listenTcp(TEST, (socket) => {
      socket.on('end', ended.resolve).on('data', (chunk) => {
        received += chunk.length;
      });
    });
    const connection = await connect();
    const stream = await connection.openStream(to);
    stream.on('error', () => {}).end(Buffer.alloc(total));
    await once(stream, 'finish');
    await connection.close();
    await ended.promise;
    expect(received).toBe(total);
  });

  it('starts subsystems, and opens sessions', async () => {
    const { port, server } = await startSshd(dir, ['Subsystem sftp internal-sftp']);
    onTestFinished(() => void server.kill());
    const connection = await connect(
      { userKnownHostsFile: [await knownHosts('kh-sftp', port, 'host')] },
      UNATTENDED,
      port,
    );
    onTestFinished(() => connection.close());
    expect(await connection.session()).toBeNull();
    const sftp = await connection.openStream({ subsystem: 'sftp' });
    // SSH_FXP_INIT, version 3, is answered by SSH_FXP_VERSION.
    sftp.write(Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 3]));
    const [answer] = (await once(sftp, 'data')) as [Buffer];
    expect(answer[4]).toBe(2);
    await expect(connection.openStream({ subsystem: 'none-such' })).rejects.toMatchObject({
      code: 'CHANNEL_REFUSED',
      reason: 'unknown-type',
    });
    sftp.destroy();
  });

  it('goes on after refused and unanswered channels', async () => {
    const connection = await connect();
    onTestFinished(() => connection.close());
    const closed = await freePort();
    for (let i = 0; i < 20; i++) {
      await expect(connection.openStream({ host: '127.0.0.1', port: closed })).rejects.toMatchObject({
        code: 'CHANNEL_REFUSED',
        reason: 'connect-failed',
        message: expect.stringContaining('is the service running'),
      });
    }
    const late = connection.openStream({ host: '192.0.2.1', port: 21 }, { timeout: 50 });
    await expect(late).rejects.toMatchObject({ code: expect.stringMatching(/CHANNEL_/) });
    const echo = await listenTcp(TEST, (socket) => socket.pipe(socket));
    const stream = await connection.openStream(echo);
    stream.end('still here');
    expect(String((await stream.toArray())[0])).toBe('still here');
  });

  describe('the host key', () => {
    it.each(['yes', 'ask', 'accept-new', 'no'] as const)(
      'is refused if it has changed, with StrictHostKeyChecking=%s',
      async (strictHostKeyChecking) => {
        const wrong = await knownHosts(`kh-${strictHostKeyChecking}`, sshd.port, 'other');
        const person = new ScriptedPrompter([]);
        await expect(
          connect({ strictHostKeyChecking, userKnownHostsFile: [wrong] }, person),
        ).rejects.toMatchObject({
          code: 'SSH_HOST_KEY',
          message: expect.stringMatching(
            /has changed: it is ED25519 SHA256:\S+ now, ED25519 in .*:1; .*ssh-keygen/,
          ),
        });
        expect(person.told).toContain('REMOTE HOST IDENTIFICATION HAS CHANGED');
        expect(await left()).toEqual([]);
      },
    );

    it('is refused if it is unknown: with yes, and if no person can be asked', async () => {
      await expect(connect({ userKnownHostsFile: [] })).rejects.toMatchObject({
        code: 'SSH_HOST_KEY',
        message: expect.stringMatching(/it shows ED25519 SHA256:.*StrictHostKeyChecking is yes/),
      });
      await expect(connect({ userKnownHostsFile: [], strictHostKeyChecking: 'ask' })).rejects.toMatchObject({
        code: 'SSH_HOST_KEY',
        message: expect.stringMatching(/no terminal to ask/),
      });
    });

    it('is asked about, with its fingerprint, and remembered', async () => {
      const fresh = file('kh-fresh');
      const refusing = new ScriptedPrompter(['no']);
      const over = { userKnownHostsFile: [fresh], strictHostKeyChecking: 'ask' } as const;
      await expect(connect(over, refusing)).rejects.toMatchObject({ code: 'SSH_HOST_KEY' });
      expect(refusing.told).toMatch(/can't be established[\s\S]*SHA256:/);
      const person = new ScriptedPrompter(['yes']);
      const connection = await connect(over, person);
      await connection.close();
      expect(person.asked).toEqual([{ question: expect.stringContaining('(yes/no'), echo: true }]);
      expect(person.told).toContain('Permanently added');
      expect(await readFile(fresh, 'utf8')).toContain(`[127.0.0.1]:${sshd.port} ssh-ed25519`);
      await (await connect(over)).close();
    });

    it('needs the person again only if it is not remembered', async () => {
      const loginAs = async (userKnownHostsFile: string[]) => {
        const needsPerson = vi.fn();
        const over = options({ userKnownHostsFile, strictHostKeyChecking: 'ask' });
        const deps = { prompter: new ScriptedPrompter(['yes']), needsPerson };
        await (await connectByOpenSsh(sshd.port, over, deps)).close();
        return needsPerson.mock.calls.length;
      };
      expect(await loginAs([file('kh-remembered')])).toBe(0);
      expect(await loginAs([])).toBe(1);
      expect(await loginAs(['/dev/null'])).toBe(1);
    });

    it('is refused if the person cancels the question', async () => {
      const cancelling = new ScriptedPrompter([new Error('interrupted')]);
      const over = { userKnownHostsFile: [file('kh-none')], strictHostKeyChecking: 'ask' } as const;
      await expect(connect(over, cancelling)).rejects.toMatchObject({
        code: 'SSH_HOST_KEY',
        message: expect.stringContaining('interrupted'),
      });
      expect(await left()).toEqual([]);
    });
  });

  it('explains a refused login, with the remedy', async () => {
    await expect(connect({ identityFile: [file('other')] })).rejects.toMatchObject({
      code: 'SSH_AUTH',
      message: expect.stringMatching(/permission denied \(publickey.*tried key .*other; .*authorized_keys/),
    });
  });

  it.each([
    ['that the server accepts', [], /tried key .*locked; .*locked is encrypted, .*ssh-add/],
    ['that ssh cannot offer', ['-m', 'PEM', '-t', 'rsa'], /tried nothing; .*sealed is encrypted, .*ssh-add/],
  ])('reports that a key is encrypted: one %s', async (_title, format, message) => {
    const key = format.length === 0 ? file('locked') : file('sealed');
    if (format.length > 0) {
      await run('ssh-keygen', ['-q', ...format, '-N', 'sesame', '-f', key]);
      await rm(`${key}.pub`);
    }
    await expect(connect({ identityFile: [key], batchMode: true })).rejects.toMatchObject({
      code: 'SSH_AUTH',
      message: expect.stringMatching(message),
    });
  });

  it('reports a key that the server refuses as refused, encrypted or not', async () => {
    await makeKey(file('stranger'), { passphrase: 'sesame' });
    await expect(connect({ identityFile: [file('stranger')], batchMode: true })).rejects.toMatchObject({
      code: 'SSH_AUTH',
      message: expect.stringMatching(/tried key .*stranger; .*authorized_keys/),
    });
  });

  it('ends ssh when the programs around it are killed', async () => {
    const connection = await connect();
    const masters = await sshProcesses();
    onTestFinished(() => killAll(masters));
    const around = (await descendants(process.pid)).filter(({ name }) => name === 'sh');
    // The innermost first: the outermost would end it.
    for (const { pid } of around.toReversed()) process.kill(pid, 'SIGKILL');
    expect(await connection.closed).toMatchObject({ code: 'SSH_LOST' });
    await vi.waitFor(() => expect(masters.map(({ pid }) => isRunning(pid))).toEqual([false]), 5000);
    expect(await left()).toEqual([]);
  });

  it('reports that nothing listens there, and that there is no such host', async () => {
    const port = await freePort();
    await expect(connect({}, UNATTENDED, port)).rejects.toMatchObject({
      code: 'SSH_CONNECT',
      message: expect.stringContaining(`127.0.0.1:${port}: connection refused`),
    });
    await expect(connect({ hostName: 'no-such-host.invalid' })).rejects.toMatchObject({
      code: 'SSH_CONNECT',
      message: expect.stringMatching(/no-such-host\.invalid/),
    });
  });

  it('gives up on a server that never answers, and on request', async () => {
    const { port } = await listenTcp(TEST, (socket) => socket.resume());
    await expect(connect({ connectTimeout: 0.3 }, UNATTENDED, port)).rejects.toMatchObject({
      code: 'SSH_TIMEOUT',
    });
    const owner = new AbortController();
    const login = connectByOpenSsh(port, options(), { prompter: UNATTENDED, signal: owner.signal });
    const reason = new Error('called off');
    setTimeout(() => owner.abort(reason), 200);
    await expect(login).rejects.toBe(reason);
    expect(await left()).toEqual([]);
    expect(await sshProcesses()).toEqual([]);
  });

  it('asks for a passphrase once, also for data connections and after a reconnect', async () => {
    const person = new ScriptedPrompter(['sesame']);
    const over = { engine: 'openssh', identityFile: [file('locked')], dataConnections: 1 } as const;
    const made = await transport(over, sshd.port, person);
    const echo = await listenTcp(TEST, (socket) => socket.pipe(socket));
    const bulk = await made.openStream(echo, { bulk: true });
    expect(made.dataConnections).toBe(1);
    bulk.destroy();
    const back = new Promise<void>((resolve) => made.onState((state) => state === 'ready' && resolve()));
    await killSsh();
    await back;
    expect(person.asked).toHaveLength(1);
    expect(person.asked[0]).toMatchObject({ question: expect.stringContaining('passphrase'), echo: false });
  });

  it('reports the loss of the connection when ssh is killed, and cleans up', async () => {
    const connection = await connect();
    const target = await listenTcp(TEST, (socket) => socket.write('half'));
    const stream = await connection.openStream(target);
    const failed = once(stream, 'error');
    stream.resume();
    await killSsh();
    expect((await failed)[0]).toMatchObject({ code: 'SSH_LOST' });
    expect(await connection.closed).toMatchObject({ code: 'SSH_LOST', retryable: true });
    expect(await left()).toEqual([]);
  });

  it('listens at the server, and passes on connections until it is closed', async () => {
    const connection = await connect();
    onTestFinished(() => connection.close());
    const arrived: string[] = [];
    const listening = await connection.listen({ host: '127.0.0.1', port: 0 }, (stream, peer) => {
      arrived.push(peer.remote.host);
      stream.on('data', (chunk) => stream.end(`heard ${chunk}`));
    });
    const client = net.connect({ port: listening.endpoint.port, host: '127.0.0.1' });
    client.write('hello');
    expect(String((await client.toArray())[0])).toBe('heard hello');
    expect(arrived).toEqual(['127.0.0.1']);
    await expect(
      connection.listen({ host: '127.0.0.1', port: listening.endpoint.port }, () => {}),
    ).rejects.toMatchObject({ code: 'LISTEN_FAILED' });
    await listening.close();
    const refused = net.connect({ port: listening.endpoint.port, host: '127.0.0.1' });
    await expect(once(refused, 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('an upload over a remote forward that is lost does not look whole', async () => {
    const connection = await connect();
    const ended = vi.fn();
    const failed = new Promise<Error>((resolve) => {
      void connection
        .listen({ host: '127.0.0.1', port: 0 }, (stream) => {
          stream.on('end', ended).on('error', resolve).resume();
          stream.once('data', () => void killSsh());
        })
        .then(({ endpoint }) => {
          const client = net.connect(endpoint.port, '127.0.0.1').on('error', () => {});
          client.write('half a file');
        });
    });
    expect(await failed).toMatchObject({ code: 'SSH_LOST' });
    expect(ended).not.toHaveBeenCalled();
  });

  describe('SshEngine=auto', () => {
    it('takes ssh2 for a plain key', async () => {
      const made = await transport({}, sshd.port);
      expect(made.about).toMatchObject({
        engine: 'ssh2',
        keyExchange: 'curve25519-sha256',
        postQuantum: false,
      });
    });

    it('takes OpenSSH for a user certificate beside the key, and for a host certificate', async () => {
      const user = os.userInfo().username;
      await run('ssh-keygen', ['-q', '-s', file('ca'), '-I', 'me', '-n', user, file('certified.pub')]);
      await makeKey(file('host-certified'));
      await run('ssh-keygen', [
        '-q',
        '-s',
        file('ca'),
        '-I',
        'host',
        '-h',
        '-n',
        '127.0.0.1',
        file('host-certified.pub'),
      ]);
      const { port, server } = await startSshd(dir, [
        `TrustedUserCAKeys ${file('ca.pub')}`,
        'AuthorizedKeysFile none',
        `HostKey ${file('host-certified')}`,
        `HostCertificate ${file('host-certified-cert.pub')}`,
      ]);
      onTestFinished(() => void server.kill());
      const authority = await knownHosts('kh-ca', port, 'ca', '@cert-authority ');
      const made = await transport(
        { identityFile: [file('certified')], userKnownHostsFile: [authority] },
        port,
      );
      expect(made.about).toMatchObject({ engine: 'openssh' });
      expect(made.progress.map(({ stage }) => stage)).toEqual(['connected', 'verified', 'ready']);
      expect(made.progress[1]).toMatchObject({ keyType: 'ssh-ed25519-cert-v01@openssh.com' });
      expect(made.lines.join('\n')).toMatch(
        /OpenSSH's ssh logs in to yourserver: the certificate .* needs it/,
      );
    });

    it('tries OpenSSH if ssh2 and the server have nothing in common, and remembers it', async () => {
      const { port, server } = await startSshd(dir, ['KexAlgorithms sntrup761x25519-sha512@openssh.com']);
      onTestFinished(() => void server.kill());
      const made = await transport({ userKnownHostsFile: [await knownHosts('kh-pq', port, 'host')] }, port);
      expect(made.about).toEqual({
        engine: 'openssh',
        keyExchange: 'sntrup761x25519-sha512@openssh.com',
        postQuantum: true,
      });
      expect(made.lines.join('\n')).toMatch(/no key exchange algorithm in common: .*; trying OpenSSH's ssh/);
      await expect(transport({ engine: 'ssh2' }, port)).rejects.toMatchObject({ code: 'SSH_UNSUPPORTED' });
    });

    it('reports the error of ssh2 if OpenSSH has nothing in common with the server either', async () => {
      const { port, server } = await startSshd(dir, ['KexAlgorithms sntrup761x25519-sha512@openssh.com']);
      onTestFinished(() => void server.kill());
      const over = { kexAlgorithms: ['curve25519-sha256'] };
      await expect(transport(over, port)).rejects.toMatchObject({
        code: 'SSH_UNSUPPORTED',
        message: expect.stringContaining('and sshferry have no key exchange algorithm in common'),
      });
    });
  });

  describe('the command', () => {
    const args = (...more: string[]) => [
      ...['-F', 'none', '-p', `${sshd.port}`, '-i', file('login'), '-o', 'IdentityAgent=none'],
      ...['-o', `UserKnownHostsFile=${file('known_hosts')}`, '-o', 'BatchMode=yes'],
      ...['-o', 'SshEngine=openssh', ...more, '127.0.0.1'],
    ];

    it('check names the engine and the key exchange', async () => {
      const { port } = await listenTcp(TEST, (socket) => socket.end());
      const [program, ...before] = CLI;
      const words = await run(program, [...before, 'check', ...args('-L', `0:127.0.0.1:${port}`)]);
      expect(words.replace(/\s+/g, ' ')).toMatch(
        /SSH login with key \S+login, by OpenSSH, \S+ \((not )?post-quantum\)/,
      );
    });

    it.each(['SIGKILL', 'SIGTERM'] as const)('leaves nothing behind when it ends by %s', async (signal) => {
      const folder = await mkdtemp(path.join(os.tmpdir(), 'sf-'));
      onTestFinished(() => rm(folder, { recursive: true, force: true }));
      const { child, said, ended } = startCli(TEST, args('-L', '0:127.0.0.1:9'), {
        ...process.env,
        XDG_RUNTIME_DIR: folder,
      });
      await said('forward.ready');
      const below = await descendants(child.pid ?? 0);
      expect(below.map(({ name }) => name)).toContain('ssh');
      const sockets = async () => (await readdir(folder)).filter((name) => name.startsWith('sshferry-'));
      expect(await sockets()).toHaveLength(1);
      child.kill(signal);
      await ended;
      await vi.waitFor(async () => {
        expect(below.filter(({ pid }) => isRunning(pid))).toEqual([]);
        expect(await sockets()).toEqual([]);
      }, 5000);
    });
  });

  /** The ssh processes below this one. */
  async function sshProcesses() {
    return (await descendants(process.pid)).filter(({ name }) => name === 'ssh');
  }

  async function killSsh(): Promise<void> {
    for (const { pid } of await sshProcesses()) process.kill(pid, 'SIGKILL');
  }
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describeWith(['ssh'], 'questions by the OpenSSH engine', () => {
  it('asks for a password, and again after a wrong one', async (test) => {
    const ssh = await startSshServer();
    test.onTestFinished(() => ssh.close());
    const person = new ScriptedPrompter(['wrong', 'demo']);
    const connection = await connectByOpenSsh(ssh.port, { numberOfPasswordPrompts: 2 }, { prompter: person });
    test.onTestFinished(() => connection.close());
    expect(person.asked).toEqual([
      { question: "demo@127.0.0.1's password: ", echo: false },
      { question: "demo@127.0.0.1's password: ", echo: false },
    ]);
    expect(person.told).toContain('Permission denied, please try again.');
  });

  it('passes the questions of keyboard-interactive on', async (test) => {
    const interactive = { prompts: [{ prompt: 'Code: ', echo: true }], answers: ['123456'] };
    const ssh = await startSshServer({ users: { demo: { interactive } } });
    test.onTestFinished(() => ssh.close());
    const person = new ScriptedPrompter(['123456']);
    const connection = await connectByOpenSsh(ssh.port, {}, { prompter: person });
    test.onTestFinished(() => connection.close());
    expect(person.asked[0]?.question).toMatch(/Code: $/);
  });

  it('shows the server’s banner, without what is ssh’s own', async (test) => {
    const ssh = await startSshServer({ banner: 'Authorized use only\n' });
    test.onTestFinished(() => ssh.close());
    const person = new ScriptedPrompter(['demo']);
    const connection = await connectByOpenSsh(ssh.port, {}, { prompter: person });
    test.onTestFinished(() => connection.close());
    expect(person.told).toContain('Authorized use only');
    expect(person.told).not.toContain('debug1');
  });

  it('ends the login when the person cancels', async (test) => {
    const ssh = await startSshServer();
    test.onTestFinished(() => ssh.close());
    const person = new ScriptedPrompter([new Error('interrupted')]);
    await expect(connectByOpenSsh(ssh.port, {}, { prompter: person })).rejects.toMatchObject({
      code: 'SSH_AUTH',
      message: expect.stringContaining('cancelled at the prompt'),
    });
    await vi.waitFor(() => expect(ssh.connections).toBe(0));
  });

  it.each(['password', 'keyboard-interactive'] as const)(
    'sends no answer to the server when the person cancels: %s',
    async (method) => {
      const answers: unknown[] = [];
      const ssh = await startSshServer({
        authenticate: (context) => {
          if (context.method !== method) return context.reject([method]);
          if (context.method === 'password') answers.push(context.password);
          else if (context.method === 'keyboard-interactive')
            context.prompt('Code: ', (it) => answers.push(it));
        },
      });
      onTestFinished(() => ssh.close());
      const person = new ScriptedPrompter([new Error('interrupted')]);
      const login = connectByOpenSsh(ssh.port, {}, { prompter: person });
      await expect(login).rejects.toMatchObject({ code: 'SSH_AUTH' });
      await vi.waitFor(() => expect(ssh.connections).toBe(0));
      expect(person.asked).toHaveLength(1);
      expect(answers).toEqual([]);
    },
  );

  it.each([
    ['no terminal', { interactive: false }, {}, /no terminal to ask/],
    ['BatchMode', {}, { batchMode: true }, /BatchMode=yes allows no password prompt/],
  ])('explains a login without answers: %s', async (_title, prompter, over, message) => {
    const ssh = await startSshServer();
    onTestFinished(() => ssh.close());
    const deps = { prompter: { ...typing('demo'), ...prompter } };
    await expect(connectByOpenSsh(ssh.port, over, deps)).rejects.toMatchObject({
      code: 'SSH_AUTH',
      message: expect.stringMatching(message),
    });
  });

  it('does not count the time that a person takes', async (test) => {
    const ssh = await startSshServer();
    test.onTestFinished(() => ssh.close());
    const slow = { ...typing('demo'), ask: () => new Promise<string>((r) => setTimeout(r, 4500, 'demo')) };
    // The rest of the login may take seconds on a busy machine.
    const connection = await connectByOpenSsh(ssh.port, { connectTimeout: 4 }, { prompter: slow });
    expect(connection.state).toBe('ready');
    await connection.close();
  });
});

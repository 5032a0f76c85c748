import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import pino from 'pino';
import { Client } from 'ssh2';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createAuthHandler } from '../../../src/core/ssh/auth/auth-sequence.ts';
import { prepareIdentities } from '../../../src/core/ssh/auth/identity.ts';
import { ssh2Algorithms } from '../../../src/core/ssh/connection/algorithms.ts';
import { createHostVerifier } from '../../../src/core/ssh/host-key/host-key.ts';
import type { SshOptions } from '../../../src/core/ssh/options.ts';
import { describeWith, makeKey, run } from '../../support/openssh.ts';
import { ScriptedPrompter, sshOptions } from '../../support/ssh-person.ts';
import { SSHD, startSshd } from '../../support/sshd.ts';

const log = pino({ level: 'silent' });

describeWith([SSHD, 'ssh-keygen', 'ssh-agent', 'ssh-add'], 'login to a real sshd', () => {
  let dir: string;
  let agent: ChildProcess;
  const servers: ChildProcess[] = [];
  const file = (name: string) => path.join(dir, name);

  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-login-'));
    await Promise.all([
      makeKey(file('host')),
      makeKey(file('plain')),
      makeKey(file('rsa'), { type: 'rsa' }),
      makeKey(file('held')),
      makeKey(file('stranger')),
      makeKey(file('locked'), { passphrase: 'open sesame' }),
      makeKey(file('pem'), { type: 'rsa', passphrase: 'open sesame', pem: true }),
    ]);
    await rm(file('pem.pub'), { force: true }).then(async () => {
      const publicLine = await run('ssh-keygen', ['-y', '-P', 'open sesame', '-f', file('pem')]);
      await writeFile(file('pem.line'), publicLine);
    });
    const lines = ['plain.pub', 'rsa.pub', 'held.pub', 'locked.pub', 'pem.line'];
    const texts = await Promise.all(lines.map((name) => readFile(file(name), 'utf8')));
    await writeFile(file('authorized_keys'), texts.join(''));
    agent = spawn('ssh-agent', ['-D', '-a', file('agent')], { stdio: ['ignore', 'pipe', 'ignore'] });
    if (agent.stdout) await once(agent.stdout, 'data');
    await run('ssh-add', ['-q', file('held')], { ...process.env, SSH_AUTH_SOCK: file('agent') });
  });
  afterAll(async () => {
    agent.kill();
    for (const server of servers) server.kill();
    await rm(dir, { recursive: true });
  });

  /** Starts an sshd of its own and returns its port. */
  async function sshd(...settings: string[]): Promise<number> {
    const { port, server } = await startSshd(dir, settings);
    servers.push(server);
    return port;
  }

  /** Logs in and out again; returns null, or the message of the failure. */
  async function login(port: number, changes: Partial<SshOptions>, prompter = new ScriptedPrompter(null)) {
    const options = sshOptions({
      hostName: '127.0.0.1',
      port,
      user: os.userInfo().username,
      strictHostKeyChecking: 'accept-new',
      userKnownHostsFile: [file(`known_hosts.${port}`)],
      ...changes,
    });
    const check = await createHostVerifier(options, prompter, log).prepare();
    const identities = await prepareIdentities(options, log);
    const over = new AbortController();
    const auth = createAuthHandler({ options, identities, prompter, log, signal: over.signal });
    const client = new Client();
    try {
      return await new Promise<string | null>((resolve) => {
        client.on('ready', () => resolve(null));
        client.on('error', (error) => {
          if (error.level !== 'agent') resolve(auth.failure(error).message);
        });
        client.connect({
          host: '127.0.0.1',
          port,
          username: options.user,
          algorithms: ssh2Algorithms(options, check.algorithms),
          readyTimeout: 0,
          authHandler: auth.handler,
          hostVerifier: (key: Buffer) => check.judge(key).status === 'accepted',
        });
      });
    } finally {
      over.abort();
      client.destroy();
    }
  }

  it.each(['plain', 'rsa'])('with the key file %s', async (name) => {
    expect(await login(await sshd(), { identityFile: [file(name)] })).toBeNull();
  });

  it('with a key that only the agent holds', async () => {
    expect(await login(await sshd(), { identityAgent: file('agent') })).toBeNull();
  });

  it.each(['locked', 'pem'])('with the encrypted key %s, its passphrase mistyped once', async (name) => {
    const person = new ScriptedPrompter(['wrong', 'open sesame']);
    expect(await login(await sshd(), { identityFile: [file(name)] }, person)).toBeNull();
    expect(person.asked.at(-1)).toEqual({
      question: `Enter passphrase for key '${file(name)}': `,
      echo: false,
    });
  });

  it('asks for no passphrase if another key is enough or the server does not know the key', async () => {
    const port = await sshd();
    const person = new ScriptedPrompter([]);
    expect(await login(port, { identityFile: [file('plain'), file('locked')] }, person)).toBeNull();
    await copyFile(file('stranger'), file('hidden'));
    await chmod(file('hidden'), 0o600);
    await run('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'x', '-f', file('hidden')]);
    expect(
      await login(port, { identityFile: [file('hidden')], preferredAuthentications: ['publickey'] }, person),
    ).toContain('permission denied (publickey');
    expect(person.asked).toEqual([]);
  });

  it('with two factors, the first of them an agent’s key or an encrypted one', async () => {
    const port = await sshd('AuthenticationMethods publickey,publickey');
    expect(await login(port, { identityAgent: file('agent'), identityFile: [file('plain')] })).toBeNull();
    const person = new ScriptedPrompter(['open sesame']);
    expect(await login(port, { identityFile: [file('locked'), file('rsa')] }, person)).toBeNull();
    expect(await login(port, { identityFile: [file('plain')] })).toContain('permission denied (publickey)');
  });

  it('reports what was tried if no key fits', async () => {
    const message = await login(await sshd('PasswordAuthentication no', 'KbdInteractiveAuthentication no'), {
      identityFile: [file('stranger')],
    });
    expect(message).toMatch(/permission denied \(publickey.*\): tried key .*stranger; .*authorized_keys/);
  });

  it('recognizes "too many authentication failures"', async () => {
    const port = await sshd('MaxAuthTries 1');
    expect(await login(port, { identityFile: [file('stranger'), file('plain')] })).toContain(
      'IdentitiesOnly=yes',
    );
  });
});

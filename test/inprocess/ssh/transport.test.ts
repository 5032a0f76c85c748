import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it, type TestContext, vi } from 'vitest';
import type { LoginProgress } from '../../../src/core/ssh/connection/progress.ts';
import { sshTransport } from '../../../src/core/ssh/transport.ts';
import { makeKey } from '../../support/openssh.ts';
import { silentLog, testOptions } from '../../support/ssh-login.ts';
import { ScriptedPrompter } from '../../support/ssh-person.ts';
import { startSshServer } from '../../support/ssh-server.ts';
import { listenTcp } from '../../support/tcp.ts';

/**
 * A server that takes one key or the password `demo`, and the files of a person who logs in there.
 */
async function setUp(test: TestContext, passphrase = '') {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-'));
  const identity = path.join(dir, 'id_ed25519');
  await makeKey(identity, { passphrase });
  const publicKey = await readFile(`${identity}.pub`, 'utf8');
  const ssh = await startSshServer({ users: { demo: { password: 'demo', publicKeys: [publicKey] } } });
  const knownHosts = path.join(dir, 'known_hosts');
  await writeFile(knownHosts, `[127.0.0.1]:${ssh.port} ${ssh.hostKey.line}\n`);
  test.onTestFinished(async () => {
    await ssh.close();
    await rm(dir, { recursive: true });
  });
  const options = testOptions({
    port: ssh.port,
    userKnownHostsFile: [knownHosts],
    identityFile: [identity],
    identityFileExplicit: true,
  });
  const echo = await listenTcp(test, (socket) => socket.pipe(socket));
  return { ssh, options, echo, knownHosts };
}

describe('sshTransport', () => {
  it('carries bulk data on a connection of its own, and closes both when it stops', async (test) => {
    const { ssh, options, echo } = await setUp(test);
    const transport = sshTransport(options, new ScriptedPrompter(null), silentLog);
    await transport.start();
    const control = await transport.openStream(echo);
    expect(ssh.connections).toBe(1);
    const data = await transport.openStream(echo, { bulk: true });
    expect(ssh.connections).toBe(2);
    for (const stream of [control, data]) {
      stream.end('hello');
      expect(String((await stream.toArray())[0])).toBe('hello');
    }
    await transport.stop();
    await vi.waitFor(() => expect(ssh.connections).toBe(0));
  });

  it('reports the progress of the login once, and not that of data connections', async (test) => {
    const { ssh, options, echo } = await setUp(test);
    const told: LoginProgress[] = [];
    const named = { ...options, hostName: 'localhost', addressFamily: 'inet' as const };
    const hostKeyAlias = `[127.0.0.1]:${ssh.port}`;
    const transport = sshTransport(
      { ...named, hostKeyAlias },
      new ScriptedPrompter(null),
      silentLog,
      (progress) => told.push(progress),
    );
    await transport.start();
    (await transport.openStream(echo, { bulk: true })).destroy();
    expect(ssh.connections).toBe(2);
    await transport.stop();
    expect(told).toEqual([
      { host: 'yourserver', stage: 'resolved', addresses: ['127.0.0.1'] },
      { host: 'yourserver', stage: 'connected', address: '127.0.0.1' },
      {
        host: 'yourserver',
        stage: 'verified',
        keyType: 'ssh-ed25519',
        fingerprint: ssh.hostKey.fingerprint,
        software: expect.stringMatching(/^ssh2js/),
      },
      {
        host: 'yourserver',
        stage: 'ready',
        by: `key ${options.identityFile[0]}`,
        about: { engine: 'ssh2', keyExchange: 'curve25519-sha256', postQuantum: false },
      },
    ]);
  });

  it('asks for a passphrase once, and not again for the second connection', async (test) => {
    const { ssh, options, echo } = await setUp(test, 'secret');
    const person = new ScriptedPrompter(['secret']);
    const transport = sshTransport(options, person, silentLog);
    await transport.start();
    (await transport.openStream(echo, { bulk: true })).destroy();
    expect(ssh.connections).toBe(2);
    expect(person.asked).toHaveLength(1);
    await transport.stop();
  });

  it('opens no second connection if a person had to log in', async (test) => {
    const { ssh, options, echo } = await setUp(test);
    const person = new ScriptedPrompter(['demo']);
    const transport = sshTransport({ ...options, identityFile: [] }, person, silentLog);
    await transport.start();
    (await transport.openStream(echo, { bulk: true })).destroy();
    expect(ssh.connections).toBe(1);
    expect(person.asked).toHaveLength(1);
    await transport.stop();
  });

  it('does not ask even if a second connection is requested, and works without it', async (test) => {
    const { ssh, options, echo } = await setUp(test);
    const person = new ScriptedPrompter(['demo']);
    const demanding = { ...options, identityFile: [], dataConnections: 2 };
    const transport = sshTransport(demanding, person, silentLog);
    await transport.start();
    const stream = await transport.openStream(echo, { bulk: true });
    stream.end('hello');
    expect(String((await stream.toArray())[0])).toBe('hello');
    expect(person.asked).toHaveLength(1);
    await vi.waitFor(() => expect(ssh.connections).toBe(1));
    await transport.stop();
  });

  it('needs no known_hosts entry for the second connection, but the same key', async (test) => {
    const { ssh, options, echo, knownHosts } = await setUp(test);
    await writeFile(knownHosts, '');
    const person = new ScriptedPrompter(['yes']);
    const transport = sshTransport({ ...options, strictHostKeyChecking: 'ask' }, person, silentLog);
    await transport.start();
    await writeFile(knownHosts, '');
    const stream = await transport.openStream(echo, { bulk: true });
    expect(ssh.connections).toBe(2);
    expect(person.asked).toHaveLength(1);
    const lost = once(stream, 'error');
    ssh.killConnections();
    await lost;
    await transport.stop();
  });
});

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import pino from 'pino';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { prepareIdentities } from '../../../src/core/ssh/auth/identity.ts';
import type { SshOptions } from '../../../src/core/ssh/options.ts';
import { describeWith, makeKey, run } from '../../support/openssh.ts';
import { sshOptions } from '../../support/ssh-person.ts';

describeWith(['ssh-keygen', 'ssh-agent', 'ssh-add'], 'identities', () => {
  let dir: string;
  let agent: ChildProcess;
  let socket: string;
  const file = (name: string) => path.join(dir, name);
  const warnings: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(JSON.parse(line).msg) });

  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-id-'));
    await Promise.all([
      makeKey(file('plain')),
      makeKey(file('held')),
      makeKey(file('other')),
      makeKey(file('locked'), { passphrase: 'open sesame' }),
      makeKey(file('pem'), { type: 'rsa', passphrase: 'open sesame', pem: true }),
      makeKey(file('ecdsa'), { type: 'ecdsa' }),
    ]);
    socket = file('agent.sock');
    agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] });
    if (agent.stdout) await once(agent.stdout, 'data');
    const env = { ...process.env, SSH_AUTH_SOCK: socket };
    for (const name of ['other', 'held']) await run('ssh-add', ['-q', file(name)], env);
    await run('ssh-add', ['-q', file('plain')], env);
    await run('ssh-add', ['-q', '-d', file('plain')], env);
  });
  afterAll(async () => {
    agent.kill();
    await rm(dir, { recursive: true });
  });
  beforeEach(() => {
    warnings.length = 0;
  });

  async function labels(names: readonly string[], changes: Partial<SshOptions> = {}) {
    const options = sshOptions({ identityFile: names.map(file), identityAgent: socket, ...changes });
    return (await prepareIdentities(options, log)).map(({ type, label }) => `${type} ${label}`);
  }
  const comment = () => `${os.userInfo().username}@${os.hostname()}`;

  it("offers the agent's keys that are among the files, then its others, then the files", async () => {
    expect(await labels(['plain', 'held'])).toEqual([
      `agent ${file('held')} (agent)`,
      `agent agent key ${comment()}`,
      `file ${file('plain')}`,
    ]);
  });

  it('omits the agent’s other keys with IdentitiesOnly', async () => {
    expect(await labels(['held'], { identitiesOnly: true })).toEqual([`agent ${file('held')} (agent)`]);
  });

  it('finds the key of a public key file in the agent', async () => {
    expect(await labels(['held.pub'], { identitiesOnly: true })).toEqual([
      `agent ${file('held.pub')} (agent)`,
    ]);
  });

  it('reports that a public key file alone is useless', async () => {
    expect(await labels(['plain.pub'])).toEqual([
      `agent agent key ${comment()}`,
      `agent agent key ${comment()}`,
    ]);
    expect(warnings).toEqual([
      expect.stringMatching(/plain\.pub is a public key, and no agent holds.*ssh-add/),
    ]);
  });

  it('works without an agent', async () => {
    expect(await labels(['plain', 'ecdsa'], { identityAgent: file('nothing') })).toEqual([
      `file ${file('plain')}`,
      `file ${file('ecdsa')}`,
    ]);
  });

  it('does without an agent that never answers, and reports it', async () => {
    const mute = net.createServer(() => {}).listen(file('mute.sock'));
    await once(mute, 'listening');
    const identityAgent = file('mute.sock');
    expect(await labels(['plain'], { identityAgent, connectTimeout: 0.1 })).toEqual([
      `file ${file('plain')}`,
    ]);
    expect(warnings).toEqual([
      `the agent at ${identityAgent} did not answer within 0.1 s; continuing without it`,
    ]);
    mute.close();
  });

  it('lists encrypted keys of both formats with their public halves', async () => {
    const options = sshOptions({ identityFile: [file('locked'), file('pem')] });
    const identities = await prepareIdentities(options, log);
    expect(identities.map((i) => [i.type, i.type === 'encrypted' && i.publicKey?.type])).toEqual([
      ['encrypted', 'ssh-ed25519'],
      ['encrypted', 'ssh-rsa'],
    ]);
  });

  it('warns about a missing file that was named, not about a default one', async () => {
    expect(await labels(['nothing'], { identityAgent: null })).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining('no such file')]);
    warnings.length = 0;
    expect(await labels(['nothing'], { identityAgent: null, identityFileExplicit: false })).toEqual([]);
    expect(warnings).toEqual([]);
  });

  it('ignores a key that others can read, and says how to fix it', async () => {
    await chmod(file('ecdsa'), 0o640);
    expect(await labels(['ecdsa'], { identityAgent: null })).toEqual([]);
    await chmod(file('ecdsa'), 0o600);
    expect(warnings).toEqual([expect.stringMatching(/0640 .*too open.*chmod 600/)]);
  });

  it('offers nothing with PubkeyAuthentication no', async () => {
    expect(await labels(['plain'], { pubkeyAuthentication: false })).toEqual([]);
  });
});

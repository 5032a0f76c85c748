import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { resolveSshOptions, type SshInput } from '../../../src/core/ssh/config/ssh-config.ts';
import { DEFAULT_ALGORITHMS } from '../../../src/core/ssh/connection/algorithms.ts';
import type { SshOptions } from '../../../src/core/ssh/options.ts';
import { CONFIG_CASES, resolveCase } from '../../core/ssh/config/ssh-config-table.ts';
import { describeWith } from '../../support/openssh.ts';

const home = os.userInfo().homedir;

describeWith(['ssh'], 'ssh_config through ssh -G', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-ssh-G-'));
  });
  afterAll(() => rm(dir, { recursive: true }));

  let count = 0;
  async function resolve(config: string, changes: Partial<SshInput> = {}) {
    const configFile = path.join(dir, `config${count++}`);
    await writeFile(configFile, config);
    const { flags, ...rest } = changes;
    return resolveSshOptions({
      destination: 'box',
      o: [],
      env: process.env,
      ...rest,
      flags: { configFile, ...flags },
    });
  }
  const strip = (text: string) => text.replace(/\n\s+/g, '\n');

  it.each(Object.entries(CONFIG_CASES))('expands %s as sshferry itself does', async (name, each) => {
    const folder = path.join(dir, name.replace(/\W/g, '-'));
    const own = resolveCase(folder, each, { ...process.env, PATH: '/nonexistent' });
    const [byOwn, byG] = await Promise.allSettled([
      own,
      own.catch(() => {}).then(() => resolveCase(folder, each, process.env)),
    ]);
    expect(byG.status).toBe(each.error ? 'rejected' : 'fulfilled');
    if (byG.status === 'rejected' || byOwn.status === 'rejected')
      return expect(byOwn.status).toBe(byG.status);
    const sorted = (options: SshOptions) => ({ ...options, identityFile: [...options.identityFile].sort() });
    expect(sorted(byOwn.value.options)).toEqual(sorted(byG.value.options));
    expect(byOwn.value.forwards).toEqual(byG.value.forwards);
  });

  it('reads an empty configuration as the subset does', async () => {
    const subset = await resolveSshOptions({
      destination: 'you@box',
      flags: { configFile: 'none' },
      o: [],
      env: { ...process.env, PATH: '/nonexistent' },
    });
    const { options, notes } = await resolve('', { destination: 'you@box' });
    // The order of the default names is the installed ssh's.
    expect({ ...options, identityFile: [...options.identityFile].sort() }).toEqual({
      ...subset.options,
      identityFile: [...subset.options.identityFile].sort(),
    });
    expect(notes).toEqual([]);
  });

  it('reads a full configuration as the subset does', async () => {
    const config = strip(`
      Host box
      HostName %h.example.com
      User deploy
      Port 2222
      IdentityFile ~/keys/%r
      IdentitiesOnly yes
      IdentityAgent none
      HostKeyAlias alias
      UserKnownHostsFile ~/a "~/b c"
      GlobalKnownHostsFile none
      StrictHostKeyChecking off
      HashKnownHosts yes
      ServerAliveInterval 60
      ServerAliveCountMax 2
      ConnectTimeout 2m
      ConnectionAttempts 4
      Ciphers aes256-ctr,aes128-gcm@openssh.com
      Compression yes
      BatchMode yes
      PreferredAuthentications publickey
      KbdInteractiveAuthentication no
      ProxyCommand nc %h %p
      LocalForward 8021 localhost:21
      LocalForward 8080 /run/app.sock
      LocalForward /run/%u.sock localhost:80
      RemoteForward 2525 localhost:25
      RemoteForward 1080
      DynamicForward 1081
      DynamicForward /run/d.sock
      StreamLocalBindMask 0111
      StreamLocalBindUnlink yes
      PermitRemoteOpen a:1 b:*
      ExitOnForwardFailure yes
      SessionType none`);
    const byG = await resolve(config);
    const subset = await resolve(config, { env: { ...process.env, PATH: '/nonexistent' } });
    expect(byG).toEqual(subset);
    expect(byG.options).toMatchObject({
      hostName: 'box.example.com',
      userKnownHostsFile: [`${home}/a`, `${home}/b c`],
      proxyCommand: 'nc box.example.com 2222',
      ciphers: ['aes256-ctr', 'aes128-gcm@openssh.com'],
      session: false,
    });
  });

  it('follows Include and Match', async () => {
    const included = path.join(dir, 'included');
    await writeFile(included, 'Host box\nPort 2022\n');
    const { options } = await resolve(`Include ${included}\nMatch host box\nUser matched\n`);
    expect(options).toMatchObject({ port: 2022, user: 'matched' });
  });

  it('passes the flags to ssh, and they take precedence', async () => {
    const { options } = await resolve('User file\nPort 1', {
      destination: 'box',
      flags: { port: 3, user: 'flag', family: 4, identityFile: ['/nonexistent/i'] },
      o: [['ServerAliveInterval', '7']],
    });
    expect(options).toMatchObject({
      user: 'flag',
      port: 3,
      addressFamily: 'inet',
      identityFile: ['/nonexistent/i'],
      identityFileExplicit: true,
      serverAliveInterval: 7,
    });
  });

  it('turns keepalive off only by -o', async () => {
    expect((await resolve('', { o: [['ServerAliveInterval', '0']] })).options.serverAliveInterval).toBe(0);
    expect((await resolve('')).options.serverAliveInterval).toBe(15);
  });

  it('supports ProxyJump', async () => {
    const { options } = await resolve(
      strip(`
      Host box
      ProxyJump you@gate:2200,inner
      Host gate
      HostName gate.example.com
      ProxyCommand nc %h %p
      Host inner
      User deploy
      ProxyCommand never run
    `),
    );
    expect(options.proxyJump).toBe('you@gate:2200,inner');
    expect(options.jumpHosts).toMatchObject([
      {
        host: 'gate',
        hostName: 'gate.example.com',
        user: 'you',
        port: 2200,
        proxyCommand: 'nc gate.example.com 2200',
      },
      { host: 'inner', user: 'deploy', port: 22, proxyCommand: null },
    ]);
    expect(options.jumpHosts?.map(({ jumpHosts }) => jumpHosts)).toEqual([undefined, undefined]);
    await expect(resolve('ProxyJump gate')).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/jumphost loop|leads back to itself/),
    });
    expect((await resolve('ProxyJump none')).options.proxyJump).toBeNull();
  });

  it.each(['Ciphers', 'MACs', 'KexAlgorithms', 'HostKeyAlgorithms'])(
    'refuses %s -*, which leaves no algorithm',
    async (key) => {
      await expect(resolve(`${key} -*`)).rejects.toMatchObject({
        code: 'CONFIG_UNSUPPORTED',
        message: expect.stringContaining(`${key} is empty: sshferry has `),
      });
    },
  );

  it.each(['PubkeyAcceptedAlgorithms', 'PubkeyAcceptedKeyTypes'])(
    'takes the signature algorithms of user keys from %s',
    async (key) => {
      expect((await resolve('')).options.pubkeyAcceptedAlgorithms).toBeNull();
      const { options } = await resolve(`${key} +ssh-rsa`);
      expect(options.pubkeyAcceptedAlgorithms).toEqual([
        ...DEFAULT_ALGORITHMS.PubkeyAcceptedAlgorithms,
        'ssh-rsa',
      ]);
      expect((await resolve(`${key} -*`)).options.pubkeyAcceptedAlgorithms).toEqual([]);
    },
  );

  it("reports what ssh rejects, in ssh's words", async () => {
    await expect(resolve('Hots box')).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/hots/i),
    });
  });
});

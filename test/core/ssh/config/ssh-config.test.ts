import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseDestination } from '../../../../src/core/ssh/config/destination.ts';
import { checkOption, checkSetting } from '../../../../src/core/ssh/config/keys.ts';
import { quoteArgument, splitArguments } from '../../../../src/core/ssh/config/line.ts';
import { resolveSshOptions, type SshInput } from '../../../../src/core/ssh/config/ssh-config.ts';
import { CONFIG_CASES, resolveCase } from './ssh-config-table.ts';

const { homedir: home, username } = os.userInfo();

describe('parseDestination', () => {
  it.each([
    ['host', null, 'host', null],
    ['you@host', 'you', 'host', null],
    ['you@corp@host', 'you@corp', 'host', null],
    ['::1', null, '::1', null],
    ['ssh://host', null, 'host', null],
    ['ssh://you@host:2222', 'you', 'host', 2222],
    ['ssh://you%40corp@host/', 'you@corp', 'host', null],
    ['ssh://[2001:db8::1]:22', null, '2001:db8::1', 22],
  ])('reads %s', (text, user, host, port) => {
    expect(parseDestination(text)).toEqual({ user, host, port });
  });

  it.each([
    '',
    'you@',
    '@host',
    '-oProxyCommand=evil',
    'you@-host',
    '-you@host',
    'host;id',
    'host$(id)',
    'a b',
    'you;id@host',
    'ssh://host:0',
    'ssh://host:99999',
    'ssh://host:x',
    'ssh://%zz@host',
  ])('refuses %j', (text) => {
    expect(() => parseDestination(text)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});

describe('checkOption', () => {
  it.each([
    ['Hostnam', 'x', 'HostName'],
    ['StrictHostKeyCheking', 'no', 'StrictHostKeyChecking'],
    ['serveraliveintervall', '5', 'ServerAliveInterval'],
  ])('names %s and what was meant', (key, value, meant) => {
    expect(() => checkOption(key, value)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(new RegExp(`${key}.*${meant}`)),
      }),
    );
  });

  it.each([
    ['ForwardX11', 'yes'],
    ['RevokedHostKeys', '/etc/ssh/revoked'],
  ])('refuses %s=%s, which is not done here', (key, value) => {
    expect(() => checkOption(key, value)).toThrow(expect.objectContaining({ code: 'CONFIG_UNSUPPORTED' }));
  });

  it.each([
    ['DynamicForward', '1080 localhost:80', 'expected [address:]port or a path'],
    ['RemoteForward', '1 2 3', 'and if it is not dynamic, a blank and host:port or a path'],
    ['LocalForward', '8080', 'expected [address:]port or a path, a blank, and host:port or a path'],
  ])('refuses %s=%s, with what it expects', (key, value, message) => {
    expect(() => checkOption(key, value)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) }),
    );
  });

  it.each([
    ['port', '22', null],
    ['DynamicForward', '1080', null],
    ['RemoteForward', '1080', null],
    ['RemoteForward', '/run/remote.sock localhost:80', null],
    ['LocalForward', '8080 /run/remote.sock', null],
    ['ForkAfterAuthentication', 'yes', null],
    ['CIPHERS', 'aes128-ctr', null],
    ['ChallengeResponseAuthentication', 'no', null],
    ['ForwardX11', 'no', null],
    ['LogLevel', 'QUIET', 'LogLevel has no effect here'],
    ['LocalForward', '[::1]:8080 [::1]:80', null],
    ['RemoteForward', '8080 localhost/80', null],
    ['Protocol', '2', 'Protocol has no effect here'],
    ['DSAAuthentication', 'no', null],
    ['PubkeyAcceptedAlgorithms', '+ssh-rsa', null],
    ['PubkeyAcceptedKeyTypes', '+ssh-rsa', null],
  ])('takes %s=%s', (key, value, note) => {
    expect(checkOption(key, value)).toBe(note);
  });

  it('refuses a value of two lines', () => {
    expect(() => checkOption('User', 'a\nProxyCommand evil')).toThrow('one line');
  });
});

it('ignores unsupported settings of ssh_config with a note, but rejects those that protect', () => {
  expect(checkSetting('forwardagent', 'yes')).toContain('ForwardAgent yes');
  expect(checkSetting('forwardagent', 'no')).toBeNull();
  expect(() => checkSetting('revokedhostkeys', '/x')).toThrow(
    expect.objectContaining({ code: 'CONFIG_UNSUPPORTED' }),
  );
});

describe('a line', () => {
  it.each(['plain', 'with blanks', 'with "quotes" and \'others\'', 'C:\\dir\\', '\\\\"', '#', '\\"\\\'\\'])(
    'has an argument in quotes come out as it was: %s',
    (argument) => {
      expect(splitArguments(`${quoteArgument(argument)} next`)).toEqual([argument, 'next']);
    },
  );
});

describe('without OpenSSH installed', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-config-'));
  });
  afterAll(() => rm(dir, { recursive: true }));

  let count = 0;
  async function resolve(config: string, changes: Partial<SshInput> = {}) {
    const file = path.join(dir, `config${count++}`);
    await writeFile(file, config);
    const { flags, ...rest } = changes;
    return resolveSshOptions({
      destination: 'box',
      o: [],
      env: { PATH: '/nonexistent', SSH_AUTH_SOCK: '/run/agent' },
      ...rest,
      flags: { configFile: file, ...flags },
    });
  }

  it('has the documented defaults', async () => {
    const { options, notes } = await resolve('', { destination: 'you@box', flags: { configFile: 'none' } });
    expect(options).toMatchObject({
      host: 'box',
      hostName: 'box',
      user: 'you',
      port: 22,
      serverAliveInterval: 15,
      serverAliveCountMax: 3,
      strictHostKeyChecking: 'ask',
      identityFileExplicit: false,
      identityAgent: '/run/agent',
      ciphers: null,
      session: true,
      userKnownHostsFile: [`${home}/.ssh/known_hosts`, `${home}/.ssh/known_hosts2`],
    });
    expect(options.identityFile).toContain(`${home}/.ssh/id_ed25519`);
    expect(notes).toEqual([]);
  });

  it('expands aliases, tokens, ~ and variables', async () => {
    const { options } = await resolve(
      [
        'Host box',
        'HostName %h.example.com',
        'User deploy',
        'Port 2222',
        'IdentityFile ~/keys/%r@%h:%p',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: ssh_config's own syntax
        'IdentityFile ${KEYS}/%%',
        'IdentityAgent $MY_AGENT',
        'UserKnownHostsFile ~/a "~/b c"',
        'GlobalKnownHostsFile none',
        'ProxyCommand nc %h %p',
        'ProxyJump later',
        'ServerAliveInterval 1m30s',
      ].join('\n'),
      { env: { PATH: '/nonexistent', KEYS: '/k', MY_AGENT: '/run/mine' } },
    );
    expect(options).toMatchObject({
      hostName: 'box.example.com',
      user: 'deploy',
      port: 2222,
      identityFile: [`${home}/keys/deploy@box.example.com:2222`, '/k/%'],
      identityFileExplicit: true,
      identityAgent: '/run/mine',
      userKnownHostsFile: [`${home}/a`, `${home}/b c`],
      globalKnownHostsFile: [],
      proxyCommand: 'nc box.example.com 2222',
      proxyJump: null,
      serverAliveInterval: 90,
    });
  });

  it('uses an existing login only if -o names it', async () => {
    const o = (value: string): SshInput['o'] => [
      ['ControlPath', value],
      ['Port', '23'],
      ['ProxyJump', 'other'],
    ];
    expect((await resolve('ControlPath /run/m')).options.existing).toBeUndefined();
    expect((await resolve('', { o: o('none') })).options.existing).toBeUndefined();
    const { options } = await resolve('', { o: o('~/m-%h'), flags: { identityFile: ['/i'] } });
    expect(options.existing).toEqual({ socket: `${home}/m-box`, unused: ['IdentityFile', 'ProxyJump'] });
    const both = resolve('', { o: o('/run/m'), flags: { engine: 'ssh2' } });
    await expect(both).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it('lets flags and -o win over the file', async () => {
    const { options } = await resolve('User file\nPort 1\nServerAliveInterval 60\nStrictHostKeyChecking no', {
      flags: { port: 3, user: 'flag', family: 6, identityFile: ['/i'], noSession: true },
      o: [
        ['serveraliveinterval', '0'],
        ['StrictHostKeyChecking', 'accept-new'],
        ['StrictHostKeyChecking', 'yes'],
      ],
    });
    expect(options).toMatchObject({
      user: 'flag',
      port: 3,
      addressFamily: 'inet6',
      identityFile: ['/i'],
      serverAliveInterval: 0,
      strictHostKeyChecking: 'accept-new',
      session: false,
    });
  });

  it('filters algorithm lists, with a note', async () => {
    const { options, notes } = await resolve(
      'KexAlgorithms sntrup761x25519-sha512@openssh.com,curve25519-sha256',
    );
    expect(options.kexAlgorithms).toEqual(['curve25519-sha256']);
    expect(notes.join()).toContain('sntrup761x25519-sha512@openssh.com');
  });

  it('reads PubkeyAcceptedAlgorithms, also by its former name', async () => {
    const accepted = async (line: string) => (await resolve(line)).options.pubkeyAcceptedAlgorithms;
    expect(await accepted('')).toBeNull();
    expect(await accepted('PubkeyAcceptedAlgorithms rsa-sha2-256')).toEqual(['rsa-sha2-256']);
    expect((await accepted('PubkeyAcceptedKeyTypes +ssh-rsa'))?.at(-1)).toBe('ssh-rsa');
  });

  it('returns LocalForward, RemoteForward and DynamicForward in the form of -L, -R and -D', async () => {
    const config = [
      'LocalForward 8021 localhost:21',
      'LocalForward [::1]:8110 [2001:db8::1]:110',
      'LocalForward /run/a.sock localhost:1',
      'LocalForward 8080 /run/b:c.sock',
      'RemoteForward *:99 a.b:23',
      'RemoteForward 1080',
      'RemoteForward /run/r.sock ~/%u.sock',
      'DynamicForward 1081',
      'DynamicForward [::1]:1082',
      'DynamicForward /run/d.sock',
    ].join('\n');
    const { forwards, notes } = await resolve(config);
    expect(forwards).toEqual({
      local: [
        '8021:localhost:21',
        '[::1]:8110:[2001:db8::1]:110',
        '[/run/a.sock]:localhost:1',
        '8080:[/run/b:c.sock]',
      ],
      remote: ['*:99:a.b:23', '1080', `[/run/r.sock]:[${home}/${username}.sock]`],
      dynamic: ['1081', '[::1]:1082', '[/run/d.sock]'],
    });
    expect(notes).toEqual([]);
    expect((await resolve(`${config}\nClearAllForwardings yes`)).forwards).toEqual({
      local: [],
      remote: [],
      dynamic: [],
    });
  });

  it('reads how Unix sockets are created, and what remote SOCKS clients may ask for', async () => {
    const { socketFile, permitRemoteOpen } = await resolve('');
    expect({ socketFile, permitRemoteOpen }).toEqual({
      socketFile: { mask: 0o177, unlink: false },
      permitRemoteOpen: 'any',
    });
    const lines = ['StreamLocalBindMask 0111', 'StreamLocalBindUnlink yes', 'PermitRemoteOpen a:1 b:2'];
    expect(await resolve(lines.join('\n'))).toMatchObject({
      socketFile: { mask: 0o111, unlink: true },
      permitRemoteOpen: 'a:1 b:2',
    });
    await expect(resolve('StreamLocalBindMask 0999')).rejects.toThrow('an octal number such as 0177');
  });

  it.each([
    ['Port 0', 'Port'],
    ['Port x', 'Port'],
    ['BatchMode maybe', 'BatchMode'],
    ['StrictHostKeyChecking sometimes', 'StrictHostKeyChecking'],
    ['ConnectTimeout soon', 'ConnectTimeout'],
    ['HostName a;b', 'host name'],
    ['IdentityFile /x/%q', '%q'],
  ])('refuses %s', async (config, named) => {
    await expect(resolve(config)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(named),
    });
  });

  it.each(Object.entries(CONFIG_CASES))('understands %s', async (name, each) => {
    const folder = path.join(dir, name.replace(/\W/g, '-'));
    const env = { PATH: '/nonexistent' };
    const resolved = resolveCase(folder, each, env);
    if (each.error) return expect(resolved).rejects.toThrow(each.error);
    const { options, forwards } = await resolved;
    const usual = (await resolveCase(folder, { config: '' }, env)).options;
    expect(options).toEqual({ ...usual, ...each.options });
    expect(forwards.local).toEqual(each.local ?? []);
  });

  it('never applies a Match that it cannot decide, and notes it', async () => {
    const { options, notes } = await resolve(
      'Match exec "true"\nPort 1\nMatch !final\nPort 2\nHost *\nPort 3',
    );
    expect(options.port).toBe(3);
    expect(notes).toEqual([
      expect.stringMatching(/:1: Match exec/),
      expect.stringMatching(/:3: Match final/),
    ]);
  });

  it('rejects files that include one another', async () => {
    const each = { config: 'Include DIR/more', files: { more: 'Include DIR/more' } };
    await expect(resolveCase(path.join(dir, 'loop'), each, { PATH: '/nonexistent' })).rejects.toThrow(
      'too many nested Includes',
    );
  });

  it('rejects a configured file that does not exist', async () => {
    await expect(resolve('', { flags: { configFile: '/nonexistent/x' } })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
  });
});

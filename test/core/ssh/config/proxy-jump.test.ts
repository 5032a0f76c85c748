import { describe, expect, it } from 'vitest';
import { PRIVATE_SOCKET } from '../../../../src/core/socket-file.ts';
import { resolveJumps } from '../../../../src/core/ssh/config/proxy-jump.ts';
import type { ResolvedSsh, SshInput } from '../../../../src/core/ssh/config/ssh-config.ts';
import { sshOptions } from '../../../support/ssh-person.ts';

/** ssh_config by host: the ProxyJump that it has, if any. */
function resolver(jumps: Readonly<Record<string, string>> = {}) {
  const inputs: SshInput[] = [];
  const resolve = async (input: SshInput, within: readonly string[]): Promise<ResolvedSsh> => {
    inputs.push(input);
    const host = input.destination.replace(/^ssh:\/\/(.*@)?([^:]*).*$/, '$2');
    const proxyJump = input.o.length > 0 ? null : (jumps[host] ?? null);
    const hosts = proxyJump === null ? [] : (await resolveJumps(proxyJump, input, resolve, within)).hosts;
    return {
      options: sshOptions({ host, proxyJump, jumpHosts: hosts }),
      notes: ['a remark'],
      forwards: { local: [], remote: [], dynamic: [] },
      gatewayPorts: false,
      socketFile: PRIVATE_SOCKET,
      permitRemoteOpen: 'any',
    };
  };
  return { inputs, resolve };
}

const names = ({ hosts }: Awaited<ReturnType<typeof resolveJumps>>) => hosts.map(({ host }) => host);

describe('resolveJumps', () => {
  it('resolves each host by itself, with the same file and none of the flags', async () => {
    const { inputs, resolve } = resolver();
    const flags = { configFile: '/etc/other', user: 'you', port: 99, identityFile: ['key'] };
    const jumps = await resolveJumps('a, me@b:2200,ssh://c', { flags, env: { HOME: '/' } }, resolve, []);
    expect(names(jumps)).toEqual(['a', 'b', 'c']);
    expect(inputs.map(({ destination }) => destination)).toEqual(['ssh://a', 'ssh://me@b:2200', 'ssh://c']);
    expect(inputs.map((input) => input.flags)).toEqual(Array(3).fill({ configFile: '/etc/other' }));
    expect(jumps.notes).toEqual(['a: a remark', 'b: a remark', 'c: a remark']);
  });

  it('lets the first have jump hosts of its own, and the others be reached through it', async () => {
    const { resolve } = resolver({ a: 'outer', outer: 'outermost', b: 'elsewhere' });
    const jumps = await resolveJumps('a,b', { flags: {}, env: {} }, resolve, []);
    expect(names(jumps)).toEqual(['outermost', 'outer', 'a', 'b']);
  });

  it.each([
    ['a', { a: 'a' }],
    ['a', { a: 'b', b: 'a' }],
  ])('refuses a loop: %s with %j', async (jump, config) => {
    const { resolve } = resolver(config);
    await expect(resolveJumps(jump, { flags: {}, env: {} }, resolve, [])).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('leads back to itself'),
    });
  });

  it.each(['', 'a,', '@a', 'you@'])('refuses "%s"', async (jump) => {
    const { resolve } = resolver();
    await expect(resolveJumps(jump, { flags: {}, env: {} }, resolve, [])).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('[user@]host[:port]'),
    });
  });
});

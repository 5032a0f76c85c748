import { GatewayError } from '../../errors.ts';
import type { SshOptions } from '../options.ts';
import type { ResolvedSsh, SshInput } from './ssh-input.ts';

/** For a host that is reached through another one. */
const REACHED_ALREADY = [
  ['ProxyJump', 'none'],
  ['ProxyCommand', 'none'],
] as const;

/**
 * Resolves the hosts of ProxyJump, in the order in which they are reached. As in ssh, each has its
 * own configuration from the same file; flags and `-o` of the destination do not apply to it. The
 * first may have a ProxyJump or ProxyCommand of its own. `within` are the ProxyJump values that led
 * here, to detect loops. Throws `CONFIG_*`.
 */
export async function resolveJumps(
  proxyJump: string,
  { flags: { configFile, engine }, env }: Pick<SshInput, 'flags' | 'env'>,
  resolve: (input: SshInput, within: readonly string[]) => Promise<ResolvedSsh>,
  within: readonly string[],
): Promise<{ hosts: readonly SshOptions[]; notes: readonly string[] }> {
  if (within.includes(proxyJump)) {
    throw new GatewayError('CONFIG_INVALID', `ProxyJump ${proxyJump} leads back to itself`, {
      hint: 'give that host a ProxyJump none in ssh_config',
    });
  }
  const hosts: SshOptions[] = [];
  const notes: string[] = [];
  for (const hop of proxyJump.split(',')) {
    const input: SshInput = {
      destination: jumpDestination(hop.trim(), proxyJump),
      flags: { ...(configFile !== undefined && { configFile }), ...(engine && { engine }) },
      o: hosts.length === 0 ? [] : REACHED_ALREADY,
      env,
    };
    const resolved = await resolve(input, [...within, proxyJump]);
    hosts.push(...(resolved.options.jumpHosts ?? []), resolved.options);
    notes.push(...resolved.notes.map((note) => `${resolved.options.host}: ${note}`));
  }
  return { hosts, notes };
}

/** Converts `[user@]host[:port]` to a destination that accepts a port. */
function jumpDestination(hop: string, proxyJump: string): string {
  if (hop.startsWith('ssh://')) return hop;
  const at = hop.lastIndexOf('@');
  const user = at < 0 ? '' : `${encodeURIComponent(hop.slice(0, at))}@`;
  const host = hop.slice(at + 1);
  if (host === '' || user === '@') {
    throw new GatewayError(
      'CONFIG_INVALID',
      `ProxyJump ${proxyJump}: write [user@]host[:port], several separated by commas`,
    );
  }
  return `ssh://${user}${host}`;
}

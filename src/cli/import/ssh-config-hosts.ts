import { allForwards } from '../../config/load.ts';
import { GatewayError } from '../../core/errors.ts';
import { argumentsOf, splitLine } from '../../core/ssh/config/line.ts';
import type { ResolvedSsh, SshInput } from '../../core/ssh/config/ssh-config.ts';
import { argumentsWith, type Import, type Imported } from './imported.ts';

/** Whether the text is an ssh_config with a forward. */
export function isSshConfig(text: string): boolean {
  return /^\s*(Local|Remote|Dynamic)Forward[\s=]/im.test(text);
}

/**
 * Reads the hosts of an ssh_config that have forwards. Their other settings stay in that file:
 * `sshConfig` is its path, or null for the file that ssh reads by default.
 */
export async function readSshConfigHosts(
  text: string,
  file: string,
  sshConfig: string | null,
  resolve: (input: SshInput) => Promise<ResolvedSsh>,
  env: NodeJS.ProcessEnv,
): Promise<Import> {
  const sessions: Imported[] = [];
  const skipped: string[] = [];
  for (const host of hostsIn(text)) {
    const input: SshInput = { destination: host, flags: { configFile: file }, o: [], env };
    try {
      const { forwards } = await resolve(input);
      const args = argumentsWith({
        destination: host,
        forwards: forwards.local,
        remoteForwards: forwards.remote,
        dynamicForwards: forwards.dynamic,
        ...(sshConfig !== null && { sshConfig }),
      });
      if (allForwards(args).length === 0) continue;
      sessions.push({ name: host, args, skipped: [] });
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      skipped.push(`${host}: ${error.message}`);
    }
  }
  return { sessions, skipped };
}

/** Returns the names after `Host` that are not patterns. */
function hostsIn(text: string): readonly string[] {
  const names = new Set<string>();
  for (const written of text.split('\n')) {
    const line = splitLine(written);
    if (line?.keyword.toLowerCase() !== 'host') continue;
    try {
      for (const name of argumentsOf(line)) if (!/[*?!]/.test(name)) names.add(name);
    } catch {
      // ssh refuses the file; so does resolving any other host of it.
    }
  }
  return [...names];
}

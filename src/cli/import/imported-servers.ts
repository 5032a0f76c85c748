import { type Claim, claimOf, collide } from '../../config/cross-check.ts';
import { type ArgumentsInput, allForwards, inputFromArguments } from '../../config/load.ts';
import type { NewServer } from '../../config/new-file.ts';
import { GatewayError } from '../../core/errors.ts';
import { escapeControls } from '../../core/text/control-characters.ts';
import type { Environment } from '../environment.ts';
import { importFile } from './import-file.ts';

/**
 * Reads the tunnels of another program's settings as servers of a config file, and reports on
 * standard error what it skips. Rejects with `CONFIG_INVALID` if it skips everything.
 */
export async function importedServers(
  file: string,
  destination: string | null,
  environment: Environment,
): Promise<readonly NewServer[]> {
  const { sessions, skipped } = await importFile(file, destination, environment);
  const say = (text: string) => environment.stderr.write(`skipped: ${escapeControls(text)}\n`);
  for (const text of skipped) say(text);
  const servers: NewServer[] = [];
  const claims: Claim[] = [];
  for (const { name, args, skipped: parts } of sessions) {
    for (const part of parts) say(`${name}: ${part}`);
    try {
      if (allForwards(args).length === 0) throw new GatewayError('CONFIG_INVALID', 'it has no forwards');
      if (args.destination === '')
        throw new GatewayError('CONFIG_INVALID', 'the settings do not name the SSH server; add [user@]host');
      const input = withoutTaken(inputFromArguments(args, environment.plugins), claims, name, say);
      if (Object.keys(input.forwards).length > 0) servers.push({ name, input });
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      say(`${name}: ${error.message}`);
    }
  }
  if (servers.length > 0) return servers;
  throw new GatewayError('CONFIG_INVALID', `${file}: nothing left to forward`);
}

/** Drops forwards that listen where an earlier session does: both cannot run at once. */
function withoutTaken(
  input: ArgumentsInput,
  claims: Claim[],
  name: string,
  say: (text: string) => void,
): ArgumentsInput {
  const forwards: Record<string, Readonly<Record<string, unknown>>> = {};
  for (const [forward, value] of Object.entries(input.forwards)) {
    const claim = claimOf(name, { ...value, server: name });
    const earlier = claim && claims.find((other) => collide(claim, other));
    if (earlier) {
      say(
        `${name}: ${value.listen} to ${value.to ?? 'SOCKS'}: ${earlier.name} listens there; choose another port`,
      );
      continue;
    }
    if (claim !== null) claims.push(claim);
    forwards[forward] = value;
  }
  return { ...input, forwards };
}

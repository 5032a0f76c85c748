import { KEY } from './keys.ts';
import type { Lab } from './lab.ts';
import { Program } from './program.ts';
import { ferry } from './users.ts';

/** The login that everything in the lab uses unless it tests another one. */
export const LOGIN = `${ferry.name}@yourserver`;

/** OpenSSH's own client on host A with these forwards, for comparison. Settles when they listen. */
export async function startSsh(lab: Lab, ...forwards: string[]): Promise<Program> {
  const options = ['-v', '-N', '-o', 'ExitOnForwardFailure=yes', '-o', 'BatchMode=yes', '-i', KEY];
  const flags = forwards.flatMap((forward) => ['-L', forward]);
  const ssh = await Program.start(lab.hosts.a.container, ['ssh', ...options, ...flags, LOGIN]);
  await ssh.waitFor(/Entering interactive session/);
  return ssh;
}

/**
 * sshferry on host A, as user `you`. Settles when every forward listens.
 * @param flags all but the login, such as `-L`, `8021:localhost:21`
 */
export async function startSshferry(lab: Lab, ...flags: string[]): Promise<Program> {
  const sshferry = await Program.start(
    lab.hosts.a.container,
    sshferryArgv('--log-format', 'pretty', ...flags, LOGIN),
  );
  const forwards = flags.filter((flag) => flag === '-L').length;
  await sshferry.waitFor(new RegExp(`(?:[^]*?→.*\\n){${forwards}}`));
  return sshferry;
}

/**
 * Options that every sshferry of a run is to have besides its own:
 * SSHFERRY_LAB_OPTIONS='FtpPrefetch=yes DataConnections=0'.
 */
const ALWAYS = (process.env.SSHFERRY_LAB_OPTIONS ?? '').split(' ').filter((option) => option !== '');

/** The command line of the sshferry under test. */
export function sshferryArgv(...flags: string[]): string[] {
  // Options before a subcommand would make it the destination, and beside a config file (-c) there
  // may be none.
  const subcommand = flags[0] === 'check' ? flags.slice(0, 1) : [];
  const ofFile = subcommand.length > 0 && flags.includes('-c');
  const options = ofFile ? [] : ALWAYS.flatMap((option) => ['-o', option]);
  return ['node', '/app/dist/cli.js', ...subcommand, ...options, ...flags.slice(subcommand.length)];
}

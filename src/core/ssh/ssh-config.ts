import { execFile } from 'node:child_process';
import path from 'node:path';
import { formatEndpoint } from '../endpoint.ts';
import { GatewayError } from '../errors.ts';
import { localUser } from './local-user.ts';
import type { SshOptions } from './options.ts';
import { resolveJumps } from './proxy-jump.ts';
import { type Destination, parseDestination } from './ssh-config-destination.ts';
import { readOption, type Settings, SshConfigReader } from './ssh-config-file.ts';
import { configFiles } from './ssh-config-files.ts';
import { canonicalKey, checkOption, checkSetting } from './ssh-config-keys.ts';
import { quoteArgument } from './ssh-config-line.ts';
import { assembleOptions } from './ssh-config-options.ts';
import { SettingsReader } from './ssh-config-values.ts';

/** What the command line says about one SSH login. */
export interface SshInput {
  /** `[user@]host` or `ssh://[user@]host[:port]`. */
  readonly destination: string;
  readonly flags: {
    readonly port?: number;
    readonly user?: string;
    readonly identityFile?: readonly string[];
    readonly family?: 4 | 6;
    /** `none` reads no ssh_config. */
    readonly configFile?: string;
    readonly noSession?: boolean;
  };
  /** The `-o` options in order; the first of a key counts, as in ssh. */
  readonly o: ReadonlyArray<readonly [key: string, value: string]>;
  readonly env: NodeJS.ProcessEnv;
}

/** A login resolved, and what else ssh_config said. */
export interface ResolvedSsh {
  readonly options: SshOptions;
  /** For `-v`: what was left out and why. */
  readonly notes: readonly string[];
  /** LocalForward and RemoteForward lines, written as `-L` and `-R` take them. */
  readonly forwards: { readonly local: readonly string[]; readonly remote: readonly string[] };
  readonly gatewayPorts: boolean;
}

/**
 * Merges flags, `-o`, ssh_config and defaults, as ssh does. Where OpenSSH's client is on the PATH, `ssh -G` reads
 * ssh_config (Include, Match and all, a `Match exec` runs its command); else `SshConfigReader`.
 * Throws `CONFIG_INVALID` and `CONFIG_UNSUPPORTED`.
 *
 * `ssh -G` does not tell whether a 0 for ServerAliveInterval was written or is the default: only
 * `-o ServerAliveInterval=0` turns keepalive off.
 */
export function resolveSshOptions(input: SshInput): Promise<ResolvedSsh> {
  return resolveWithin(input, []);
}

/** `within` are the ProxyJump values that led here. */
async function resolveWithin(input: SshInput, within: readonly string[]): Promise<ResolvedSsh> {
  const destination = parseDestination(input.destination);
  const notes: string[] = [];
  for (const [key, value] of input.o) {
    const note = checkOption(key, value);
    if (note !== null) notes.push(note);
  }
  const source = (await readByOpenSsh(input, destination)) ?? (await readBySubset(input, destination));
  notes.push(...source.notes);
  for (const [key, ...args] of source.settings) {
    const note = checkSetting(key, args.join(' '));
    if (note !== null && !notes.includes(note)) notes.push(note);
  }
  const settings = new SettingsReader(source.settings);
  const assembled = assembleOptions({
    settings,
    baseline: source.baseline && new SettingsReader(source.baseline),
    given: new Set(input.o.map(([key]) => (canonicalKey(key) ?? key).toLowerCase())),
    destination,
    noSession: input.flags.noSession === true,
    env: input.env,
  });
  notes.push(...assembled.notes);
  const forwards = readForwards(settings, notes);
  const { proxyJump } = assembled.options;
  const jumps = proxyJump === null ? null : await resolveJumps(proxyJump, input, resolveWithin, within);
  notes.push(...(jumps?.notes ?? []));
  return {
    options: { ...assembled.options, ...(jumps && { jumpHosts: jumps.hosts }) },
    notes,
    forwards,
    gatewayPorts: settings.flag('GatewayPorts', false, ['clientspecified']),
  };
}

interface Source {
  readonly settings: Settings;
  /** What the same source says with no configuration at all; null where defaults are simply absent. */
  readonly baseline: Settings | null;
  readonly notes: readonly string[];
}

/** Null where there is no `ssh` to run. */
async function readByOpenSsh(input: SshInput, { host }: Destination): Promise<Source | null> {
  const { flags } = input;
  const argv = [
    ...(flags.configFile === undefined ? [] : ['-F', flags.configFile]),
    ...(flags.family === undefined ? [] : [`-${flags.family}`]),
    ...(flags.port === undefined ? [] : ['-p', String(flags.port)]),
    ...(flags.user === undefined ? [] : ['-l', flags.user]),
    // `-i` would be dropped in silence where the file is missing.
    ...(flags.identityFile ?? []).flatMap((file) => ['-o', `IdentityFile=${quoteArgument(file)}`]),
    ...input.o.flatMap(([key, value]) => ['-o', `${key}=${value}`]),
    '--',
    input.destination,
  ];
  const [actual, baseline] = await Promise.all([
    runSsh(['-G', ...argv], input.env),
    runSsh(['-G', '-F', 'none', '--', host], input.env),
  ]);
  if (actual === null || baseline === null) return null;
  return { settings: parseDump(actual), baseline: parseDump(baseline), notes: [] };
}

function runSsh(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<string | null> {
  return new Promise((resolve, reject) => {
    execFile('ssh', argv, { env, maxBuffer: 4 << 20 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if (error.code === 'ENOENT' || error.code === 'EACCES') resolve(null);
      else if (error.code === 'EMFILE' || error.code === 'ENFILE') reject(tooManyFiles(error.code, error));
      else {
        const reason = stderr.trim().split(/\s*\n/).join('; ') || error.message;
        reject(
          new GatewayError('CONFIG_INVALID', `ssh does not accept this configuration: ${reason}`, {
            cause: error,
          }),
        );
      }
    });
  });
}

function tooManyFiles(code: string, cause: Error): GatewayError {
  return new GatewayError(
    'SSH_CONNECT',
    `cannot run ssh to read ssh_config: too many open files (${code}); sshferry needs 64 or more: ulimit -n 64`,
    { cause },
  );
}

function parseDump(text: string): Settings {
  return text.split(/\r?\n/).flatMap((line): Settings => {
    const blank = line.indexOf(' ');
    // OpenSSH before 8.5 prints PubkeyAcceptedKeyTypes.
    const key = line.slice(0, blank).toLowerCase().replace('acceptedkeytypes', 'acceptedalgorithms');
    return blank < 1 ? [] : [[key, line.slice(blank + 1)]];
  });
}

/** As ssh takes them: flags, `-o`, the destination's own user and port, the files. */
async function readBySubset(input: SshInput, destination: Destination): Promise<Source> {
  const { flags } = input;
  const given: Settings = [
    ...setting('addressfamily', flags.family && (flags.family === 4 ? 'inet' : 'inet6')),
    ...setting('port', flags.port),
    ...setting('user', flags.user),
    ...(flags.identityFile ?? []).flatMap((file) => setting('identityfile', file)),
    ...input.o.map(([key, value]) => readOption(key, value)),
    ...setting('user', destination.user),
    ...setting('port', destination.port),
  ];
  const reader = new SshConfigReader(destination.host, given, configFiles);
  const { configFile } = flags;
  if (configFile === undefined) {
    const own = path.join(localUser().home, '.ssh/config');
    await reader.read(own, { user: true, checked: true, named: false });
    await reader.read('/etc/ssh/ssh_config', { user: false, checked: false, named: false });
  } else if (configFile.toLowerCase() !== 'none') {
    await reader.read(configFile, { user: true, checked: false, named: true });
  }
  return { settings: oneProxy(reader.settings), baseline: null, notes: reader.notes };
}

function setting(key: string, value: string | number | null | undefined): Settings {
  return value === null || value === undefined ? [] : [[key, String(value)]];
}

/** Of ProxyJump and ProxyCommand the first counts; but after a ProxyJump of `none` ProxyCommand does. */
function oneProxy(settings: Settings): Settings {
  const [jump, command] = ['proxyjump', 'proxycommand'].map((key) =>
    settings.findIndex(([name]) => name === key),
  );
  if (jump === undefined || command === undefined || jump < 0 || command < 0) return settings;
  if (command < jump) return settings.filter(([key]) => key !== 'proxyjump');
  const none = settings[jump]?.[1]?.toLowerCase() === 'none';
  return none ? settings : settings.filter(([key]) => key !== 'proxycommand');
}

function readForwards(settings: SettingsReader, notes: string[]): { local: string[]; remote: string[] } {
  if (settings.flag('ClearAllForwardings', false)) return { local: [], remote: [] };
  const read = (key: string) =>
    settings.all(key).flatMap((value) => {
      const spec = forwardSpec(value);
      if (spec === null)
        notes.push(`${key} ${value} is left out: it is no forward from a TCP port to a host and port`);
      return spec === null ? [] : [spec];
    });
  return { local: read('LocalForward'), remote: read('RemoteForward') };
}

/** `[127.0.0.1]:8022 [::1]:22` → `127.0.0.1:8022:[::1]:22`; null for sockets and SOCKS. */
function forwardSpec(value: string): string | null {
  const [from, to, ...rest] = value.trim().split(/\s+/);
  if (!from || !to || rest.length > 0 || to === '[socks]:0') return null;
  const listen = /^(?:(\[[^\]]*\]|[^:[\]/]*):)?(\d+)$/.exec(from);
  const target = /^(\[[^\]]*\]|[^:[\]/]+):(\d+)$/.exec(to);
  if (!listen?.[2] || !target?.[1] || !target[2]) return null;
  const bare = (host: string) => host.replace(/^\[(.*)\]$/, '$1');
  const end = formatEndpoint({ host: bare(target[1]), port: Number(target[2]) });
  if (listen[1] === undefined) return `${listen[2]}:${end}`;
  return `${formatEndpoint({ host: bare(listen[1]), port: Number(listen[2]) })}:${end}`;
}

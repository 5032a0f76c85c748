import { execFile } from 'node:child_process';
import path from 'node:path';
import { formatEndpoint, isSocketPath } from '../../endpoint.ts';
import { GatewayError } from '../../errors.ts';
import { PRIVATE_SOCKET } from '../../socket-file.ts';
import { resolveJumps } from './proxy-jump.ts';
import type { ResolvedSsh, SshInput } from './ssh-input.ts';

export type { ResolvedSsh, SshInput } from './ssh-input.ts';

import { type Destination, parseDestination } from './destination.ts';
import { readOption, type Settings, SshConfigReader } from './file.ts';
import { configFiles } from './files.ts';
import { canonicalKey, checkOption, checkSetting } from './keys.ts';
import { quoteArgument } from './line.ts';
import { localUser } from './local-user.ts';
import { assembleOptions } from './resolve-options.ts';
import { expandPath, type Tokens } from './tokens.ts';
import { SettingsReader } from './values.ts';

/**
 * Merges flags, `-o`, ssh_config and defaults, as ssh does. If OpenSSH's client is on the PATH,
 * `ssh -G` reads ssh_config, with Include and Match (`Match exec` runs its command); else
 * SshConfigReader does. Throws `CONFIG_INVALID` and `CONFIG_UNSUPPORTED`.
 *
 * `ssh -G` does not show whether a 0 for ServerAliveInterval was configured or is the default. So
 * only `-o ServerAliveInterval=0` turns keepalive off.
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
    given: firstOfEach(input.o),
    engine: input.flags.engine ?? 'auto',
    hasIdentityFlag: (input.flags.identityFile ?? []).length > 0,
    destination,
    noSession: input.flags.noSession === true,
    env: input.env,
  });
  notes.push(...assembled.notes);
  const tokens = source.baseline === null ? assembled.tokens : null;
  const forwards = readForwards(settings, tokens, notes);
  const { proxyJump } = assembled.options;
  const jumps = proxyJump === null ? null : await resolveJumps(proxyJump, input, resolveWithin, within);
  notes.push(...(jumps?.notes ?? []));
  return {
    options: { ...assembled.options, ...(jumps && { jumpHosts: jumps.hosts }) },
    notes,
    forwards,
    gatewayPorts: settings.flag('GatewayPorts', false, ['clientspecified']),
    socketFile: {
      mask: settings.octal('StreamLocalBindMask', PRIVATE_SOCKET.mask),
      unlink: settings.flag('StreamLocalBindUnlink', PRIVATE_SOCKET.unlink),
    },
    permitRemoteOpen: settings.text('PermitRemoteOpen') ?? 'any',
  };
}

/** The first of a key counts, as in ssh. */
function firstOfEach(options: SshInput['o']): Map<string, string> {
  const given = new Map<string, string>();
  for (const [key, value] of options) {
    const name = (canonicalKey(key) ?? key).toLowerCase();
    if (!given.has(name)) given.set(name, value);
  }
  return given;
}

interface Source {
  readonly settings: Settings;
  /** The same source's output without any configuration; null if it prints no defaults. */
  readonly baseline: Settings | null;
  readonly notes: readonly string[];
}

/** Returns null if there is no `ssh` to run. */
async function readByOpenSsh(input: SshInput, { host }: Destination): Promise<Source | null> {
  const { flags } = input;
  const argv = [
    ...(flags.configFile === undefined ? [] : ['-F', flags.configFile]),
    ...(flags.family === undefined ? [] : [`-${flags.family}`]),
    ...(flags.port === undefined ? [] : ['-p', String(flags.port)]),
    ...(flags.user === undefined ? [] : ['-l', flags.user]),
    // ssh would silently drop `-i` if the file is missing.
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
  return new GatewayError('SSH_CONNECT', `cannot run ssh to read ssh_config: too many open files (${code})`, {
    hint: 'sshferry needs 64 or more: ulimit -n 64',
    cause,
  });
}

function parseDump(text: string): Settings {
  return text.split(/\r?\n/).flatMap((line): Settings => {
    const blank = line.indexOf(' ');
    // OpenSSH before 8.5 prints PubkeyAcceptedKeyTypes.
    const key = line.slice(0, blank).toLowerCase().replace('acceptedkeytypes', 'acceptedalgorithms');
    return blank < 1 ? [] : [[key, line.slice(blank + 1)]];
  });
}

/** The order of precedence in ssh: flags, `-o`, the destination's own user and port, the files. */
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

/** Keeps the first of ProxyJump and ProxyCommand. After `ProxyJump none`, ProxyCommand counts. */
function oneProxy(settings: Settings): Settings {
  const [jump, command] = ['proxyjump', 'proxycommand'].map((key) =>
    settings.findIndex(([name]) => name === key),
  );
  if (jump === undefined || command === undefined || jump < 0 || command < 0) return settings;
  if (command < jump) return settings.filter(([key]) => key !== 'proxyjump');
  const none = settings[jump]?.[1]?.toLowerCase() === 'none';
  return none ? settings : settings.filter(([key]) => key !== 'proxycommand');
}

/** `tokens` expand the paths of Unix sockets; null if that is done already, as by `ssh -G`. */
function readForwards(
  settings: SettingsReader,
  tokens: Tokens | null,
  notes: string[],
): ResolvedSsh['forwards'] {
  if (settings.flag('ClearAllForwardings', false)) return { local: [], remote: [], dynamic: [] };
  const local = settings.all('LocalForward');
  // `ssh -G` repeats a LocalForward to a Unix socket as a DynamicForward of the same port.
  const repeated = local
    .filter((value) => isSocketPath(value.trim().split(/\s+/)[1] ?? ''))
    .map((value) => value.trim().split(/\s+/)[0]);
  const dynamic = settings.all('DynamicForward').filter((value) => !repeated.includes(value.trim()));
  const read = (key: string, values: readonly string[], parts: readonly number[]) =>
    values.flatMap((value) => {
      const spec = forwardSpec(value, parts, tokens, key);
      if (spec === null) notes.push(`${key} ${value} is ignored: it is not a forward that sshferry knows`);
      return spec === null ? [] : [spec];
    });
  return {
    local: read('LocalForward', local, [2]),
    remote: read('RemoteForward', settings.all('RemoteForward'), [1, 2]),
    dynamic: read('DynamicForward', dynamic, [1]),
  };
}

/**
 * Converts `[127.0.0.1]:8022 [::1]:22` to `127.0.0.1:8022:[::1]:22`, and `1080 [socks]:0` to
 * `1080`. Returns null if it does not have one of these numbers of parts, or if one is invalid.
 */
function forwardSpec(
  value: string,
  parts: readonly number[],
  tokens: Tokens | null,
  key: string,
): string | null {
  const words = value.trim().split(/\s+/);
  if (words.length === 2 && words[1] === '[socks]:0') words.pop();
  if (!parts.includes(words.length)) return null;
  const ends = words.map((word, index) => endSpec(word, index === 0, tokens, key));
  return ends.includes(null) ? null : ends.join(':');
}

/** Converts one end: a socket, `[host]:port`, or for the listening end a port. */
function endSpec(word: string, listens: boolean, tokens: Tokens | null, key: string): string | null {
  if (isSocketPath(word)) return `[${tokens === null ? word : expandPath(word, tokens, key)}]`;
  const [, host, port] = /^(?:(\[[^\]]*\]|[^:[\]]*):)?(\d+)$/.exec(word) ?? [];
  if (port === undefined || (host === undefined || host === '' ? !listens : false)) return null;
  if (host === undefined) return port;
  return formatEndpoint({ host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) });
}

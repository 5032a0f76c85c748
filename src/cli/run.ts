import type { EventEmitter } from 'node:events';
import { compose, type Logins, resolveLogins, type Surroundings } from '../compose.ts';
import { type Arguments, configFromArguments } from '../config/load.ts';
import type { Config, ConfigPlugins } from '../config/schema.ts';
import { GatewayError } from '../core/errors.ts';
import type { Gateway } from '../core/gateway.ts';
import type { LocalUsers } from '../core/local-users.ts';
import type { Logger } from '../core/log.ts';
import type { ResolvedSsh, SshInput } from '../core/ssh/ssh-config.ts';
import type { Transport } from '../core/transport.ts';
import { createLogger } from '../log/logger.ts';
import { announce, listeningPorts } from './announce.ts';
import { EXAMPLE, parseArguments } from './arguments.ts';
import { Ending } from './ending.ts';
import { EXIT, type Teller, tellFailure } from './failure.ts';
import { isUnicodeLocale } from './forward-lines.ts';
import type { Output } from './output.ts';
import { reportEvents } from './reporter.ts';
import type { ServiceState } from './service.ts';

/** How long clients and the server may take to be told of a crash before the process ends, in milliseconds. */
const CRASH_GRACE = 1000;

/** The process and the world around it, so that a test can stand in for both. */
export interface World extends Omit<Surroundings, 'log' | 'local'> {
  readonly version: string;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: NodeJS.ProcessEnv;
  readonly platform: NodeJS.Platform;
  /** Emits SIGINT, SIGTERM, SIGHUP and uncaughtException, as `process` does. */
  readonly process: Pick<EventEmitter, 'on' | 'off'>;
  resolve(input: SshInput): Promise<ResolvedSsh>;
  /** This machine's own network, as these users may use it. Rejects with `CONFIG_INVALID` for an unknown one. */
  local(users: LocalUsers, log: Logger): Promise<Transport>;
  /** Tells the service manager; gives null, or why that failed. */
  notify(state: ServiceState): Promise<string | null>;
  /** What else is worth knowing at `-v`, such as which parts are native. */
  readonly facts: readonly string[];
}

/**
 * Runs one command line (without node and the script) from first to last and gives the exit status. Never rejects: what fails
 * is told in one line.
 */
export async function run(argv: readonly string[], world: World): Promise<number> {
  const { stdout, stderr } = world;
  try {
    const request = parseArguments(argv, world.version);
    if (request.kind === 'run') return await serve(request.args, request.notes, world);
    stdout.write(request.text);
    return EXIT.stopped;
  } catch (error) {
    return tellFailure(error, { stderr, json: null, verbose: false });
  }
}

/** Everything after the arguments are read; ends when the person, a signal or a failure ends it. */
async function serve(args: Arguments, notes: readonly string[], world: World): Promise<number> {
  const draft = configFromArguments(args, world.plugins);
  const { stderr, env } = world;
  const { level } = draft.log;
  const format = draft.log.format ?? (stderr.isTTY ? 'pretty' : 'json');
  const color = Boolean(stderr.isTTY) && !env.NO_COLOR && env.TERM !== 'dumb';
  const log = createLogger(stderr, { level, format, color });
  for (const note of [...world.facts, ...notes]) log.debug({ event: 'note' }, note);

  const ending = new Ending(world.process);
  let gateway: Gateway | null = null;
  const begin = async () => {
    const local = await world.local(draft.localUsers, log);
    const logins = await resolveLogins(draft, world.resolve, env);
    if (ending.begun) return;
    const config = withSshForwards(draft, args, logins, world.plugins, log);
    const composed = compose(config, logins, { ...world, local, log });
    gateway = composed.gateway;
    reportEvents(gateway.events, log, (server) => label(logins, server));
    gateway.events.on('transport.state', ({ server, state, error }) => {
      const failure = error ?? new GatewayError('SSH_LOST', `${label(logins, server)} is gone`);
      if (state === 'failed') ending.add({ kind: 'failed', error: failure });
    });
    const ports = listeningPorts(gateway.events);
    await gateway.start();
    const people = draft.log.format !== 'json' && level !== 'error';
    announce(composed.forwards, logins, ports, {
      stdout: people ? world.stdout : null,
      log: format === 'json' ? log : null,
      unicode: isUnicodeLocale(env, world.platform),
    });
    await notify(world, 'ready', log);
  };
  // A signal raised by Ctrl-C at a prompt counts before the prompt's own failure: it is delivered a turn later.
  begin().catch((error) => setImmediate(() => ending.add({ kind: 'failed', error })));
  try {
    const json = format === 'json' ? log : null;
    return await end(
      ending,
      () => gateway,
      { stderr, json, verbose: level === 'debug' || level === 'trace' },
      { drainTimeout: draft.drainTimeout, world, log },
    );
  } finally {
    ending.dispose();
  }
}

/**
 * Waits for the cause that ends the program, stops the gateway, and gives the exit status. After SIGTERM, which service managers
 * send, clients may finish within the drain timeout; a person who presses Ctrl-C wants the end now.
 */
async function end(
  ending: Ending,
  gateway: () => Gateway | null,
  teller: Teller,
  { drainTimeout, world, log }: { drainTimeout: number; world: World; log: Logger },
): Promise<number> {
  const cause = await ending.first;
  let status: number = EXIT.stopped;
  let drainMs = 0;
  if (cause.kind === 'signal') {
    const clients = gateway()?.sessions ?? 0;
    if (cause.signal === 'SIGTERM' && clients > 0) drainMs = drainTimeout * 1000;
    const rest = drainMs > 0 ? `; ${clients} connected: up to ${drainTimeout} s to finish` : '';
    log[drainMs > 0 ? 'info' : 'debug'](
      { event: 'stopping', signal: cause.signal, clients },
      `${cause.signal}: stopping${rest}`,
    );
    void notify(world, 'stopping', log);
  } else {
    status = tellFailure(cause.error, teller);
  }
  const stopped = Promise.resolve(gateway()?.stop({ drainMs })).then(() => status);
  const hurried = ending.second.then(() => (status === EXIT.stopped ? EXIT.interrupted : status));
  if (cause.kind !== 'crash') return await Promise.race([stopped, hurried]);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<number>((resolve) => {
    timer = setTimeout(resolve, CRASH_GRACE, status);
  });
  return await Promise.race([stopped, hurried, late]).finally(() => clearTimeout(timer));
}

/** Adds ssh_config's LocalForward and RemoteForward lines, and says what else was found there. */
function withSshForwards(
  draft: Config,
  args: Arguments,
  logins: Logins,
  plugins: ConfigPlugins,
  log: Logger,
): Config {
  const lines = { local: [] as string[], remote: [] as string[] };
  for (const { notes, forwards } of logins.values()) {
    for (const note of notes) log.debug({ event: 'ssh_config' }, note);
    lines.local.push(...forwards.local);
    lines.remote.push(...forwards.remote);
  }
  const none = lines.local.length + lines.remote.length === 0;
  const config = none ? draft : configFromArguments(args, plugins, lines);
  if (Object.keys(config.forwards).length > 0) return config;
  throw new GatewayError('CONFIG_INVALID', `there is nothing to forward; expected -L or -R, ${EXAMPLE}`);
}

async function notify(world: World, state: ServiceState, log: Logger): Promise<void> {
  const failure = await world.notify(state);
  if (failure !== null) log.warn({ event: 'service' }, failure);
}

/** `user@host`, the host as it was typed. */
function label(logins: Logins, server: string): string {
  const login = logins.get(server);
  return login === undefined ? server : `${login.options.user}@${login.options.host}`;
}

import type { Duplex } from 'node:stream';
import { type Endpoint, formatEndpoint } from '../core/endpoint.ts';
import { GatewayError } from '../core/errors.ts';
import type { ForwardSpec } from '../core/forward.ts';
import { Gateway, remoteBind } from '../core/gateway.ts';
import { Listener } from '../core/listener.ts';
import type { Logger } from '../core/log.ts';
import type { SshOptions } from '../core/ssh/options.ts';
import { resetStream } from '../core/stream.ts';
import { destinationOf, folderOf, formatTarget } from '../core/target.ts';
import type { ManagedTransport, Transport } from '../core/transport.ts';
import { type AccountSource, ftpAccount } from './ftp-account.ts';
import { FtpDialogue, loggedIn } from './ftp-dialogue.ts';
import { greeting, isGreeted } from './greeting.ts';
import { LineClient } from './line-client.ts';
import { ObservedTransport } from './observed.ts';
import { portHolder } from './port-holder.ts';
import { CheckFailure } from './report.ts';
import type { Steps } from './steps.ts';

/** The dependencies of a forward's check. */
export interface ForwardDeps {
  /** This machine's own network. */
  readonly local: Transport;
  readonly log: Logger;
  readonly accounts: AccountSource;
  /** How long a server may take to reply, in milliseconds. */
  readonly timeout: number;
  readonly signal: AbortSignal;
  /** The path of the running sshferry. */
  readonly own: string;
}

/**
 * Tries one forward end to end, through a gateway like the real one, but on a port of its own.
 * `ssh` is its SSH login; null if that failed.
 */
export async function checkForward(
  spec: ForwardSpec,
  login: SshOptions,
  ssh: ManagedTransport | null,
  steps: Steps,
  deps: ForwardDeps,
): Promise<void> {
  if (spec.direction === 'local') await checkLocalPort(spec, steps, deps);
  if (ssh === null) steps.skipped('reach', `not tried: there is no SSH login at ${login.host}`);
  else if (spec.direction === 'local') await checkThrough(spec, login, ssh, steps, deps);
  else await checkRemote(spec, login, ssh, steps, deps);
}

/** Checks whether the port for clients is free. A port that another sshferry holds is fine. */
async function checkLocalPort(
  { bind }: ForwardSpec,
  steps: Steps,
  { local, own }: ForwardDeps,
): Promise<void> {
  const where = formatEndpoint(bind);
  await steps.take('listen', async () => {
    try {
      const listener = await Listener.open(local, bind, refuse);
      await listener.close();
      return bind.port === 0 ? `${where}: there is a free port` : `${where} is free`;
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'LISTEN_IN_USE') throw error;
      const holder = await portHolder(bind.port, own);
      if (holder === null) throw error;
      if (holder.isSshferry) return `${where} is in use by sshferry itself (process ${holder.pid})`;
      throw new GatewayError(error.code, `${error.message} (it is ${holder.program}, process ${holder.pid})`);
    }
  });
}

/** Checks -L: from a port of this machine, through SSH, to the target. */
async function checkThrough(
  spec: ForwardSpec,
  login: SshOptions,
  ssh: ManagedTransport,
  steps: Steps,
  deps: ForwardDeps,
): Promise<void> {
  const route = new ObservedTransport(ssh);
  const gateway = new Gateway({
    transports: new Map([[spec.server, route]]),
    local: deps.local,
    forwards: [{ ...spec, bind: { host: '127.0.0.1', port: 0 } }],
    log: deps.log,
  });
  try {
    await gateway.start();
    const endpoint = gateway.endpoint(spec.name) ?? spec.bind;
    const stream = await deps.local.openStream(endpoint);
    stream.on('error', () => {});
    try {
      const reached = await steps.take('reach', async () => {
        const { error } = await withinTime(route.first, spec, deps);
        if (error !== null) throw error;
        return folderOf(spec.target) === null
          ? `${login.host} reaches ${formatTarget(spec.target)}`
          : `${login.host} offers SFTP`;
      });
      if (reached) await talk(spec, login, stream, steps, { ...deps, endpoint, route });
    } finally {
      stream.destroy();
    }
  } finally {
    await gateway.stop();
  }
}

/** Checks -R: whether the SSH server listens, and whether this machine reaches the target. */
async function checkRemote(
  spec: ForwardSpec,
  login: SshOptions,
  ssh: ManagedTransport,
  steps: Steps,
  deps: ForwardDeps,
): Promise<void> {
  await steps.take('remote-listen', async () => {
    const listening = await ssh.listen(remoteBind(spec.bind), refuse);
    await listening.close();
    return `${login.host} listens on ${formatEndpoint({ ...spec.bind, port: listening.endpoint.port })}`;
  });
  const { plugin, target } = spec;
  await steps.take('reach', async () => {
    const stream = await deps.local.openStream(destinationOf(target), { signal: deps.signal });
    stream.on('error', () => {});
    try {
      const where = formatTarget(target);
      if (!isGreeted(plugin.name)) return `this machine reaches ${where}`;
      return `${where}: ${await greeting(plugin.name, where, new LineClient(stream, where, deps.timeout))}`;
    } finally {
      stream.destroy();
    }
  });
}

interface TalkDeps extends ForwardDeps {
  /** Where the gateway listens. */
  readonly endpoint: Endpoint;
  readonly route: ObservedTransport;
}

/** Plays a client of the forward's protocol on `stream`, a connection to the gateway. */
async function talk(
  spec: ForwardSpec,
  login: SshOptions,
  stream: Duplex,
  steps: Steps,
  deps: TalkDeps,
): Promise<void> {
  const { plugin, target } = spec;
  const where = formatTarget(target);
  if (plugin.name === 'ftp') {
    const client = new LineClient(stream, where, deps.timeout);
    await talkFtp(spec, login, new FtpDialogue(client, where), steps, deps);
  } else if (isGreeted(plugin.name)) {
    await steps.take('greeting', () =>
      greeting(plugin.name, where, new LineClient(stream, where, deps.timeout)),
    );
  }
}

async function talkFtp(
  { target, plugin, pluginConfig }: ForwardSpec,
  login: SshOptions,
  ftp: FtpDialogue,
  steps: Steps,
  { accounts, route, local, endpoint, timeout, signal }: TalkDeps,
): Promise<void> {
  if (!(await steps.take('greeting', () => ftp.greeting()))) return;

  // The account is looked up first. An unusable .netrc is reported only at the login step, after
  // the steps that do not need it.
  const account = plugin.anyLogin?.({ target }, pluginConfig)
    ? Promise.resolve({ user: login.user, password: async () => '' })
    : ftpAccount(target, login, accounts);
  const user = (await account.catch(() => null))?.user ?? login.user;
  let words = { code: 0, words: '', final: '' };
  const plain = await steps.take('tls', async () => {
    words = await ftp.user(user);
    return folderOf(target) === null
      ? 'the server takes logins without TLS of its own (SSH encrypts)'
      : 'sshferry takes logins without TLS (SSH encrypts)';
  });
  if (!plain) return;

  const found = await account.catch((error: unknown) => error);
  if (found === null) {
    steps.skipped(
      'ftp-login',
      'login and listing not tried: give --ftp-login USER, or write the login into ~/.netrc',
    );
    return await ftp.leave();
  }
  const entered = await steps.take('ftp-login', async () => {
    const { password } = await account.then((given) => given ?? Promise.reject(new Error('no account')));
    // 331 asks for a password. Any other reply decides the login.
    return words.code === 331 ? ftp.password(user, await password(signal)) : loggedIn(user, words);
  });
  if (!entered) return await ftp.leave();

  /**
   * Runs `act`. If it fails, throws the gateway's own error for the data connection, which says
   * more than the FTP reply made from it.
   */
  const explained = async <T>(act: () => Promise<T>) => {
    try {
      return await act();
    } catch (error) {
      throw route.dialled.find((dialled) => dialled.bulk && dialled.error !== null)?.error ?? error;
    }
  };
  let port = 0;
  const told = await steps.take('data-port', () =>
    explained(async () => {
      const passive = await ftp.passive();
      port = passive.port;
      return `${passive.verb} names a data port`;
    }),
  );
  if (told) {
    await steps.take('listing', () =>
      explained(async () => {
        const { bytes, lines } = await ftp.list(local, { host: endpoint.host, port }, timeout);
        return `${lines} ${lines === 1 ? 'line' : 'lines'}, ${bytes} bytes through a data connection`;
      }),
    );
  }
  await ftp.leave();
}

async function withinTime<T>(
  promise: Promise<T>,
  { target }: ForwardSpec,
  { timeout }: ForwardDeps,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new CheckFailure(
            'NO_ANSWER',
            `${formatTarget(target)} was not reached within ${timeout / 1000} s; a firewall may be in the way`,
          ),
        ),
      timeout,
    );
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Refuses a client: the port is only being tried. */
function refuse(stream: Duplex): void {
  stream.on('error', () => {});
  resetStream(stream, new GatewayError('ABANDONED', 'this is only a check'));
}

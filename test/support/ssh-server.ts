import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import ssh2, {
  type Algorithms,
  type AuthContext,
  type AuthenticationType,
  type Connection,
  type Prompt,
  type ServerChannel,
  type SFTPWrapper,
  type TcpipRequestInfo,
} from 'ssh2';
import { newKeyPair } from './key-pair.ts';
import { bridge } from './ssh-bridge.ts';

/**
 * What the server answers to a channel open: yes, or a failure of RFC 4254 5.1 with sshd's kind of
 * text.
 */
export type ForwardAnswer = true | Refusal | { refusal: Refusal; text: string };
type Refusal = 'prohibited' | 'connect-failed' | 'unknown-type' | 'shortage';

const REASON_CODE: Record<Refusal, number> = {
  prohibited: 1,
  'connect-failed': 2,
  'unknown-type': 3,
  shortage: 4,
};

export interface TestUser {
  readonly password?: string;
  /** Public keys that may log in, as OpenSSH public key lines. */
  readonly publicKeys?: readonly string[];
  /** Keyboard-interactive: what is asked, and the answers that let in. */
  readonly interactive?: { readonly prompts: readonly Prompt[]; readonly answers: readonly string[] };
  /** Methods that must all succeed, in this order; left out, any one is enough. */
  readonly required?: readonly AuthenticationType[];
}

export interface SshServerOptions {
  /** Left out: one user `demo` with the password `demo`. */
  readonly users?: Readonly<Record<string, TestUser>>;
  /** Decides about logins instead of `users`. */
  readonly authenticate?: (context: AuthContext) => void;
  /** Private keys in PEM or OpenSSH format; left out, one ed25519 key is made. */
  readonly hostKeys?: readonly string[];
  readonly algorithms?: Algorithms;
  readonly banner?: string;
  /** The software that it says it is; left out, ssh2's own. */
  readonly ident?: string;
  /** Default: 127.0.0.1. */
  readonly host?: string;
  readonly port?: number;
  /** Asked for each direct-tcpip; a promise that never settles is a server that never answers. */
  readonly allowForward?: (to: {
    host: string;
    port: number;
    from: { host: string; port: number };
  }) => ForwardAnswer | Promise<ForwardAnswer>;
  /**
   * Connects to a forward's target; left out, plain TCP from this machine. Must be half-open
   * capable.
   */
  readonly dial?: (to: { host: string; port: number }) => Duplex;
  /**
   * Whether tcpip-forward is granted. Listeners are bound on 127.0.0.1 whatever the client names.
   * Default: true.
   */
  readonly allowListen?: boolean;
  /**
   * Whether `subsystem sftp` and `exec` are granted (nothing is run; the channel just stays open).
   * Default: true.
   */
  readonly allowSession?: boolean;
  /** Serves the subsystem sftp; left out, it is granted like any other. */
  readonly sftp?: (session: SFTPWrapper) => void;
}

export interface TestSshServer {
  readonly port: number;
  /** The first host key: public blob (RFC 4253 6.6), OpenSSH line, and `SHA256:` fingerprint. */
  readonly hostKey: { readonly blob: Buffer; readonly line: string; readonly fingerprint: string };
  /** Connections that are open now. */
  readonly connections: number;
  /** Forwarded channels, both kinds, that are open now. */
  readonly channels: number;
  /** Forwarded channels, both kinds, ever opened. */
  readonly channelsOpened: number;
  /** Sessions (exec, subsystem) ever granted. */
  readonly sessionsOpened: number;
  /** Names asked for by exec (`exec:…`) and subsystem (`subsystem:…`) requests, granted or not. */
  readonly sessionRequests: readonly string[];
  /** Keepalive questions ever answered. */
  readonly keepalives: number;
  /** Listeners bound for tcpip-forward now. */
  readonly listeners: number;
  /** Open forwarded channels, for tests that need the server's end of one. */
  readonly openChannels: ReadonlySet<ServerChannel>;
  /** Drops every connection, or the latest: by RST, or by a FIN without an SSH goodbye. */
  killConnections(how?: 'reset' | 'fin', which?: 'all' | 'latest'): void;
  /** Stops reading from every connection, as a host that has vanished does; `thaw` reads on. */
  freeze(): void;
  thaw(): void;
  /** Asks every client for a new key exchange; settles when all are through. */
  rekey(): Promise<void>;
  close(): Promise<void>;
}

/**
 * An SSH server on 127.0.0.1 made with ssh2's Server: direct-tcpip, tcpip-forward, and sessions
 * that do nothing. For tests and the demo only: it is no substitute for sshd, and `dial` reaches
 * whatever this machine reaches.
 */
export async function startSshServer(options: SshServerOptions = {}): Promise<TestSshServer> {
  const hostKeys = options.hostKeys ?? [newKeyPair().private];
  const sockets = new Set<net.Socket>();
  const clients = new Set<Connection>();
  const channels = new Set<ServerChannel>();
  const listeners = new Set<net.Server>();
  const sessionRequests: string[] = [];
  let channelsOpened = 0;
  let sessionsOpened = 0;
  let keepalives = 0;

  const dial =
    options.dial ??
    ((to) => net.connect({ ...to, allowHalfOpen: true, noDelay: true, autoSelectFamily: true }));

  const track = (channel: ServerChannel) => {
    channelsOpened += 1;
    channels.add(channel);
    channel.once('close', () => channels.delete(channel));
  };

  const server = new ssh2.Server({
    hostKeys: [...hostKeys],
    ...(options.algorithms && { algorithms: options.algorithms }),
    ...(options.banner && { banner: options.banner }),
    ...(options.ident && { ident: options.ident }),
  });

  server.on('connection', (client: Connection) => {
    clients.add(client);
    client.on('close', () => clients.delete(client));
    client.on('error', () => {});
    client.on('authentication', options.authenticate ?? passwordFile(options.users ?? DEMO));
    client.on('ready', () => {
      answerForwards(client);
      countKeepalives(client);
      answerListens(client);
      answerSessions(client);
    });
  });

  /**
   * ssh2's reject() knows no reason; so the open is answered below it, where the reason can be
   * given.
   */
  function answerForwards(client: Connection): void {
    const protocol = (client as unknown as { _protocol: ServerProtocol })._protocol;
    const ssh2Answer = protocol._handlers.CHANNEL_OPEN;
    protocol._handlers.CHANNEL_OPEN = (p, info) => {
      if (info.type !== 'direct-tcpip') return ssh2Answer(p, info);
      const to = { host: info.data.destIP, port: info.data.destPort };
      const from = { host: info.data.srcIP, port: info.data.srcPort };
      void (async () => {
        const answer = (await options.allowForward?.({ ...to, from })) ?? true;
        const refuse = (refusal: Refusal, text: string) =>
          p.channelOpenFail(info.sender, REASON_CODE[refusal], text);
        if (!clients.has(client)) return;
        if (typeof answer === 'string') return refuse(answer, 'open failed');
        if (answer !== true) return refuse(answer.refusal, answer.text);
        const target = dial(to);
        if (target instanceof net.Socket && target.connecting) {
          const failure = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
            target.once('connect', () => resolve(null)).once('error', resolve);
          });
          if (!clients.has(client)) return target.destroy();
          if (failure !== null) return refuse('connect-failed', sshdText(failure));
        }
        client.once('tcpip', (accept) => {
          const channel = accept();
          track(channel);
          bridge(channel, target);
        });
        ssh2Answer(p, info);
      })();
    };
  }

  /** ssh2 answers them by itself, as a request that it does not know. */
  function countKeepalives(client: Connection): void {
    const { _handlers: handlers } = (client as unknown as { _protocol: ServerProtocol })._protocol;
    const ssh2Answer = handlers.GLOBAL_REQUEST;
    handlers.GLOBAL_REQUEST = (p, name, wantReply, data) => {
      if (name.startsWith('keepalive@')) keepalives += 1;
      ssh2Answer(p, name, wantReply, data);
    };
  }

  function answerListens(client: Connection): void {
    const own = new Map<string, net.Server>();
    client.on('close', () => {
      for (const listener of own.values()) listener.close();
    });
    client.on('request', (accept, reject, name, info) => {
      if (name === 'cancel-tcpip-forward' && 'bindPort' in info) {
        const key = `${info.bindAddr}:${info.bindPort}`;
        const listener = own.get(key);
        own.delete(key);
        if (listener === undefined) return reject?.();
        listener.close();
        return accept?.();
      }
      if (name !== 'tcpip-forward' || !('bindPort' in info) || options.allowListen === false)
        return reject?.();
      const { bindAddr, bindPort } = info;
      const listener = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
      listener.on('close', () => listeners.delete(listener));
      listener.once('error', () => reject?.());
      listener.listen(bindPort, '127.0.0.1', () => {
        const { port } = listener.address() as net.AddressInfo;
        listeners.add(listener);
        own.set(`${bindAddr}:${port}`, listener);
        accept?.(port);
        listener.on('connection', (socket) => {
          const { remoteAddress = '', remotePort = 0 } = socket;
          client.forwardOut(bindAddr, port, remoteAddress, remotePort, (error, channel) => {
            if (error) {
              socket.destroy();
              return;
            }
            track(channel as ServerChannel);
            bridge(channel as ServerChannel, socket);
          });
        });
      });
    });
  }

  function answerSessions(client: Connection): void {
    client.on('session', (acceptSession) => {
      const session = acceptSession();
      const answer = (name: string, accept: () => ServerChannel, reject: () => void) => {
        sessionRequests.push(name);
        if (options.allowSession === false) return reject();
        sessionsOpened += 1;
        const channel = accept();
        channel.on('end', () => channel.close());
        channel.resume();
      };
      if (options.sftp) session.on('sftp', (accept) => options.sftp?.(accept()));
      session.on('exec', (accept, reject, info) => answer(`exec:${info.command}`, accept, reject));
      session.on('subsystem', (accept, reject, info) => answer(`subsystem:${info.name}`, accept, reject));
    });
  }

  const tcp = net.createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    server.injectSocket(socket);
  });
  tcp.listen(options.port ?? 0, options.host ?? '127.0.0.1');
  await once(tcp, 'listening');

  return {
    port: (tcp.address() as net.AddressInfo).port,
    hostKey: describeKey(hostKeys[0] ?? ''),
    get connections() {
      return sockets.size;
    },
    get channels() {
      return channels.size;
    },
    get channelsOpened() {
      return channelsOpened;
    },
    get sessionsOpened() {
      return sessionsOpened;
    },
    get keepalives() {
      return keepalives;
    },
    get listeners() {
      return listeners.size;
    },
    sessionRequests,
    openChannels: channels,
    killConnections(how = 'reset', which = 'all') {
      for (const socket of which === 'all' ? sockets : [...sockets].slice(-1)) {
        if (how === 'reset') socket.resetAndDestroy();
        else socket.destroy();
      }
    },
    freeze() {
      for (const socket of sockets) socket.pause();
    },
    thaw() {
      for (const socket of sockets) socket.resume();
    },
    async rekey() {
      await Promise.all(
        [...clients].map((client) => new Promise<void>((resolve) => client.rekey(() => resolve()))),
      );
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      for (const listener of listeners) listener.close();
      if (tcp.listening) {
        tcp.close();
        await once(tcp, 'close');
      }
    },
  };
}

const DEMO: Readonly<Record<string, TestUser>> = { demo: { password: 'demo' } };

/** The parts of ssh2's Protocol that the server's answers need. */
interface ServerProtocol {
  _handlers: {
    CHANNEL_OPEN: (p: ServerProtocol, info: ChannelOpen) => void;
    GLOBAL_REQUEST: (p: ServerProtocol, name: string, wantReply: boolean, data: unknown) => void;
  };
  channelOpenFail(recipient: number, reason: number, text: string): void;
}
interface ChannelOpen {
  readonly type: string;
  readonly sender: number;
  readonly data: TcpipRequestInfo;
}

/** Lets in who is in `users` and proves it. One per connection: it remembers what has succeeded. */
function passwordFile(users: Readonly<Record<string, TestUser>>): (context: AuthContext) => void {
  const passed: AuthenticationType[] = [];
  return (context) => {
    const user = users[context.username];
    const methods: AuthenticationType[] = [];
    if (user?.publicKeys) methods.push('publickey');
    if (user?.password !== undefined) methods.push('password');
    if (user?.interactive) methods.push('keyboard-interactive');
    if (user === undefined) return context.reject(['publickey', 'password']);

    const succeed = () => {
      passed.push(context.method);
      const missing = (user.required ?? []).filter((method) => !passed.includes(method));
      if (missing.length === 0) context.accept();
      else context.reject(missing.slice(0, 1), true);
    };
    const next = () =>
      context.reject(user.required?.filter((m) => !passed.includes(m)).slice(0, 1) ?? methods);

    switch (context.method) {
      case 'password':
        return context.password === user.password ? succeed() : next();
      case 'publickey': {
        const key = (user.publicKeys ?? [])
          .map((line) => ssh2.utils.parseKey(line))
          .find((known) => !(known instanceof Error) && equal(known.getPublicSSH(), context.key.data));
        if (key === undefined || key instanceof Error) return next();
        if (!context.signature || !context.blob) return context.accept();
        return key.verify(context.blob, context.signature, context.hashAlgo) === true ? succeed() : next();
      }
      case 'keyboard-interactive': {
        const { interactive } = user;
        if (interactive === undefined) return next();
        return context.prompt([...interactive.prompts], (answers) =>
          answers.join('\0') === interactive.answers.join('\0') ? succeed() : next(),
        );
      }
      default:
        return next();
    }
  };
}

function equal(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

function describeKey(privateKey: string): TestSshServer['hostKey'] {
  const key = ssh2.utils.parseKey(privateKey);
  if (key instanceof Error) throw key;
  const blob = key.getPublicSSH();
  const digest = createHash('sha256').update(blob).digest('base64').replace(/=+$/, '');
  return { blob, line: `${key.type} ${blob.toString('base64')}`, fingerprint: `SHA256:${digest}` };
}

/** What OpenSSH's sshd writes for a failed connect: strerror(3) or gai_strerror(3). */
function sshdText(error: NodeJS.ErrnoException): string {
  if (error.code === 'ECONNREFUSED') return 'Connection refused';
  if (error.code === 'ENOTFOUND') return 'Name or service not known';
  return error.code ?? error.message;
}

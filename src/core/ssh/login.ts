import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Client } from 'ssh2';
import { singleLine, stripControls } from '../control-characters.ts';
import { formatEndpoint } from '../endpoint.ts';
import { asGatewayError, GatewayError } from '../errors.ts';
import { ssh2Algorithms } from './algorithms.ts';
import { createAuthHandler } from './auth.ts';
import type { ConnectionDeps } from './connection.ts';
import { dial } from './dial.ts';
import { fingerprint, keyTypeOf } from './known-hosts.ts';
import { cutAtLogin, handshakeFailure, notSsh, type Ssh2Error } from './login-failure.ts';
import { LoginTimer } from './login-timer.ts';
import type { SshOptions } from './options.ts';
import { padFromPool } from './padding.ts';
import { observePrompter } from './prompter.ts';
import { serverOffer } from './server-offer.ts';

/** How much is kept of what the server says first, in bytes; RFC 4253 bounds a packet to less. */
const GREETING = 64 * 1024;

/**
 * Takes a new client to its `ready`. `begin` is called with the stream that it will speak over, before it does, and must
 * listen for its errors; what it makes is what this gives. Rejects as SshConnection.connect does, and then leaves nothing
 * open.
 */
export async function login<T>(
  client: Client,
  options: SshOptions,
  deps: ConnectionDeps,
  begin: (socket: Duplex) => T,
): Promise<T> {
  const over = new AbortController();
  const where = formatEndpoint({ host: options.hostName, port: options.port });
  const timer = new LoginTimer(options.connectTimeout * 1000, () =>
    over.abort(
      new GatewayError(
        'SSH_TIMEOUT',
        `${where}: no login within ${options.connectTimeout} s; the host or a firewall on the way does not answer`,
      ),
    ),
  );
  const onAbort = () => over.abort(deps.signal?.reason);
  deps.signal?.addEventListener('abort', onAbort, { once: true });
  if (deps.signal?.aborted) onAbort();
  let socket = deps.socket;
  try {
    const { host } = options;
    const addresses: string[] = [];
    try {
      socket ??= await dial(options, over.signal, (address) => addresses.push(address));
    } finally {
      if (addresses.length > 0) deps.progress?.({ stage: 'resolved', host, addresses });
    }
    deps.progress?.({ stage: 'connected', host, address: addressOf(socket) });
    const connection = begin(socket);
    await authenticate(client, socket, options, deps, timer, over);
    return connection;
  } catch (error) {
    socket?.destroy();
    throw error;
  } finally {
    timer.stop();
    deps.signal?.removeEventListener('abort', onAbort);
  }
}

/** From the TCP connection to `ready`. Whatever ends it first aborts `over`, which closes an open prompt. */
function authenticate(
  client: Client,
  socket: Duplex,
  options: SshOptions,
  deps: ConnectionDeps,
  timer: LoginTimer,
  over: AbortController,
): Promise<void> {
  const { prompter, log, verifier, identities, progress } = deps;
  const { host } = options;
  const address = addressOf(socket);
  const auth = createAuthHandler({
    options,
    identities,
    prompter: observePrompter(prompter, (busy) => timer.hold(busy)),
    log,
    signal: over.signal,
    signing: (on) => timer.hold(on),
  });

  return new Promise<void>((resolve, reject) => {
    let denied: GatewayError | null = null;
    let verified: Buffer | null = null;
    let exchanged = false;
    let heard: Buffer = Buffer.alloc(0);

    const fail = (error: unknown) => {
      if (!over.signal.aborted) over.abort(error);
      const late = over.signal.reason instanceof GatewayError && over.signal.reason.code === 'SSH_TIMEOUT';
      // What was said says more than that nothing followed.
      reject((late && notSsh(options, heard)) || over.signal.reason);
    };
    const onError = (error: Ssh2Error) => {
      // A key in the agent did not sign; the next one follows.
      if (error.level === 'agent') return;
      if (denied !== null) return fail(denied);
      // A disconnect carries the server's reason code (RFC 4253 11.1).
      const login = error.level === 'client-authentication' || typeof error.code === 'number';
      fail(exchanged && login ? auth.failure(error) : handshakeFailure(options, error, heard));
    };
    const onClose = () =>
      fail(denied ?? (exchanged ? cutAtLogin(options) : handshakeFailure(options, null, heard)));
    over.signal.addEventListener('abort', () => fail(over.signal.reason), { once: true });
    if (over.signal.aborted) return fail(over.signal.reason);

    client.on('error', onError);
    client.on('close', onClose);
    client.on('handshake', (negotiated) => {
      padFromPool(client);
      exchanged = true;
      log.debug({ event: 'ssh.handshake', negotiated }, 'keys exchanged');
    });
    client.on('banner', (text) => prompter.tell(stripControls(text)));
    client.on('change password', () =>
      fail(
        new GatewayError(
          'SSH_AUTH',
          `${options.user}@${options.host}: the password has expired: log in with ssh and change it`,
        ),
      ),
    );
    client.once('ready', () => {
      client.off('error', onError).off('close', onClose);
      progress?.({ stage: 'ready', host, by: auth.last });
      resolve();
    });

    client.connect({
      sock: socket,
      username: options.user,
      algorithms: ssh2Algorithms(options, verifier.algorithms),
      readyTimeout: 0,
      keepaliveInterval: options.serverAliveInterval * 1000,
      keepaliveCountMax: options.serverAliveCountMax,
      authHandler: auth.handler,
      hostVerifier: (key: Buffer, answer: (accept: boolean) => void) => {
        // A new key exchange in mid connection must be answered at once: while ssh2 1.17.0 waits it does not hold back what
        // is sent (kex.js, completeHandshake), and the server reads that as garbage.
        if (verified !== null) return answer(key.equals(verified));
        timer.hold(true);
        verifier
          .verify(key, address, over.signal)
          .catch((error: unknown) =>
            asGatewayError(error, 'SSH_HOST_KEY', `${options.host}: its host key was not verified`),
          )
          .then((verdict) => {
            timer.hold(false);
            if (verdict === true) {
              verified = key;
              const keyType = keyTypeOf(key) ?? '';
              const software = identification(heard);
              progress?.({ stage: 'verified', host, keyType, fingerprint: fingerprint(key), software });
            } else denied = verdict;
            if (!socket.destroyed) answer(verdict === true);
          })
          .catch((error: Ssh2Error) => fail(denied ?? handshakeFailure(options, error, heard)));
      },
    });
    // Before ssh2 sees it, which fails over it at once. It has paused the stream and is yet to read.
    socket.prependListener('data', function hear(chunk: Buffer) {
      heard = Buffer.concat([heard, chunk]);
      if (serverOffer(heard) !== null || heard.length > GREETING) socket.off('data', hear);
    });
  });
}

function addressOf(socket: Duplex): string | null {
  return socket instanceof Socket ? (socket.remoteAddress ?? null) : null;
}

/** What the server calls itself in `SSH-2.0-OpenSSH_9.2p1 Debian-2`; null where it has not said so at once. */
function identification(heard: Buffer): string | null {
  const software = /^SSH-[\d.]+-(.*)$/m.exec(heard.toString('latin1'))?.[1];
  return software === undefined ? null : singleLine(software);
}

import { once } from 'node:events';
import net from 'node:net';
import tls, { type TLSSocket } from 'node:tls';
import type { TestContext } from 'vitest';
import type { Endpoint } from '../../src/core/endpoint.ts';
import type { Issued } from './certificates.ts';
import { pattern, type Stored } from './scripted-ftp-server.ts';
import { Wire } from './wire.ts';

type Test = Pick<TestContext, 'onTestFinished'>;

export interface TlsFtpOptions extends Issued {
  /** TLS from the first byte. Default: after AUTH TLS. */
  readonly implicit?: boolean;
  /** The code of its answer to PBSZ and PROT, before and after the login. Default: 200. */
  readonly protection?: { readonly before: number; readonly after: number };
  /** Data connections have to continue the control connection's session. Default: true. */
  readonly needsReuse?: boolean;
  /** A download ends in a FIN alone. */
  readonly truncates?: boolean;
  /** A download's connection is closed both ways as soon as it is sent. */
  readonly closes?: boolean;
  /** It closes a data connection on which TLS begins before the transfer, as pyftpdlib does. */
  readonly refusesEarlyTls?: boolean;
  /** What is wrong with data connections. */
  readonly data?: 'other certificate' | 'no TLS';
  readonly otherCertificate?: Issued;
  readonly maxVersion?: tls.SecureVersion;
  readonly onStored?: (upload: Stored) => void;
}

/** What the server saw. */
export interface TlsFtpServer extends Endpoint {
  /** Commands by the protection that they came with. */
  readonly said: { readonly clear: readonly string[]; readonly secret: readonly string[] };
  /** Of each data connection, whether it continued a session. */
  readonly reused: readonly boolean[];
}

/** A small FTP server that demands TLS (RFC 4217): `RETR n` sends n bytes. Gone with the test. */
export async function tlsFtpServer(test: Test, options: TlsFtpOptions): Promise<TlsFtpServer> {
  const { cert, key, maxVersion } = options;
  const said = { clear: [] as string[], secret: [] as string[] };
  const reused: boolean[] = [];
  const secureContext = tls.createSecureContext({ cert, key, ...(maxVersion && { maxVersion }) });
  const sockets = new Set<net.Socket>();
  const listeners = new Set<net.Server>();
  const listen = async (onConnection: (socket: net.Socket) => void) => {
    const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      onConnection(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    listeners.add(server);
    return { server, port: (server.address() as net.AddressInfo).port };
  };
  const secure = (raw: net.Socket, context = secureContext) => {
    const socket = new tls.TLSSocket(raw, { isServer: true, secureContext: context });
    socket.on('error', () => {});
    return socket;
  };

  async function serve(raw: net.Socket): Promise<void> {
    let wire = new Wire(raw);
    let heard = said.clear;
    const reply = (line: string) => wire.write(`${line}\r\n`);
    const begin = async () => {
      raw.removeAllListeners('data');
      const socket = secure(raw);
      await once(socket, 'secure');
      wire = new Wire(socket);
      heard = said.secret;
    };
    if (options.implicit) await begin();
    reply('220 ready');
    let isLoggedIn = false;
    let data: { server: net.Server; socket: Promise<net.Socket> } | null = null;
    const { before = 200, after = 200 } = options.protection ?? {};
    const accept = async (): Promise<net.Socket | TLSSocket> => {
      const plain = await (data?.socket ?? Promise.reject(new Error('no data port')));
      if (options.data === 'no TLS') return plain;
      const other = options.data === 'other certificate' ? options.otherCertificate : undefined;
      const socket = secure(plain, other && tls.createSecureContext(other));
      await new Promise<void>((resolve) => socket.once('secure', resolve).once('close', resolve));
      reused.push(socket.isSessionReused());
      return socket;
    };
    for (;;) {
      const line = await wire.line();
      heard.push(line);
      const [verb = '', argument = ''] = line.split(' ');
      switch (verb) {
        case 'AUTH':
          reply('234 go');
          await begin();
          break;
        case 'PBSZ':
        case 'PROT':
          reply(`${isLoggedIn ? after : before} ${verb}`);
          break;
        case 'PASS':
          isLoggedIn = true;
          reply('230 in');
          break;
        case 'EPSV': {
          let take: (socket: net.Socket) => void = () => {};
          const socket = new Promise<net.Socket>((resolve) => {
            take = resolve;
          });
          const { server, port } = await listen((connection) => take(connection));
          data = { server, socket };
          reply(`229 Entering Extended Passive Mode (|||${port}|)`);
          break;
        }
        case 'LIST':
        case 'RETR': {
          const early = await data?.socket;
          if (options.refusesEarlyTls && (early?.bytesRead ?? 0) > 0) {
            early?.destroy();
            reply('425 TLS has begun too early');
            break;
          }
          reply('150 here it comes');
          const socket = await accept();
          if (options.needsReuse !== false && !reused.at(-1) && !options.data) {
            reply('522 the session must be reused');
            socket.destroy();
            break;
          }
          await new Promise<void>((resolve) =>
            socket.write(pattern(Number(argument || 40)), () => resolve()),
          );
          if (options.closes) socket.end(() => socket.destroy());
          else if (options.truncates) (await data?.socket)?.end();
          else socket.end();
          socket.resume();
          reply('226 done');
          break;
        }
        case 'STOR': {
          reply('150 send it');
          const socket = await accept();
          if (socket.destroyed) {
            reply('426 no TLS');
            break;
          }
          const { bytes, ending } = await new Wire(socket).rest();
          options.onStored?.({ name: argument, bytes, complete: ending === 'eof' });
          socket.end();
          reply(ending === 'eof' ? '226 stored' : '426 cut');
          break;
        }
        case 'USER':
          reply('331 password');
          break;
        default:
          reply(`200 ${verb}`);
      }
    }
  }

  const { port } = await listen((socket) => void serve(socket).catch(() => socket.destroy()));
  test.onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    for (const server of listeners) server.close();
  });
  return { host: '127.0.0.1', port, said, reused };
}

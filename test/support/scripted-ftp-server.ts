import { once } from 'node:events';
import net from 'node:net';
import type { TestContext } from 'vitest';
import { Wire } from './wire.ts';

type Test = Pick<TestContext, 'onTestFinished'>;

/** A queue of items; waiting callers get them in the order of their calls. */
class Queue<T> {
  readonly #items: T[] = [];
  readonly #takers: ((item: T) => void)[] = [];

  push(item: T): void {
    const taker = this.#takers.shift();
    if (taker) taker(item);
    else this.#items.push(item);
  }

  next(): Promise<T> {
    const item = this.#items.shift();
    return item === undefined ? new Promise((resolve) => this.#takers.push(resolve)) : Promise.resolve(item);
  }

  get length(): number {
    return this.#items.length;
  }
}

/** An FTP server that says and does what the test tells it, step by step. */
export class ScriptedFtpServer {
  readonly host: string;
  readonly port: number;
  readonly #controls: Queue<FtpPeer>;

  private constructor(host: string, port: number, controls: Queue<FtpPeer>) {
    this.host = host;
    this.port = port;
    this.#controls = controls;
  }

  /** Listens on a loopback address; gone with the test. */
  static async start(test: Test, host = '127.0.0.1'): Promise<ScriptedFtpServer> {
    const controls = new Queue<FtpPeer>();
    const { port } = await listen(test, host, (socket) =>
      controls.push(new FtpPeer(new Wire(socket), host, test)),
    );
    return new ScriptedFtpServer(host, port, controls);
  }

  /** The next control connection. */
  accept(): Promise<FtpPeer> {
    return this.#controls.next();
  }
}

/** A port for data connections; its sockets are paused. */
export interface DataListener {
  readonly port: number;
  accept(): Promise<net.Socket>;
  /** Connections that were made and not accepted. */
  readonly waiting: number;
  /** Connections that were not accepted go with it. */
  close(): void;
}

/** Listens for data connections at `host`; gone with the test. */
export async function listenData(test: Test, host: string): Promise<DataListener> {
  const sockets = new Queue<net.Socket>();
  const { port, close } = await listen(test, host, (socket) => sockets.push(socket));
  return {
    port,
    close: () => {
      close();
      while (sockets.length > 0) void sockets.next().then((socket) => socket.destroy());
    },
    accept: () => sockets.next(),
    get waiting() {
      return sockets.length;
    },
  };
}

/** The server's end of one control connection. */
export class FtpPeer {
  readonly control: Wire;
  /** Every command that was taken, in order. */
  readonly commands: string[] = [];
  readonly #host: string;
  readonly #test: Test;

  constructor(control: Wire, host: string, test: Test) {
    this.control = control;
    this.#host = host;
    this.#test = test;
  }

  /** Sends a reply line. */
  reply(line: string): void {
    this.control.write(`${line}\r\n`);
  }

  /** The next command; throws where it is another than `verb`. */
  async command(verb?: string): Promise<string> {
    const line = await this.control.line();
    this.commands.push(line);
    if (verb !== undefined && !line.startsWith(verb)) throw new Error(`expected ${verb}, got ${line}`);
    return line;
  }

  /** Takes a command and answers it. */
  async expect(verb: string, answer: string): Promise<string> {
    const line = await this.command(verb);
    this.reply(answer);
    return line;
  }

  /** Listens for data connections, without telling anyone. */
  listenData(): Promise<DataListener> {
    return listenData(this.#test, this.#host);
  }

  /**
   * Takes PASV or EPSV and answers with a listener of its own; returns an object that accepts on
   * it.
   */
  async passive(): Promise<DataListener> {
    const verb = await this.command();
    const data = await this.listenData();
    this.replyPassive(verb, data.port);
    return data;
  }

  replyPassive(verb: string, port: number): void {
    if (verb === 'EPSV') this.reply(`229 Entering Extended Passive Mode (|||${port}|)`);
    else if (verb === 'PASV') this.reply(`227 Entering Passive Mode (10,0,0,1,${port >> 8},${port & 255}).`);
    else throw new Error(`expected PASV or EPSV, got ${verb}`);
  }
}

/** An upload that the server has received. */
export interface Stored {
  readonly name: string;
  readonly bytes: Buffer;
  /** Whether the server takes it for complete. */
  readonly complete: boolean;
}

/** What a server of `serveAll` tells its test. */
export interface ServeOptions {
  /** Receives each upload. */
  readonly onStored?: (upload: Stored) => void;
  /** Runs before the server says that a transfer begins. */
  readonly beforeBegin?: () => Promise<unknown>;
}

/**
 * Makes every control connection of `server` an ordinary small FTP server: `RETR n` sends n bytes.
 */
export function serveAll(server: ScriptedFtpServer, options: ServeOptions = {}): void {
  void (async () => {
    for (;;) void serve(await server.accept(), options).catch(() => {});
  })();
}

/** One control connection of `serveAll`. */
async function serve(peer: FtpPeer, { onStored, beforeBegin }: ServeOptions): Promise<void> {
  let data: DataListener | null = null;
  const accept = async () => {
    const listening = data;
    data = null;
    const socket = await listening?.accept();
    listening?.close();
    return socket;
  };
  peer.control.ended().then(() => {
    data?.close();
    peer.control.end();
  });
  peer.reply('220 ready');
  /** The command after an upload, which may be its ABOR. */
  let early: Promise<string> | null = null;
  for (;;) {
    const line = await (early ?? peer.command());
    early = null;
    const [verb = '', argument = ''] = line.split(' ');
    switch (verb) {
      case 'PASV':
      case 'EPSV': {
        data?.close();
        data = await peer.listenData();
        peer.replyPassive(verb, data.port);
        break;
      }
      case 'RETR': {
        const socket = await accept();
        if (!/^\d+$/.test(argument)) {
          peer.reply('550 no such file');
          socket?.destroy();
          break;
        }
        await beforeBegin?.();
        peer.reply('150 here it comes');
        socket?.end(pattern(Number(argument))).resume();
        peer.reply('226 done');
        break;
      }
      case 'STOR': {
        await beforeBegin?.();
        peer.reply('150 send it');
        const socket = await accept();
        if (socket === undefined) break;
        const wire = new Wire(socket);
        early = peer.command();
        early.then(
          (command) => command === 'ABOR' && socket.destroy(),
          () => {},
        );
        const { bytes, ending } = await wire.rest();
        onStored?.({ name: argument, bytes, complete: ending === 'eof' });
        socket.end();
        peer.reply(ending === 'eof' ? '226 stored' : '426 cut');
        break;
      }
      case 'QUIT':
        peer.reply('221 bye');
        peer.control.end();
        return;
      default:
        peer.reply(`200 ${verb}`);
    }
  }
}

/** Bytes that differ from place to place. */
export function pattern(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8)) & 0xff;
  return bytes;
}

async function listen(
  test: Test,
  host: string,
  onSocket: (socket: net.Socket) => void,
): Promise<{ port: number; close(): void }> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    onSocket(socket);
  });
  server.listen(0, host);
  await once(server, 'listening');
  test.onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { port: (server.address() as net.AddressInfo).port, close: () => server.close() };
}

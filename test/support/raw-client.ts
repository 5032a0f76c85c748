import type net from 'node:net';
import type { TestContext } from 'vitest';
import type { Endpoint } from '../../src/core/endpoint.ts';
import { dial, Wire } from './wire.ts';

type Test = Pick<TestContext, 'onTestFinished'>;

/** An FTP client that does just what the test tells it, right or wrong. */
export class RawClient {
  readonly control: Wire;
  readonly #test: Test;
  readonly #from: string | undefined;

  private constructor(control: Wire, test: Test, from: string | undefined) {
    this.control = control;
    this.#test = test;
    this.#from = from;
  }

  /** Connects, from `from` where given; gone with the test. */
  static async connect(test: Test, to: Endpoint, from?: string): Promise<RawClient> {
    const control = await Wire.connect({ ...to, ...(from !== undefined && { localAddress: from }) });
    test.onTestFinished(() => control.destroy());
    return new RawClient(control, test, from);
  }

  /** Sends a command line. */
  send(line: string): void {
    this.control.write(`${line}\r\n`);
  }

  /** The next reply, all lines of it, joined by `\n`. */
  async reply(): Promise<string> {
    const first = await this.control.line();
    const lines = [first];
    if (first[3] === '-') {
      for (let line = ''; !line.startsWith(`${first.slice(0, 3)} `); ) {
        line = await this.control.line();
        lines.push(line);
      }
    }
    return lines.join('\n');
  }

  /** Sends a command and returns its reply. */
  async command(line: string): Promise<string> {
    this.send(line);
    return this.reply();
  }

  /** The endpoint in a 227 or 229; throws with the reply where there is none. */
  where(reply: string): Endpoint {
    const six = /(\d+),(\d+),(\d+),(\d+),(\d+),(\d+)/.exec(reply);
    if (six && reply.startsWith('227')) {
      const [h1, h2, h3, h4, p1, p2] = six.slice(1).map(Number);
      return { host: `${h1}.${h2}.${h3}.${h4}`, port: (p1 ?? 0) * 256 + (p2 ?? 0) };
    }
    const extended = /\(\|\|\|(\d+)\|\)/.exec(reply);
    if (extended && reply.startsWith('229')) {
      return { host: this.control.socket.remoteAddress ?? '', port: Number(extended[1]) };
    }
    throw new Error(`no data port in: ${reply}`);
  }

  /** PASV or EPSV, then where to connect. */
  async passive(verb: 'PASV' | 'EPSV' = 'EPSV'): Promise<Endpoint> {
    return this.where(await this.command(verb));
  }

  /** Connects to a data port and reads. */
  async data(to: Endpoint, from: string | undefined = this.#from): Promise<Wire> {
    return new Wire(await this.unread(to, from));
  }

  /** Connects to a data port and reads nothing. */
  async unread(to: Endpoint, from: string | undefined = this.#from): Promise<net.Socket> {
    const socket = await dial({ ...to, ...(from !== undefined && { localAddress: from }) });
    this.#test.onTestFinished(() => void socket.destroy());
    return socket;
  }
}

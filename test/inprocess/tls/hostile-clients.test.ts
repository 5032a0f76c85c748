import { once } from 'node:events';
import net from 'node:net';
import { duplexPair } from 'node:stream';
import tls from 'node:tls';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { ListenTlsSettings } from '../../../src/tls/listen-tls.ts';
import { TlsServer } from '../../../src/tls/tls-server.ts';
import { suiteAuthority } from '../../support/certificates.ts';
import { eventually, startFtp } from '../../support/gateway.ts';
import { listenTls } from '../../support/listen-tls.ts';
import { describeWith } from '../../support/openssh.ts';
import { pattern, ScriptedFtpServer, serveAll } from '../../support/scripted-ftp-server.ts';
import { listenTcp } from '../../support/tcp.ts';
import { dial, Wire } from '../../support/wire.ts';

const TEST = { onTestFinished };
const HALF_OPEN = 200;

/** A record of TLS that holds the beginning of a ClientHello of so many bytes. */
function helloOf(length: number): Buffer {
  const hello = Buffer.alloc(16_384);
  hello[0] = 1;
  hello.writeUIntBE(length, 1, 3);
  const header = Buffer.from([22, 3, 1, 0, 0]);
  header.writeUInt16BE(hello.length, 3);
  return Buffer.concat([header, hello]);
}

describeWith(['openssl'], 'hostile clients that speak TLS', () => {
  const own = suiteAuthority();

  async function gateway(over: Partial<ListenTlsSettings> = {}) {
    const server = await ScriptedFtpServer.start(TEST);
    serveAll(server, {});
    const reached: net.Socket[] = [];
    const target = await listenTcp(TEST, (near) => {
      reached.push(near);
      const far = net.connect(server.port, server.host).on('error', () => {});
      near
        .on('error', () => far.destroy())
        .pipe(far)
        .pipe(near);
    });
    const near = await listenTls(TEST, own.issued, over);
    return { ...(await startFtp(TEST, { target, listenTls: near.observed })), reached };
  }

  /** A client's control connection in TLS, up to the greeting. */
  async function greeted(port: number, options: tls.ConnectionOptions = {}) {
    const socket = tls.connect({
      port,
      host: '127.0.0.1',
      ca: own.authority.cert,
      servername: 'localhost',
      ...options,
    });
    onTestFinished(() => void socket.destroy());
    const wire = new Wire(socket);
    expect(await wire.line()).toBe('220 ready');
    return { socket, wire };
  }

  it(`${HALF_OPEN} handshakes that go nowhere reach no target, and cost no other client anything`, async () => {
    const { endpoint, happenings, reached } = await gateway({ mode: 'implicit' });
    const sockets = await Promise.all(
      Array.from({ length: HALF_OPEN }, async (_, i) => {
        const socket = await dial(endpoint);
        onTestFinished(() => void socket.destroy());
        // Some say nothing, and some stop within the ClientHello.
        if (i % 2 === 1) socket.write(helloOf(20_000).subarray(0, 1 + (i % 300)));
        return socket;
      }),
    );
    await eventually(() =>
      expect(happenings.filter(([name]) => name === 'session.start')).toHaveLength(HALF_OPEN),
    );
    expect(reached).toEqual([]);
    await greeted(endpoint.port);
    for (const socket of sockets) socket.destroy();
    await eventually(() =>
      expect(happenings.filter(([name]) => name === 'session.end')).toHaveLength(HALF_OPEN),
    );
  });

  it.each([
    ['says nothing', 0],
    ['stops within its ClientHello', 100],
  ])('a client that %s has 30 s', async (_what, bytes) => {
    const [theirs, inner] = duplexPair();
    theirs.write(helloOf(20_000).subarray(0, bytes));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const identity = { ...own.issued, names: ['localhost'], validTo: new Date(Date.now() + 1e9) };
    const stream = new TlsServer(identity, '1.2').accept(inner, 'the client');
    stream.limitHandshake();
    vi.advanceTimersByTime(29_999);
    expect(stream.destroyed).toBe(false);
    vi.advanceTimersByTime(1);
    await expect(stream.secured).rejects.toThrow('the client did not finish the TLS handshake in 30 s');
    expect([stream.destroyed, inner.destroyed]).toEqual([true, true]);
  });

  it.each([
    ['of 16 MB', 0xffffff],
    ['of 200 kB', 200_000],
  ])('a ClientHello %s ends the session at once', async (_what, length) => {
    const { endpoint, happened } = await gateway({ mode: 'implicit' });
    const wire = await Wire.connect(endpoint);
    wire.socket.on('error', () => {});
    wire.write(helloOf(length));
    const end = await happened('session.end');
    expect(end.error?.code).toBe('CLIENT_TLS_FAILED');
    expect(end.error?.message).toMatch(/excessive message size/);
  });

  it('a renegotiation is refused, and other clients are served', async () => {
    const { endpoint } = await gateway({ mode: 'implicit' });
    const { socket } = await greeted(endpoint.port, { maxVersion: 'TLSv1.2' });
    const refused = await new Promise((resolve) => {
      socket.once('error', resolve);
      socket.renegotiate({}, resolve);
    });
    expect(String(refused)).toMatch(/no.renegotiation/i);
    await greeted(endpoint.port);
  });

  it('garbage in place of a handshake on a data connection breaks that alone', async () => {
    const { endpoint } = await gateway({ mode: 'implicit' });
    const { wire } = await greeted(endpoint.port);
    const command = async (line: string) => {
      wire.write(`${line}\r\n`);
      return wire.line();
    };
    for (const line of ['USER a', 'PASS b']) expect(await command(line)).toMatch(/^[23]/);
    const where = /\(\|\|\|(\d+)\|\)/.exec(await command('EPSV'));
    const data = net.connect(Number(where?.[1]), '127.0.0.1');
    data.on('error', () => {});
    await once(data, 'connect');
    data.write(pattern(100_000));
    const first = await command('RETR 1000');
    expect(first.startsWith('150') ? await wire.line() : first).toMatch(/^42[56] /);
    expect(await command('NOOP')).toMatch(/^200 /);
  });
});

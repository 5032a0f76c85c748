import { once } from 'node:events';
import net from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it, type TestContext, vi } from 'vitest';
import { type AnyPlugin, pluginNamed } from '../../../src/app/plugins.ts';
import type { Endpoint } from '../../../src/core/endpoint.ts';
import type { ForwardSpec } from '../../../src/core/forward.ts';
import { Gateway } from '../../../src/core/gateway.ts';
import { DirectTransport } from '../../../src/core/local/tcp-transport.ts';
import { SshSupervisor } from '../../../src/core/ssh/link/supervisor.ts';
import { ftp } from '../../../src/ftp/plugin.ts';
import { pop3 } from '../../../src/protocols/pop3.ts';
import { connectBy, ENGINES } from '../../support/engines.ts';
import { silentLog } from '../../support/ssh-login.ts';
import { startSshServer } from '../../support/ssh-server.ts';
import { listenTcp } from '../../support/tcp.ts';

const CYCLES = { ssh2: 50, openssh: 20 };

/** A client that notes what it reads and how its connection ends. */
class Client {
  text = '';
  ending: 'end' | 'reset' | null = null;
  readonly socket: net.Socket;
  readonly closed: Promise<unknown>;

  constructor(to: Endpoint) {
    this.socket = net.connect({ ...to, allowHalfOpen: true });
    this.closed = new Promise((resolve) => this.socket.once('close', resolve));
    this.socket.on('data', (chunk) => {
      this.text = (this.text + chunk.toString('latin1')).slice(-1000);
    });
    // libuv reports a reset that comes together with data as an end-of-file; only a write shows
    // which of the two it was.
    this.socket.once('end', () =>
      this.socket.write(Buffer.alloc(0), (error) => {
        this.ending ??= error ? 'reset' : 'end';
        this.socket.end();
      }),
    );
    this.socket.once('error', () => {
      this.ending = 'reset';
    });
  }

  async reads(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.text);
      if (match !== null) return match;
      await once(this.socket, 'data');
    }
  }

  async says(line: string, answer: RegExp): Promise<RegExpExecArray> {
    this.text = '';
    this.socket.write(`${line}\r\n`);
    return this.reads(answer);
  }
}

/** Greets, and answers EPSV and a RETR that never ends. */
async function endlessFtp(test: TestContext): Promise<Endpoint> {
  const data = await listenTcp(test, (socket) => {
    const more = () => {
      while (!socket.destroyed && socket.write(Buffer.alloc(16_384))) {}
    };
    socket.on('drain', more).resume();
    more();
  });
  return listenTcp(test, (socket) => {
    socket.write('220 ready\r\n');
    socket.on('end', () => socket.end());
    socket.on('data', (line) => {
      const verb = line.toString().trim().split(' ')[0];
      if (verb === 'EPSV') socket.write(`229 Entering Extended Passive Mode (|||${data.port}|)\r\n`);
      else if (verb === 'RETR') socket.write('150 here it comes\r\n');
      else socket.write('200 fine\r\n');
    });
  });
}

function openThings(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) {
    if (/^(TCP|Timeout)/.test(kind)) counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

it.for(ENGINES)(
  'by %s, reconnects many times while clients work, and leaves nothing behind',
  {
    timeout: 120_000,
  },
  async (engine, test) => {
    const cycles = CYCLES[engine];
    const ssh = await startSshServer();
    test.onTestFinished(() => ssh.close());
    const ftpServer = await endlessFtp(test);
    const popServer = await listenTcp(test, (socket) => {
      socket.write('+OK ready\r\n');
      socket.on('end', () => socket.end()).resume();
    });
    const echo = await listenTcp(test, (socket) => socket.pipe(socket));

    const supervisor = new SshSupervisor(
      (signal) => connectBy(engine, ssh.port, {}, { signal }),
      { host: 'yourserver', connectTimeout: 10, connectionAttempts: 1, session: false },
      silentLog,
      // Below what chance can be: the delays shrink to nothing, and the test to seconds.
      () => -1,
    );
    const tcp = pluginNamed('tcp') as AnyPlugin;
    const forward = (plugin: AnyPlugin, target: Endpoint): ForwardSpec => ({
      name: plugin.name,
      direction: 'local',
      plugin,
      pluginConfig: plugin.schema.parse({}),
      server: 'yourserver',
      bind: { host: '127.0.0.1', port: 0 },
      target,
    });
    const gateway = new Gateway({
      transports: new Map([['yourserver', supervisor]]),
      local: new DirectTransport(),
      forwards: [
        forward(ftp, ftpServer),
        forward(pop3, popServer),
        forward(tcp, echo),
        { ...forward(tcp, echo), name: 'remote', direction: 'remote' },
      ],
      log: silentLog,
    });
    const at: Record<string, Endpoint> = {};
    gateway.events.on('forward.listening', ({ forward, endpoint }) => {
      at[forward] = endpoint;
    });
    const back: number[] = [];
    let lost = 0;
    gateway.events.on('transport.state', ({ state }) => {
      if (state === 'backoff') lost = performance.now();
      if (state === 'ready' && lost > 0) back.push(performance.now() - lost);
    });
    await gateway.start();
    test.onTestFinished(() => gateway.stop());
    const ends = at as { ftp: Endpoint; pop3: Endpoint; tcp: Endpoint; remote: Endpoint };

    const counts = { reset: 0, told421: 0, toldErr: 0, waited: 0, remote: 0 };
    let before: Record<string, number> | null = null;
    for (let cycle = 1; cycle <= cycles; cycle++) {
      const control = new Client(ends.ftp);
      await control.reads(/^220/);
      const [, port] = await control.says('EPSV', /\(\|\|\|(\d+)\|\)/);
      const data = new Client({ host: '127.0.0.1', port: Number(port) });
      await control.says('RETR endless', /^150/);
      await data.reads(/\0/);
      const mail = new Client(ends.pop3);
      await mail.reads(/^\+OK/);
      const other = new Client(ends.tcp);
      await other.says('hello', /hello/);

      ssh.killConnections(cycle % 2 === 0 ? 'reset' : 'fin');
      await vi.waitFor(() => expect(supervisor.state).not.toBe('ready'), { interval: 1 });
      // Comes while there is no connection, and is served when there is one again.
      const early = new Client(ends.pop3);
      await Promise.all([control, data, mail, other].map(({ closed }) => closed));
      expect(data.ending).toBe('reset');
      counts.reset += 1;
      expect(other.ending).toBe('reset');
      expect(control.text).toMatch(/421 [^\r\n]+\r\n$/);
      expect(control.ending).toBe('end');
      counts.told421 += 1;
      expect(mail.text).toMatch(/^-ERR \[SYS\/TEMP\] [^\r\n]+\r\n$/m);
      expect(mail.ending).toBe('end');
      counts.toldErr += 1;
      await early.reads(/^\+OK/);
      counts.waited += 1;
      early.socket.destroy();

      await vi.waitFor(() => expect(ssh.listeners).toBe(1));
      const fromThere = new Client(ends.remote);
      await fromThere.says('hello', /hello/);
      counts.remote += 1;
      fromThere.socket.destroy();

      await vi.waitFor(() => expect([gateway.sessions, ssh.channels, ssh.connections]).toEqual([0, 0, 1]));
      await turn();
      const now = openThings();
      if (cycle === 2) before = now;
      if (cycle === cycles) {
        await vi.waitFor(() => expect(openThings()).toEqual(before));
        process.stdout.write(
          `reconnect: ${JSON.stringify({ engine, cycles, ...counts, backInMs: spread(back), open: openThings() })}\n`,
        );
      }
    }
    expect(back).toHaveLength(cycles);
  },
);

function spread(values: number[]): string {
  const sorted = [...values].sort((a, b) => a - b).map(Math.round);
  return `${sorted[0]} to ${sorted.at(-1)}, median ${sorted[sorted.length >> 1]}`;
}

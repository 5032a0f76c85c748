import { once } from 'node:events';
import net from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import type { TestContext } from 'vitest';
import type { Endpoint } from '../../../src/core/endpoint.ts';
import type { Logger } from '../../../src/core/log.ts';
import { SshPool } from '../../../src/core/ssh/link/pool.ts';
import { SshSupervisor } from '../../../src/core/ssh/link/supervisor.ts';
import type { ManagedTransport } from '../../../src/core/transport.ts';
import type { RawSshConnection } from '../raw-ssh/connection.ts';
import { newHostKey } from '../raw-ssh/host-key.ts';
import { exchangeKeys } from '../raw-ssh/key-exchange.ts';
import { startRawSshServer } from '../raw-ssh/server.ts';
import { letIn, serve } from '../raw-ssh/steps.ts';
import { connectTo } from '../ssh-login.ts';
import { playClient } from './ftp-client.ts';
import { HostileFtpServer, politeFtpServer, wholeFile } from './ftp-server.ts';
import { Scene } from './scene.ts';
import { HostileSshConnection } from './ssh-server.ts';

/**
 * How long a session may take to end once its client and its FTP server have gone, in milliseconds.
 * If the SSH server keeps the channels open, they are closed; if it has stopped talking, it is cut.
 */
const CHANNELS_END = 300;
const CONNECTION_ENDS = 600;
/** Longer than every grace that a session without its client has. */
const OVERDUE = 70_000;

const hostKey = newHostKey();

/** How a session ended: by itself, when its channels were closed, or when SSH was cut. */
export type End = 'by itself' | 'channels closed' | 'SSH cut' | 'never';

/**
 * One forward of the gateway with an SSH server and an FTP server of its own. It plays one random
 * session after another, so that a fault is the fault of one seed.
 */
export class Lane {
  readonly name: string;
  /** The network behind the SSH server. */
  readonly transport: ManagedTransport;
  /** Where the FTP server listens. */
  readonly target: Endpoint;
  /** Where the SSH server listens. */
  readonly sshPort: number;
  /** How many sessions the gateway has in this lane. */
  sessions = 0;
  readonly #ssh: Set<HostileSshConnection>;
  readonly #now: { scene: Scene; controls: number; polite: boolean };

  private constructor(
    name: string,
    parts: Pick<Lane, 'transport' | 'target' | 'sshPort'> & {
      ssh: Set<HostileSshConnection>;
      now: { scene: Scene; controls: number; polite: boolean };
    },
  ) {
    this.name = name;
    this.transport = parts.transport;
    this.target = parts.target;
    this.sshPort = parts.sshPort;
    this.#ssh = parts.ssh;
    this.#now = parts.now;
  }

  /** `dataConnections`: SSH connections for bulk data beside the main one. */
  static async start(
    test: Pick<TestContext, 'onTestFinished'>,
    name: string,
    { log, dataConnections }: { log: Logger; dataConnections: number },
  ): Promise<Lane> {
    const now = { scene: new Scene(0), controls: 0, polite: true };
    const ssh = new Set<HostileSshConnection>();
    const script = async (connection: RawSshConnection) => {
      await exchangeKeys(connection, { hostKey });
      await letIn(connection);
      const hostile = new HostileSshConnection(connection, hostKey);
      hostile.begin(now.polite ? null : now.scene);
      ssh.add(hostile);
      void connection.closed.then(() => ssh.delete(hostile));
      await serve(connection, hostile.handlers);
    };
    const raw = await startRawSshServer(test, script, { keepClosed: false });
    const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      if (now.polite) return politeFtpServer(socket, now.scene);
      now.controls += 1;
      new HostileFtpServer(socket, now.scene, `server${now.controls}`);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    test.onTestFinished(() => {
      now.scene.close();
      server.close();
    });
    const one = () =>
      new SshSupervisor(
        (signal) => connectTo(raw.port, {}, { signal }),
        { host: name, connectTimeout: 10, connectionAttempts: 1, session: false },
        log,
        () => 0,
      );
    const transport = new SshPool(one(), { another: one, size: () => dataConnections, log });
    const target = { host: '127.0.0.1', port: (server.address() as net.AddressInfo).port };
    return new Lane(name, { transport, target, sshPort: raw.port, ssh, now });
  }

  /** Channels that the gateway has not closed. */
  get channels(): number {
    return [...this.#ssh].reduce((sum, connection) => sum + connection.unclosed, 0);
  }

  /**
   * Plays the session of `seed`; resolves with its scene and its end, once nothing of it is left or
   * it is overdue.
   */
  async play(seed: number, to: Endpoint): Promise<{ scene: Scene; end: End }> {
    const scene = this.#begin(seed, false);
    const dice = scene.dice('lane');
    const clients = dice.chance(0.25) ? 2 : 1;
    await Promise.all(Array.from({ length: clients }, (_, i) => playClient(scene, `client${i + 1}`, to)));
    scene.end(dice.chance(0.2));
    const end = await this.#over();
    if (end === 'never') scene.faults.push(`${this.sessions} sessions are left`);
    for (const connection of this.#ssh) {
      if (connection.isStuck) connection.reset();
      else connection.endChannels();
    }
    if (!(await this.#until(5000, () => this.channels === 0)))
      scene.faults.push(`${this.channels} channels were not closed`);
    scene.close();
    return { scene, end };
  }

  /** Downloads a file as an ordinary client; resolves with whether it was right. */
  async downloads(to: Endpoint): Promise<boolean> {
    const scene = this.#begin(0, true);
    try {
      return await scene.within(15_000, download(scene, to), false);
    } finally {
      scene.close();
      await this.#until(5000, () => this.sessions === 0 && this.channels === 0);
    }
  }

  #begin(seed: number, polite: boolean): Scene {
    const scene = new Scene(seed);
    Object.assign(this.#now, { scene, controls: 0, polite });
    for (const connection of this.#ssh) connection.begin(polite ? null : scene);
    return scene;
  }

  async #over(): Promise<End> {
    // Connections that were made are accepted in these turns.
    for (let i = 0; i < 3; i++) await turn();
    const over = () => this.sessions === 0;
    if (await this.#until(CHANNELS_END, over)) return 'by itself';
    for (const connection of this.#ssh) connection.endChannels();
    if (await this.#until(CONNECTION_ENDS, over)) return 'channels closed';
    // The session may have waited for an SSH connection that only comes now.
    const cut = () => {
      for (const connection of this.#ssh) connection.reset();
      return over();
    };
    return (await this.#until(OVERDUE, cut)) ? 'SSH cut' : 'never';
  }

  async #until(ms: number, check: () => boolean): Promise<boolean> {
    const since = performance.now();
    while (!check()) {
      if (performance.now() - since > ms) return false;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return true;
  }
}

const FILE = 100_000;

async function download(scene: Scene, to: Endpoint): Promise<boolean> {
  const control = await scene.dial(to);
  if (control === null) return false;
  let text = '';
  const reply = (code: string) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (!new RegExp(`^${code} `, 'm').test(text)) return;
        control.off('data', look);
        resolve();
      };
      control.on('data', look);
      look();
    });
  control.on('data', (chunk) => {
    text += chunk;
  });
  await reply('220');
  control.write('USER a\r\n');
  await reply('230');
  control.write('EPSV\r\n');
  await reply('229');
  const port = Number(/\(\|\|\|(\d+)\|\)/.exec(text)?.[1]);
  const data = await scene.dial({ host: to.host, port });
  if (data === null) return false;
  control.write(`RETR ${FILE}\r\n`);
  const bytes = Buffer.concat(await data.toArray());
  data.end();
  await reply('226');
  control.end();
  return bytes.equals(wholeFile(FILE));
}

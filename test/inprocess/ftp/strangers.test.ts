import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, it, type TestContext } from 'vitest';
import { PortRange } from '../../../src/ftp/data/port-range.ts';
import type { FtpConfig } from '../../../src/ftp/plugin.ts';
import { KERNELS, ownUserOnly } from '../../support/admission.ts';
import { startFtp } from '../../support/gateway.ts';
import { RawClient } from '../../support/raw-client.ts';
import { ScriptedFtpServer, type Stored, serveAll } from '../../support/scripted-ftp-server.ts';
import { canBeAnother, type Intrusion, Stranger } from '../../support/stranger.ts';

type Test = Pick<TestContext, 'onTestFinished'>;

/** How often each attack is tried; CONTRIBUTING.md has the long run. */
const TRIES = Number(process.env.SSHFERRY_TRIES ?? 3);
const TIMEOUT = 60_000 + TRIES * 3000;

if (!canBeAnother) console.warn('SKIPPED: to connect as another user takes Linux and root');
// CI fails if it cannot run this, so that the skip does not pass for a success.
const asRoot = describe.skipIf(!canBeAnother && process.env.CI !== 'true');

const FOREIGN = 'FOREIGN';
const OWN = 'own bytes';
/** What a stranger does once it has sent its bytes. */
const ENDS: readonly Intrusion['end'][] = ['close', 'reset', 'half-close', 'hold'];

/** A client, and a stranger who knows each of its data ports as soon as there is one. */
async function setUp(test: Test, kernel: (typeof KERNELS)[number], config: Partial<FtpConfig> = {}) {
  const server = await ScriptedFtpServer.start(test);
  const stored: Stored[] = [];
  let beforeBegin: () => Promise<unknown> = async () => {};
  serveAll(server, { onStored: (upload) => stored.push(upload), beforeBegin: () => beforeBegin() });
  const target = { host: server.host, port: server.port };
  const [gateway, stranger] = await Promise.all([
    startFtp(test, { target, config, admission: ownUserOnly(kernel) }),
    Stranger.start(test),
  ]);
  const client = await RawClient.connect(test, gateway.endpoint);
  await client.reply();
  /** Why transfers failed. */
  const errors = () =>
    gateway.happenings.flatMap(([event, data]) =>
      event === 'transfer.end' && data.error ? [data.error] : [],
    );
  /**
   * Asks for a data port and begins a transfer; `before` runs while the client waits for 150.
   * Resolves with the port.
   */
  const begin = async (command: string, before: (port: number) => Promise<unknown> = async () => {}) => {
    const { port } = await client.passive();
    beforeBegin = () => before(port);
    expect(await client.command(command)).toMatch(/^150 /);
    return port;
  };
  /** Settles when `before` has run, for the transfer that any client begins next. */
  const interrupt = (before: (port: number) => Promise<unknown>) =>
    new Promise<void>((resolve) => {
      beforeBegin = async () => {
        const [, data] = [...gateway.network.listeners];
        await before(data?.endpoint.port ?? 0);
        resolve();
      };
    });
  return {
    client,
    stranger,
    stored,
    begin,
    interrupt,
    errors,
    gatewayPort: gateway.endpoint.port,
    warnings: gateway.warnings,
  };
}

/** Connects, sends and closes as fast as it can. Settles when the socket is closed. */
function putQuickly(port: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port }, () => socket.write(OWN, () => socket.destroy()));
    socket.on('error', () => {}).on('close', () => resolve());
  });
}

const FOREIGN_ONLY =
  /only connections came that are not the client's: of other users \(LocalUsers\) or addresses$/;
const AMBIGUOUS = expect.stringContaining(
  'several connections were closed before their owner could be looked up; none is taken',
);

const texts = (stored: readonly Stored[]) => stored.map(({ bytes }) => bytes.toString());

asRoot.each(KERNELS)('another user at a data port, on %s', (kernel) => {
  /** Lets the stranger in at a port, if it gets in; it must never receive anything. */
  const intrude = async (stranger: Stranger, port: number, end: Intrusion['end']) => {
    const { got } = await stranger.intrude({ port, bytes: FOREIGN, end });
    expect(got).toBe('');
  };

  describe.each(ENDS)('who connects, sends, and then %s', (end) => {
    it('does not disturb a client that connects afterwards', { timeout: TIMEOUT }, async (test) => {
      const { client, stranger, stored, begin } = await setUp(test, kernel);
      for (let i = 0; i < TRIES; i++) {
        const port = await begin('STOR f', (at) => intrude(stranger, at, end));
        const data = await client.data({ host: '127.0.0.1', port });
        data.end(OWN);
        expect(await client.reply()).toBe('226 stored');
        data.destroy();
      }
      expect(texts(stored)).toEqual(Array.from({ length: TRIES }, () => OWN));
    });

    it('does not disturb a client that connects at the same time', { timeout: TIMEOUT }, async (test) => {
      const { client, stranger, stored, begin } = await setUp(test, kernel);
      for (let i = 0; i < TRIES; i++) {
        let intruded: Promise<void> | undefined;
        const port = await begin('STOR f', async (at) => {
          intruded = intrude(stranger, at, end);
        });
        const data = await client.data({ host: '127.0.0.1', port });
        data.end(OWN);
        expect(await client.reply()).toBe('226 stored');
        data.destroy();
        await intruded;
      }
      expect(texts(stored)).toEqual(Array.from({ length: TRIES }, () => OWN));
    });

    it.for(['before', 'with', 'after'])(
      'puts no byte into the file of a client that closes at once, %s it',
      { timeout: TIMEOUT },
      async (position, test) => {
        const { client, stranger, stored, begin, errors } = await setUp(test, kernel);
        const replies: string[] = [];
        for (let i = 0; i < TRIES; i++) {
          let intruded: Promise<void> | undefined;
          const port = await begin('STOR f', async (at) => {
            if (position === 'before') await intrude(stranger, at, end);
            else if (position === 'with') intruded = intrude(stranger, at, end);
          });
          await putQuickly(port);
          if (position === 'after') intruded = intrude(stranger, port, end);
          replies.push(await client.reply());
          await intruded;
        }
        for (const reply of replies) expect(reply).toMatch(/^(226|426) /);
        for (const error of errors())
          expect(error).toMatchObject({ code: 'DATA_REFUSED', message: AMBIGUOUS });
        const complete = stored.filter((upload) => upload.complete);
        expect(texts(complete)).toEqual(replies.filter((reply) => reply === '226 stored').map(() => OWN));
        // Nor into one that was refused.
        expect(texts(stored).join('')).not.toContain(FOREIGN.slice(0, 1));
      },
    );

    it('reads no byte of a file', { timeout: TIMEOUT }, async (test) => {
      const { client, stranger, begin } = await setUp(test, kernel);
      for (let i = 0; i < TRIES; i++) {
        const port = await begin('RETR 1000', (at) => intrude(stranger, at, end));
        const data = await client.data({ host: '127.0.0.1', port });
        const { bytes, ending } = await data.rest();
        data.end();
        expect([bytes.length, ending]).toEqual([1000, 'eof']);
        expect(await client.reply()).toBe('226 done');
      }
    });
  });

  it('who connects constantly to the only data port does not disturb a client', {
    timeout: TIMEOUT,
  }, async (test) => {
    const port = await freePort();
    const config = { dataPorts: new PortRange(port, port) };
    const { client, stranger, stored, begin, warnings } = await setUp(test, kernel, config);
    stranger.flood({ port, bytes: FOREIGN, end: 'close', gap: 1 });
    for (let i = 0; i < TRIES; i++) {
      expect(await begin('STOR f')).toBe(port);
      const data = await client.data({ host: '127.0.0.1', port });
      data.end(OWN);
      expect(await client.reply()).toBe('226 stored');
      data.destroy();
    }
    expect(texts(stored)).toEqual(Array.from({ length: TRIES }, () => OWN));
    // One line for each transfer at most, and one in a minute for all others.
    expect(warnings.length).toBeLessThan(TRIES + 3);
  });

  it('who connects while the client is stopped is not admitted, however long that takes', async (test) => {
    const { stranger, stored, gatewayPort, interrupt } = await setUp(test, kernel);
    const file = new URL('../../support/quick-client.mjs', import.meta.url).pathname;
    const args = [file, String(gatewayPort), '1', 'after', '9', 'patient'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    test.onTestFinished(() => void child.kill('SIGKILL'));
    const output = once(child.stdout, 'data');
    await interrupt(async (port) => {
      child.kill('SIGSTOP');
      await intrude(stranger, port, 'close');
    });
    // Ten times as long as the stranger would be held if the client had read the 150.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(stored).toEqual([]);
    child.kill('SIGCONT');
    expect(JSON.parse(String(await output))).toMatchObject({ failed: [] });
    expect(texts(stored)).toEqual(['0'.repeat(9)]);
  });

  it.for(['reset', 'hold'] as const)(
    'is the reason that a client that never connects gets soon (%s)',
    async (end, test) => {
      const { client, stranger, begin, errors } = await setUp(test, kernel);
      const begun = performance.now();
      await begin('STOR f', (at) => intrude(stranger, at, end));
      expect(await client.reply()).toMatch(/^426 /);
      // The time allowed for a client to connect is 60 s.
      expect(performance.now() - begun).toBeLessThan(20_000);
      // One that is reset may have been looked up before that.
      const words =
        end === 'reset' ? /: (the connection was reset before|only connections came)/ : FOREIGN_ONLY;
      expect(errors()).toMatchObject([{ code: 'DATA_REFUSED', message: expect.stringMatching(words) }]);
    },
  );
});

/** A port that no program holds now. */
async function freePort(): Promise<number> {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  return port;
}

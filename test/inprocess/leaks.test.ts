import { expect, it } from 'vitest';
import { activeResources, eventually, startFtp, TRANSPORTS } from '../support/gateway.ts';
import { memoryInUse } from '../support/memory.ts';
import { RawClient } from '../support/raw-client.ts';
import { listenData, ScriptedFtpServer, serveAll } from '../support/scripted-ftp-server.ts';
import { Wire } from '../support/wire.ts';

const CONTROL_CONNECTIONS = 100;
const TRANSFERS_EACH = 10;
const MiB = 1024 * 1024;

it.for(TRANSPORTS.filter((transport) => transport !== 'direct'))(
  'over %s, leaves nothing behind after 2 clients, 100 control connections, 1,000 transfers, and failures between them',
  {
    timeout: 120_000,
  },
  async (transport, test) => {
    const server = await ScriptedFtpServer.start(test);
    const stored: number[] = [];
    serveAll(server, { onStored: ({ bytes }) => stored.push(bytes.length) });
    const before = activeResources();
    const gateway = await startFtp(test, {
      transport,
      dataConnections: 1,
      target: { host: server.host, port: server.port },
    });
    let complete = 0;

    const connect = async () => {
      const client = await RawClient.connect(test, gateway.endpoint);
      expect(await client.reply()).toBe('220 ready');
      expect(await client.command('USER a')).toMatch(/^2/);
      return client;
    };

    const passive = async (client: RawClient, command: string, verb: 'PASV' | 'EPSV', bytes: number) => {
      const data = await client.data(await client.passive(verb));
      await transfer(client, command, bytes, async () => data);
    };

    const active = async (client: RawClient, command: string, bytes: number) => {
      const listening = await listenData(test, '127.0.0.1');
      expect(await client.command(`EPRT |1|127.0.0.1|${listening.port}|`)).toMatch(/^200 /);
      await transfer(client, command, bytes, async () => new Wire(await listening.accept()));
      listening.close();
    };

    const transfer = async (client: RawClient, command: string, bytes: number, open: () => Promise<Wire>) => {
      client.send(command);
      const data = await open();
      expect(await client.reply()).toMatch(/^150 /);
      if (command.startsWith('STOR')) data.end(Buffer.alloc(bytes));
      const { bytes: received, ending } = await data.rest();
      data.end();
      expect([received.length, ending]).toEqual([command.startsWith('STOR') ? 0 : bytes, 'eof']);
      expect(await client.reply()).toMatch(/^226 /);
      complete += 1;
    };

    /** A transfer refused, a port not connected to, a port superseded, a download hung up on. */
    const mishaps = async (client: RawClient) => {
      const refused = await client.data(await client.passive('EPSV'));
      expect(await client.command('RETR nothing')).toMatch(/^550 /);
      refused.destroy();
      await client.passive('PASV');
      await client.passive('EPSV');
      const hungUp = await client.data(await client.passive('PASV'));
      expect(await client.command('RETR 300000')).toMatch(/^150 /);
      await hungUp.take(1);
      hungUp.destroy();
      expect(await client.reply()).toMatch(/^(226|426) /);
    };

    /** Ends the session as politely as `i` says. */
    const leave = async (client: RawClient, i: number) => {
      switch (i % 5) {
        case 0:
          await client.passive('EPSV');
          return client.control.reset();
        case 1: {
          const data = await client.data(await client.passive('EPSV'));
          await client.command('RETR 300000');
          client.control.destroy();
          await data.ended();
          return data.destroy();
        }
        case 2:
          await client.passive('PASV');
          return client.control.end();
        default:
          expect(await client.command('QUIT')).toMatch(/^221 /);
          return client.control.end();
      }
    };

    const useFully = async (i: number) => {
      const client = await connect();
      for (let n = 0; n < TRANSFERS_EACH; n++) {
        const verb = n % 2 === 0 ? 'EPSV' : 'PASV';
        if (n === 4) await active(client, 'RETR 1000', 1000);
        else if (n === 5) await active(client, 'STOR f', 1000);
        else if (n % 3 === 0) await passive(client, 'STOR f', verb, n * 1000);
        else await passive(client, `RETR ${n * 1000}`, verb, n * 1000);
      }
      await mishaps(client);
      await leave(client, i);
    };

    const person = async (connections: number) => {
      for (let i = 0; i < connections; i++) await useFully(i);
    };

    const nothingOpen = () =>
      eventually(() => {
        expect({
          sessions: gateway.gateway.sessions,
          streams: gateway.network.streams.size,
          listeners: gateway.network.listeners.size,
          channels: gateway.ssh?.channels,
          connections: gateway.ssh?.connections,
        }).toEqual({ sessions: 0, streams: 0, listeners: 1, channels: 0, connections: 2 });
      });

    // One connection creates what is made only once, such as the resources of a name lookup.
    await useFully(0);
    await nothingOpen();
    const atRest = activeResources();
    const memoryAtRest = memoryInUse();
    complete = 0;

    await Promise.all([person(CONTROL_CONNECTIONS / 2), person(CONTROL_CONNECTIONS / 2)]);
    expect(complete).toBe(CONTROL_CONNECTIONS * TRANSFERS_EACH);
    await nothingOpen();
    await eventually(() => expect(moreThan(atRest)).toEqual({}));
    // The test's own ends keep what they received and did not take, 30 MB in all.
    const memory = memoryInUse();
    expect(memory.heap - memoryAtRest.heap).toBeLessThan(50 * MiB);
    expect(memory.resident - memoryAtRest.resident).toBeLessThan(150 * MiB);
    const ended = gateway.happenings.filter(([event]) => event === 'transfer.end').length;
    const started = gateway.happenings.filter(([event]) => event === 'transfer.start').length;
    // Each mishap has a transfer that the server refused before it began.
    expect(ended).toBe(started + CONTROL_CONNECTIONS + 1);

    await gateway.stop();
    await eventually(() => expect(moreThan(before)).toEqual({}));
  },
);

/** Returns the resources of which there are more now. A test before this one may still have ended some. */
function moreThan(before: Record<string, number>): Record<string, number> {
  const now = Object.entries(activeResources());
  return Object.fromEntries(now.filter(([kind, count]) => count > (before[kind] ?? 0)));
}

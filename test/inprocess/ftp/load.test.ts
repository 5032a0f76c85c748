import { describe, expect, it } from 'vitest';
import { agree, anotherSession, begin, ftpSession, openData } from '../../support/ftp-session.ts';
import { eventually, startFtp, TRANSPORTS } from '../../support/gateway.ts';
import { RawClient } from '../../support/raw-client.ts';
import { pattern, ScriptedFtpServer, serveAll } from '../../support/scripted-ftp-server.ts';

const MIB = 1024 * 1024;
/** More than every buffer on the way together. */
const LARGE = 256 * MIB;

describe.each(TRANSPORTS)('over %s', (transport) => {
  it('buffers little of a large file for a client that does not read, and serves others meanwhile', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, gateway } = session;
    const { where, listening } = await agree(session);
    const stalled = await client.unread(where);
    const far = await listening.accept();
    await begin(session, 'RETR large');
    const chunk = Buffer.alloc(MIB);
    let offered = 0;
    const offer = () => {
      while (offered < LARGE && far.write(chunk)) offered += chunk.length;
    };
    far.on('drain', offer);
    offer();
    await eventually(() => expect(gateway.network.unsent).toBeGreaterThan(0));

    for (let i = 0; i < 3; i++) {
      const fast = { ...session, ...(await anotherSession(test, session)) };
      const { data, far: fastFar } = await openData(fast);
      await begin(fast, 'RETR small');
      fastFar.end(pattern(5 * MIB));
      fast.peer.reply('226 done');
      expect(await fast.client.reply()).toBe('226 done');
      expect((await data.rest()).bytes.length).toBe(5 * MIB);
    }
    expect(stalled.bytesRead).toBeLessThan(MIB);
    expect(gateway.network.unsent).toBeLessThan(4 * MIB);
    // What the server got rid of is in the kernel's buffers and ours; the rest is still with the
    // server.
    expect(offered).toBeLessThan(64 * MIB);
    stalled.destroy();
    await eventually(() => expect(gateway.network.unsent).toBe(0));
  });

  it('reads a large upload no faster than the server does', async (test) => {
    const session = await ftpSession(test, { transport });
    const { data, far } = await openData(session);
    await begin(session, 'STOR large');
    const chunk = Buffer.alloc(MIB);
    let offered = 0;
    const offer = () => {
      while (offered < LARGE && data.socket.write(chunk)) offered += chunk.length;
    };
    data.socket.on('drain', offer);
    offer();
    const fast = { ...session, ...(await anotherSession(test, session)) };
    const beside = await openData(fast);
    await begin(fast, 'RETR small');
    beside.far.end(pattern(20 * MIB));
    fast.peer.reply('226 done');
    expect(await fast.client.reply()).toBe('226 done');
    expect(far.bytesRead).toBeLessThan(MIB);
    expect(offered).toBeLessThan(64 * MIB);
  });

  it('reads no more commands from a client that does not read the replies', async (test) => {
    const { client, gateway } = await ftpSession(test, { transport });
    client.control.socket.pause();
    const commands = Buffer.from('AUTH TLS\r\n'.repeat(MIB / 10));
    let offered = 0;
    const offer = () => {
      while (offered < LARGE && client.control.socket.write(commands)) offered += commands.length;
    };
    client.control.socket.on('drain', offer);
    offer();
    // Each of these is answered here, with eight times as many bytes.
    await eventually(() => expect(gateway.network.unsent).toBeGreaterThan(0));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(gateway.network.unsent).toBeLessThan(4 * MIB);
    expect(offered).toBeLessThan(16 * MIB);
  });

  it('serves 200 sessions at once', async (test) => {
    const server = await ScriptedFtpServer.start(test);
    serveAll(server);
    const gateway = await startFtp(test, { transport, target: { host: server.host, port: server.port } });
    const clients = await Promise.all(
      Array.from({ length: 200 }, () => RawClient.connect(test, gateway.endpoint)),
    );
    await Promise.all(clients.map((client) => client.reply()));
    expect(gateway.gateway.sessions).toBe(200);
    const lengths = await Promise.all(
      clients.map(async (client, i) => {
        const data = await client.data(await client.passive());
        expect(await client.command(`RETR ${10_000 + i}`)).toMatch(/^150 /);
        const { bytes, ending } = await data.rest();
        data.end();
        expect(ending).toBe('eof');
        expect(await client.reply()).toMatch(/^226 /);
        return bytes.length;
      }),
    );
    expect(lengths).toEqual(clients.map((_, i) => 10_000 + i));
    for (const client of clients) client.control.end();
    await eventually(() => expect(gateway.gateway.sessions).toBe(0));
    expect(gateway.network.listeners.size).toBe(1);
  });
});

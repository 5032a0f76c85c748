import { describe, expect, it } from 'vitest';
import { PortRange } from '../../../src/ftp/data/port-range.ts';
import { agree, anotherSession, begin, type FtpSession, ftpSession } from '../../support/ftp-session.ts';
import { eventually } from '../../support/gateway.ts';
import { listenAt, someLowPort } from '../../support/listen-at.ts';
import { Wire } from '../../support/wire.ts';

type Session = Pick<FtpSession, 'client' | 'peer'>;

/** The first of `count` consecutive ports that are free now. */
async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = someLowPort();
    const servers = await Promise.all(
      Array.from({ length: count }, (_, i) => listenAt('127.0.0.1', first + i)),
    );
    for (const server of servers) server?.close();
    if (servers.every((server) => server !== null)) return first;
  }
}

/** A whole download through the port that was told. */
async function download({ client, peer }: Session, at: Awaited<ReturnType<typeof agree>>): Promise<void> {
  const data = await client.data(at.where);
  const far = await at.listening.accept();
  await begin({ client, peer }, 'RETR f');
  far.end('file').resume();
  peer.reply('226 done');
  expect(await client.reply()).toBe('226 done');
  expect((await data.rest()).bytes.toString()).toBe('file');
  data.end();
}

describe('FtpDataPorts', () => {
  it('advertises only ports of the range, reports when none is free, and reuses them', async (test) => {
    const first = await freePorts(2);
    const config = { dataPorts: new PortRange(first, first + 1) };
    const one = await ftpSession(test, { config });
    const two = { ...one, ...(await anotherSession(test, one)) };
    const three = { ...one, ...(await anotherSession(test, one)) };
    const [a, b] = [await agree(one, 'PASV'), await agree(two, 'EPSV')];
    expect([a.where.port, b.where.port]).toEqual([first, first + 1]);

    three.client.send('PASV');
    await three.peer.passive();
    expect(await three.client.reply()).toBe(
      `425 sshferry: no data port is free in ${first}-${first + 1}; widen FtpDataPorts or try again`,
    );
    three.client.send('NOOP');
    await three.peer.expect('NOOP', '200 noop');
    expect(await three.client.reply()).toBe('200 noop');

    await download(one, a);
    const again = await agree(three, 'PASV');
    expect(again.where.port).toBe(first);
    await download(three, again);
    await download(two, b);
  });

  it('uses the next port even if the last is free, so that the last one rests', async (test) => {
    const first = await freePorts(3);
    const session = await ftpSession(test, { config: { dataPorts: new PortRange(first, first + 2) } });
    const told: number[] = [];
    for (let i = 0; i < 4; i++) {
      const at = await agree(session);
      told.push(at.where.port);
      await download(session, at);
    }
    expect(told).toEqual([first, first + 1, first + 2, first]);
  });
});

describe('FtpAdvertise', () => {
  it('is the address in a 227; a 229 has only the port', async (test) => {
    const session = await ftpSession(test, { config: { advertise: '192.0.2.7' } });
    const passive = await agree(session, 'PASV');
    expect(passive.where.host).toBe('192.0.2.7');
    await download(session, {
      ...passive,
      where: { host: session.gateway.endpoint.host, port: passive.where.port },
    });
    await download(session, await agree(session, 'EPSV'));
  });
});

describe('over IPv6', () => {
  it.for(['127.0.0.1', '::1'])('a port advertised by PASV answers at %s', async (host, test) => {
    const session = await ftpSession(test, { listen: '::1' });
    const passive = await agree(session, 'PASV');
    expect(passive.where.host).toBe('127.0.0.1');
    await download(session, { ...passive, where: { host, port: passive.where.port } });
    await eventually(() => expect(session.gateway.network.listeners.size).toBe(1));
  });

  it('EPSV is served at the address of the control connection alone', async (test) => {
    const session = await ftpSession(test, { listen: '::1' });
    const extended = await agree(session, 'EPSV');
    expect(extended.where.host).toBe('::1');
    await expect(session.client.data({ ...extended.where, host: '127.0.0.1' })).rejects.toThrow(
      'ECONNREFUSED',
    );
    await download(session, extended);
  });
});

describe('FtpIdleTimeout', () => {
  it('ends an idle session with 421', async (test) => {
    const { client, peer, gateway } = await ftpSession(test, { config: { idleTimeout: 0.2 } });
    expect(await client.reply()).toBe('421 sshferry: nothing was said for 0.2 s');
    expect(await client.control.ended()).toBe('eof');
    expect(await peer.control.ended()).toBe('ECONNRESET');
    client.control.end();
    expect(await gateway.happened('session.end')).toMatchObject({ error: { code: 'SESSION_IDLE' } });
  });

  it('does not count the silence of the control connection during a transfer', async (test) => {
    const session = await ftpSession(test, { config: { idleTimeout: 1 } });
    const { client, peer } = session;
    const at = await agree(session);
    const data = new Wire(await client.unread(at.where));
    const far = await at.listening.accept();
    await begin(session, 'RETR f');
    const begun = Date.now();
    // Longer than the time allowed, with never more than a moment without a byte.
    const dripping = setInterval(() => {
      far.write('.');
      if (Date.now() - begun < 1300) return;
      clearInterval(dripping);
      far.end();
    }, 20);
    test.onTestFinished(() => clearInterval(dripping));
    expect((await data.rest()).ending).toBe('eof');
    peer.reply('226 done');
    expect(await client.reply()).toBe('226 done');
  });
});

it('keeps a session that is idle for longer than the keepalive takes to give up', async (test) => {
  const session = await ftpSession(test, { transport: 'ssh', keepalive: 0.05 });
  const { client, peer, gateway } = session;
  await eventually(() => expect(gateway.ssh?.keepalives).toBeGreaterThan(6));
  client.send('NOOP');
  await peer.expect('NOOP', '200 noop');
  expect(await client.reply()).toBe('200 noop');
  await download(session, await agree(session));
  expect(gateway.ssh?.connections).toBe(1);
});

import type net from 'node:net';
import { describe, expect, it, type TestContext } from 'vitest';
import { agree, begin, ftpSession, type SessionSetup } from '../../support/ftp-session.ts';
import { eventually, TRANSPORTS } from '../../support/gateway.ts';
import { type DataListener, type FtpPeer, listenData, pattern } from '../../support/scripted-ftp-server.ts';
import { dial, Wire } from '../../support/wire.ts';

type Test = Pick<TestContext, 'onTestFinished'>;

const VERBS = ['PORT', 'EPRT'] as const;

function six(port: number): string {
  return `127,0,0,1,${port >> 8},${port & 255}`;
}

function portCommand(verb: (typeof VERBS)[number], port: number): string {
  return verb === 'PORT' ? `PORT ${six(port)}` : `EPRT |1|127.0.0.1|${port}|`;
}

/** A session in which the client listens, has said where, and the server listens in its turn. */
async function activeSession(
  test: Test,
  setup: SessionSetup & { verb?: (typeof VERBS)[number] },
): Promise<Awaited<ReturnType<typeof ftpSession>> & { own: DataListener; listening: DataListener }> {
  const { verb = 'PORT', ...rest } = setup;
  const session = await ftpSession(test, rest);
  const own = await listenData(test, '127.0.0.1');
  session.client.send(portCommand(verb, own.port));
  const listening = await session.peer.passive();
  expect(await session.client.reply()).toBe(`200 ${verb} command successful`);
  return { ...session, own, listening };
}

describe.each(TRANSPORTS)('active mode over %s', (transport) => {
  it.for(VERBS)('%s: carries a download', async (verb, test) => {
    const session = await activeSession(test, { transport, verb });
    const { client, peer, own, listening, gateway } = session;
    const far = await listening.accept();
    expect(own.waiting).toBe(0);
    await begin(session, 'RETR f');
    const data = new Wire(await own.accept());
    far.end(pattern(300_000));
    peer.reply('226 done');
    expect(await client.reply()).toBe('226 done');
    const { bytes, ending } = await data.rest();
    expect([bytes.equals(pattern(300_000)), ending]).toEqual([true, 'eof']);
    expect(peer.commands).toEqual(['EPSV', 'RETR f']);
    expect(await gateway.happened('transfer.end')).toMatchObject({ outcome: 'complete', bytes: 300_000 });
  });

  it.for(VERBS)(
    '%s: carries an upload; connects to the client before the server gets the command',
    async (verb, test) => {
      const session = await activeSession(test, { transport, verb });
      const { client, peer, own, listening, gateway } = session;
      const far = new Wire(await listening.accept());
      client.send('STOR f');
      const data = new Wire(await own.accept());
      data.end(pattern(300_000));
      await peer.expect('STOR f', '150 send it');
      expect(await client.reply()).toBe('150 send it');
      const { bytes, ending } = await far.rest();
      expect([bytes.equals(pattern(300_000)), ending]).toEqual([true, 'eof']);
      far.end();
      peer.reply('226 stored');
      expect(await client.reply()).toBe('226 stored');
      expect(await gateway.happened('transfer.end')).toMatchObject({ outcome: 'complete', bytes: 300_000 });
    },
  );

  it('serves a client that accepts before it reads 150, and one that accepts only after', async (test) => {
    const session = await activeSession(test, { transport });
    const { client, peer, own, listening } = session;
    const far = await listening.accept();
    client.send('RETR first');
    await peer.expect('RETR first', '150 here');
    // Nothing is read from the control connection until the data connection is there.
    const before = new Wire(await own.accept());
    far.end('first');
    peer.reply('226 done');
    expect([await client.reply(), await client.reply()]).toEqual(['150 here', '226 done']);
    expect((await before.rest()).bytes.toString()).toBe('first');
    before.end();

    client.send(portCommand('PORT', own.port));
    const second = await peer.passive();
    expect(await client.reply()).toMatch(/^200 /);
    const secondFar = await second.accept();
    client.send('RETR second');
    await peer.expect('RETR second', '150 here');
    secondFar.end('second');
    // The kernel has taken the connection; the client takes it when it has read 150.
    expect(await client.reply()).toBe('150 here');
    const after = new Wire(await own.accept());
    peer.reply('226 done');
    expect(await client.reply()).toBe('226 done');
    expect((await after.rest()).bytes.toString()).toBe('second');
  });

  it('answers 425 to an upload whose client cannot be reached; the server never sees it', async (test) => {
    const session = await activeSession(test, { transport });
    const { client, peer, own, listening, gateway } = session;
    const far = new Wire(await listening.accept());
    own.close();
    expect(await client.command('STOR f')).toMatch(/^425 sshferry: .*127\.0\.0\.1:\d+.*refused/);
    expect(await far.ended()).toBe('ECONNRESET');
    client.send('NOOP');
    await peer.expect('NOOP', '200 noop');
    expect(await client.reply()).toBe('200 noop');
    expect(peer.commands).toEqual(['EPSV', 'NOOP']);
    await eventually(() => expect(gateway.network.streams.size).toBe(1));
  });

  it('answers 425 to a download whose client cannot be reached, in place of the server’s replies', async (test) => {
    const session = await activeSession(test, { transport });
    const { client, peer, own, listening } = session;
    const far = new Wire(await listening.accept());
    own.close();
    client.send('RETR f');
    await peer.expect('RETR f', '150 here');
    expect(await client.reply()).toMatch(/^425 sshferry: .*127\.0\.0\.1:\d+.*refused/);
    expect(await far.ended()).toBe('ECONNRESET');
    peer.reply('426 broken pipe');
    client.send('NOOP');
    await peer.expect('NOOP', '200 noop');
    expect(await client.reply()).toBe('200 noop');
  });

  it('answers 425 if the server’s port is dead', async (test) => {
    const { client, peer } = await ftpSession(test, { transport });
    const own = await listenData(test, '127.0.0.1');
    client.send(portCommand('PORT', own.port));
    await peer.expect('EPSV', '229 ok (|||1|)');
    await peer.expect('PASV', '502 not known');
    expect(await client.reply()).toMatch(/^425 sshferry: .*:1\b.*refused/);
    expect(own.waiting).toBe(0);
  });

  it('dials only the client itself', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer, gateway } = session;
    const victim = await listenData(test, '127.0.0.2');
    for (const command of [
      `PORT 127,0,0,2,${victim.port >> 8},${victim.port & 255}`,
      `EPRT |1|127.0.0.2|${victim.port}|`,
      'PORT 127,0,0,1,3,255',
      'EPRT |1|10.0.0.1|50000|',
    ]) {
      expect(await client.command(command)).toMatch(/^500 Illegal (PORT|EPRT)/);
    }
    client.send('RETR f');
    await peer.expect('RETR f', '425 no data connection');
    expect(await client.reply()).toBe('425 no data connection');
    expect(peer.commands).toEqual(['RETR f']);
    expect(victim.waiting).toBe(0);
    expect(gateway.warnings).toHaveLength(4);
    expect(gateway.warnings[0]).toMatch(/^PORT names 127\.0\.0\.2:\d+, which is refused$/);
    expect(gateway.network.streams.size).toBe(1);
  });

  it('refuses active mode with FtpActive=refuse', async (test) => {
    const { client, peer } = await ftpSession(test, { transport, config: { active: 'refuse' } });
    expect(await client.command(`PORT ${six(50_000)}`)).toMatch(/^502 .*FtpActive=refuse/);
    client.send('NOOP');
    await peer.expect('NOOP', '200 noop');
    expect(peer.commands).toEqual(['NOOP']);
  });

  it('forgets the client’s port when the client goes back to passive mode', async (test) => {
    const session = await activeSession(test, { transport });
    const { client, peer, own } = session;
    const { where, listening } = await agree(session);
    const data = await client.data(where);
    const far = await listening.accept();
    await begin(session, 'RETR f');
    far.end('passive');
    peer.reply('226 done');
    expect(await client.reply()).toBe('226 done');
    expect((await data.rest()).bytes.toString()).toBe('passive');
    expect(own.waiting).toBe(0);
  });

  it('over IPv6, with EPRT', async (test) => {
    const session = await ftpSession(test, { transport, listen: '::1' });
    const { client, peer } = session;
    const own = await listenData(test, '::1');
    client.send(`EPRT |2|::1|${own.port}|`);
    const listening = await peer.passive();
    expect(await client.reply()).toMatch(/^200 /);
    const far = await listening.accept();
    await begin(session, 'RETR f');
    far.end('six');
    peer.reply('226 done');
    expect(await client.reply()).toBe('226 done');
    expect((await new Wire(await own.accept()).rest()).bytes.toString()).toBe('six');
  });
});

describe.each(TRANSPORTS)('FtpActive=remote-forward over %s', (transport) => {
  /** A session in which the server has been told where to connect. */
  async function remoteSession(test: Test, verb: (typeof VERBS)[number] = 'PORT') {
    const session = await ftpSession(test, { transport, config: { active: 'remote-forward' } });
    const own = await listenData(test, '127.0.0.1');
    session.client.send(portCommand(verb, own.port));
    return { ...session, own, where: await toldPort(session.peer, verb) };
  }

  async function toldPort(peer: FtpPeer, verb: string): Promise<net.TcpNetConnectOpts> {
    const line = await peer.command(verb);
    const [, p1, p2] = /^PORT 127,0,0,1,(\d+),(\d+)$/.exec(line) ?? [];
    const [, port] = /^EPRT \|1\|127\.0\.0\.1\|(\d+)\|$/.exec(line) ?? [];
    return { host: '127.0.0.1', port: port ? Number(port) : Number(p1) * 256 + Number(p2) };
  }

  it.for(VERBS)("%s: carries a download over the server's connection", async (verb, test) => {
    const { client, peer, own, where, gateway } = await remoteSession(test, verb);
    expect(where.port).not.toBe(own.port);
    peer.reply('200 ok');
    expect(await client.reply()).toBe(`200 ${verb} command successful`);
    client.send('RETR f');
    await peer.expect('RETR f', '150 here');
    const far = await dial(where);
    test.onTestFinished(() => void far.destroy());
    expect(await client.reply()).toBe('150 here');
    const data = new Wire(await own.accept());
    far.end(pattern(300_000));
    peer.reply('226 done');
    expect(await client.reply()).toBe('226 done');
    const { bytes, ending } = await data.rest();
    expect([bytes.equals(pattern(300_000)), ending]).toEqual([true, 'eof']);
    data.end();
    far.resume();
    // A listener counts until its connections have ended too.
    if (gateway.ssh) await eventually(() => expect(gateway.ssh?.listeners).toBe(0));
  });

  it('carries an upload and its end', async (test) => {
    const { client, peer, own, where } = await remoteSession(test);
    peer.reply('200 ok');
    await client.reply();
    client.send('STOR f');
    await peer.expect('STOR f', '150 send it');
    const far = await Wire.connect(where);
    test.onTestFinished(() => far.destroy());
    const data = new Wire(await own.accept());
    data.end('all of it');
    const { bytes, ending } = await far.rest();
    expect([bytes.toString(), ending]).toEqual(['all of it', 'eof']);
    far.end();
    peer.reply('226 stored');
    expect([await client.reply(), await client.reply()]).toEqual(['150 send it', '226 stored']);
  });

  it('serves a server that connects before its 200', async (test) => {
    const { client, peer, own, where } = await remoteSession(test);
    const far = await dial(where);
    test.onTestFinished(() => void far.destroy());
    const data = new Wire(await own.accept());
    peer.reply('200 ok');
    expect(await client.reply()).toBe('200 PORT command successful');
    client.send('RETR f');
    await peer.expect('RETR f', '150 here');
    far.end('early');
    peer.reply('226 done');
    expect([await client.reply(), await client.reply()]).toEqual(['150 here', '226 done']);
    expect((await data.rest()).bytes.toString()).toBe('early');
  });

  it('dials only the client itself', async (test) => {
    const { client, peer } = await ftpSession(test, { transport, config: { active: 'remote-forward' } });
    expect(await client.command('PORT 127,0,0,2,200,10')).toMatch(/^500 Illegal PORT/);
    client.send('NOOP');
    expect(await peer.command()).toBe('NOOP');
  });
});

it('answers 425 with the reason if the SSH server refuses to listen', async (test) => {
  const { client, peer } = await ftpSession(test, {
    transport: 'ssh',
    ssh: { allowListen: false },
    config: { active: 'remote-forward' },
  });
  expect(await client.command(`PORT ${six(50_000)}`)).toMatch(/^425 sshferry: .*yourserver/);
  client.send('NOOP');
  expect(await peer.command()).toBe('NOOP');
});

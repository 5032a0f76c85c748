import { networkInterfaces } from 'node:os';
import { describe, expect, it, type TestContext } from 'vitest';
import { deferred } from '../../support/deferred.ts';
import { agree, begin, ftpSession, openData } from '../../support/ftp-session.ts';
import { eventually, TRANSPORTS } from '../../support/gateway.ts';
import { RawClient } from '../../support/raw-client.ts';
import { type DataListener, listenData } from '../../support/scripted-ftp-server.ts';
import { Wire } from '../../support/wire.ts';

/** PORT for a port of 127.0.0.1. */
function portCommand(port: number): string {
  return `PORT 127,0,0,1,${port >> 8},${port & 255}`;
}

/** A whole download over a data connection that both sides have. */
async function carries(
  session: Pick<Awaited<ReturnType<typeof ftpSession>>, 'client' | 'peer'>,
  where: { host: string; port: number },
  listening: DataListener,
): Promise<void> {
  const data = await session.client.data(where);
  const far = await listening.accept();
  await begin(session, 'RETR f');
  far.end('file').resume();
  session.peer.reply('226 done');
  expect(await session.client.reply()).toBe('226 done');
  expect((await data.rest()).bytes.toString()).toBe('file');
}

describe.each(TRANSPORTS)('what strange servers do, over %s', (transport) => {
  it('the ports of EPSV are unreachable, those of PASV are reachable: the client gets the latter from then on', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer, gateway } = session;
    client.send('EPSV');
    await peer.expect('EPSV', '229 ok (|||1|)');
    const listening = await peer.passive();
    await carries(session, client.where(await client.reply()), listening);
    client.send('EPSV');
    const next = await peer.passive();
    await carries(session, client.where(await client.reply()), next);
    expect(peer.commands.filter((command) => command !== 'RETR f')).toEqual(['EPSV', 'PASV', 'PASV']);
    expect(gateway.warnings).toEqual([]);
  });

  it('the same for an active client', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer } = session;
    const own = await listenData(test, '127.0.0.1');
    client.send(portCommand(own.port));
    await peer.expect('EPSV', '229 ok (|||1|)');
    const listening = await peer.passive();
    expect(await client.reply()).toBe('200 PORT command successful');
    const far = await listening.accept();
    await begin(session, 'RETR f');
    far.end('file').resume();
    expect((await new Wire(await own.accept()).rest()).bytes.toString()).toBe('file');
  });

  it('150 to a command that sshferry does not know: sshferry connects to an active client', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer, gateway } = session;
    const own = await listenData(test, '127.0.0.1');
    client.send(portCommand(own.port));
    const listening = await peer.passive();
    await client.reply();
    const far = await listening.accept();
    client.send('XLST -a');
    await peer.expect('XLST -a', '150 here');
    expect(await client.reply()).toBe('150 here');
    peer.reply('226 done');
    far.end('listing').resume();
    const data = new Wire(await own.accept());
    expect((await data.rest()).bytes.toString()).toBe('listing');
    data.end();
    expect(await client.reply()).toBe('226 done');
    expect(await gateway.happened('transfer.end')).toMatchObject({
      verb: 'XLST',
      outcome: 'complete',
      bytes: 7,
    });
  });

  it('226 before 150: the upload begins, and the stored file is complete', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer } = session;
    const { data, far } = await openData(session);
    client.send('STOR f');
    await peer.expect('STOR f', '226 for what was before');
    client.send('NOOP');
    // Behind this the 226 has been read.
    await peer.command('NOOP');
    peer.reply('150 send it');
    expect(await client.reply()).toBe('150 send it');
    data.end('all of it');
    expect((await new Wire(far).rest()).bytes.toString()).toBe('all of it');
    far.end();
    peer.reply('226 stored');
    expect(await client.reply()).toBe('226 stored');
    peer.reply('200 noop');
    expect(await client.reply()).toBe('200 noop');
  });

  it('553- and then 150 to an upload: the upload and the session continue', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer } = session;
    const { data, far } = await openData(session);
    client.send('STOR x');
    await peer.command('STOR x');
    peer.reply('553- ');
    peer.reply('553- Directory excluded (precheck).');
    peer.reply('150 Opening BINARY mode data connection for x.');
    expect(await client.control.line()).toBe('553-');
    expect(await client.control.line()).toBe('553- Directory excluded (precheck).');
    expect(await client.reply()).toMatch(/^150 /);
    data.end('all of it');
    expect((await new Wire(far).rest()).bytes.toString()).toBe('all of it');
    far.end();
    peer.reply('226 stored');
    expect(await client.reply()).toBe('226 stored');
    expect(await client.command('AUTH TLS')).toMatch(/^502 sshferry: /);
    const { where, listening } = await agree(session);
    await carries(session, where, listening);
  });

  it('data, 150 and 226 at once: a client that reads both replies together is not led to', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer } = session;
    const { data, far } = await openData(session);
    client.send('RETR x');
    await peer.command('RETR x');
    far.end('all of it').resume();
    peer.control.write('150 here it comes\r\n226 done\r\n');
    // aria2 and snarf read once for each reply, and drop what is left.
    expect(await client.reply()).toBe('150 here it comes');
    expect((await data.rest()).bytes.toString()).toBe('all of it');
    expect(client.control.buffered).toBe(0);
    data.end();
    expect(await client.reply()).toBe('226 done');
  });

  it('an unsolicited 227: it does not answer the next PASV', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer } = session;
    const trap = await listenData(test, '127.0.0.1');
    const six = `127,0,0,1,${trap.port >> 8},${trap.port & 255}`;
    client.send('CWD x');
    await peer.command('CWD x');
    peer.control.write(`250 ok\r\n227 Entering Passive Mode (${six}).\r\n250-\r\n227 (${six})\r\n250 ok\r\n`);
    expect(await client.reply()).toBe('250 ok');
    expect(await client.reply()).toBe(`250-\n 227 (${six})\n250 ok`);
    const { where, listening } = await agree(session, 'PASV');
    expect(where.port).not.toBe(trap.port);
    await carries(session, where, listening);
    expect(trap.waiting).toBe(0);
  });

  it('it hangs up while PORT is pending as EPSV: the session ends', async (test) => {
    const { client, peer, gateway } = await ftpSession(test, { transport });
    client.send(portCommand(50_000));
    await peer.command('EPSV');
    peer.control.end();
    expect(await client.control.ended()).toBe('eof');
    client.control.end();
    await gateway.happened('session.end');
    expect(await peer.control.ended()).toBe('eof');
  });

  it('it refuses a transfer: the log reports that', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer, gateway } = session;
    await agree(session);
    client.send('RETR nothing');
    await peer.expect('RETR nothing', '550 no such file');
    expect(await client.reply()).toBe('550 no such file');
    const end = await gateway.happened('transfer.end');
    expect(end).toMatchObject({ verb: 'RETR', path: 'nothing', outcome: 'failed', bytes: 0, reply: 550 });
    expect(end.error).toBeUndefined();
  });
});

describe('a refusal that is on its way when the data port proves closed', () => {
  /**
   * A session behind an SSH server that answers the second data port's dial when the test says so.
   */
  async function late(test: TestContext) {
    const dialled = deferred<void>();
    const answered = deferred<void>();
    let dials = 0;
    const session = await ftpSession(test, {
      transport: 'ssh',
      ssh: {
        allowForward: () => {
          dials += 1;
          // The control connection's, the first data port's, and then this.
          if (dials < 3) return true;
          dialled.resolve();
          return answered.promise.then(() => true);
        },
      },
    });
    const first = await agree(session);
    const { client, peer } = session;
    client.send('EPSV');
    const listening = await peer.passive();
    await client.reply();
    await dialled.promise;
    client.send('STOR forbidden');
    await peer.command('STOR');
    listening.close();
    return { ...session, first, refuse: () => answered.resolve() };
  }

  it('is passed to the client', async (test) => {
    const { client, peer, refuse, gateway } = await late(test);
    refuse();
    await eventually(() => expect(gateway.network.listeners.size).toBe(1));
    peer.reply('550 forbidden');
    expect(await client.reply()).toBe('550 forbidden');
  });

  it('does not arrive: 425, soon', async (test) => {
    const { client, peer, refuse, gateway } = await late(test);
    refuse();
    expect(await client.reply()).toMatch(/^425 sshferry: .*refused/);
    peer.reply('425 no data connection');
    client.send('NOOP');
    await peer.expect('NOOP', '200 noop');
    expect(await client.reply()).toBe('200 noop');
    expect(await gateway.happened('transfer.end')).toMatchObject({
      path: 'forbidden',
      outcome: 'failed',
      reply: 425,
      error: { code: 'CHANNEL_REFUSED' },
    });
  });

  it('does not arrive, and the server had begun: 426 at once', async (test) => {
    const { client, peer, refuse } = await late(test);
    peer.reply('150 send it');
    expect(await client.reply()).toBe('150 send it');
    refuse();
    expect(await client.reply()).toMatch(/^426 sshferry: .*refused/);
    expect(await peer.command()).toBe('ABOR');
  });
});

describe('the address that active data comes from', () => {
  it.for(['127.0.0.1', '127.0.0.5'])('is the address that the client dialled: %s', async (dialled, test) => {
    const session = await ftpSession(test, { listen: '0.0.0.0' });
    const { server, gateway } = session;
    const client = await RawClient.connect(test, { host: dialled, port: gateway.endpoint.port }, '127.0.0.1');
    const peer = await server.accept();
    peer.reply('220 ready');
    await client.reply();
    client.send('USER a');
    await peer.expect('USER a', '230 in');
    await client.reply();
    const own = await listenData(test, '127.0.0.1');
    client.send(portCommand(own.port));
    await peer.passive();
    await client.reply();
    await begin({ client, peer }, 'RETR f');
    expect((await own.accept()).remoteAddress).toBe(dialled);
  });
});

describe('a link-local client', () => {
  const [name, link] = Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? [])
      .filter(({ address }) => address.startsWith('fe80:'))
      .map(({ address }) => [name, address] as const),
  )[0] ?? ['', ''];

  it.skipIf(link === '')('keeps its zone: EPSV and EPRT work', async (test) => {
    const listen = `${link}%${name}`;
    const session = await ftpSession(test, { listen });
    const { client, peer } = session;
    const { where, listening } = await agree(session);
    await carries(session, { host: listen, port: where.port }, listening);
    const own = await listenData(test, listen);
    client.send(`EPRT |2|${link}|${own.port}|`);
    const far = await peer.passive();
    expect(await client.reply()).toBe('200 EPRT command successful');
    await begin(session, 'RETR f');
    (await far.accept()).end('file').resume();
    peer.reply('226 done');
    expect((await new Wire(await own.accept()).rest()).bytes.toString()).toBe('file');
    expect(await client.reply()).toBe('226 done');
    expect(await client.command(`EPRT |2|${link}%other|${own.port}|`)).toMatch(/^500 Illegal EPRT/);
  });
});

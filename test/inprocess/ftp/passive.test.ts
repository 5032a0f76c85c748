import { describe, expect, it } from 'vitest';
import { agree, anotherSession, begin, ftpSession, openData } from '../../support/ftp-session.ts';
import { eventually, TRANSPORTS } from '../../support/gateway.ts';
import { pattern } from '../../support/scripted-ftp-server.ts';
import { Wire } from '../../support/wire.ts';

describe.each(TRANSPORTS)('passive transfers over %s', (transport) => {
  it.for(['EPSV', 'PASV'] as const)('carries a download after %s, then 226', async (verb, test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer, gateway } = session;
    const { data, far } = await openData(session, verb);
    await begin(session, 'RETR f');
    peer.reply('226 done');
    far.end(pattern(300_000));
    expect(await client.reply()).toBe('226 done');
    const { bytes, ending } = await data.rest();
    expect([bytes.equals(pattern(300_000)), ending]).toEqual([true, 'eof']);
    expect(await gateway.happened('transfer.end')).toMatchObject({
      outcome: 'complete',
      bytes: 300_000,
      direction: 'download',
      path: 'f',
    });
  });

  it('carries an upload and its end', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer, gateway } = session;
    const { data, far } = await openData(session);
    await begin(session, 'STOR f');
    const incoming = new Wire(far);
    data.end(pattern(300_000));
    const { bytes, ending } = await incoming.rest();
    expect([bytes.equals(pattern(300_000)), ending]).toEqual([true, 'eof']);
    far.end();
    peer.reply('226 stored');
    expect(await client.reply()).toBe('226 stored');
    expect(await gateway.happened('transfer.end')).toMatchObject({
      outcome: 'complete',
      bytes: 300_000,
      direction: 'upload',
    });
  });

  it('holds 226 until the client has every byte', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer, gateway } = session;
    const { where, listening } = await agree(session);
    const data = await client.unread(where);
    const far = await listening.accept();
    await begin(session, 'RETR big');
    const all = pattern(48 * 1024 * 1024);
    far.end(all);
    peer.reply('226 done');
    await eventually(() => expect(gateway.network.unsent).toBeGreaterThan(0));
    // A reply from behind it can only come after it.
    client.send('NOOP');
    await peer.command('NOOP');
    peer.reply('200 noop');
    expect(client.control.buffered).toBe(0);
    const reading = new Wire(data);
    expect(await client.reply()).toBe('226 done');
    expect(await client.reply()).toBe('200 noop');
    const { bytes, ending } = await reading.rest();
    expect([bytes.equals(all), ending]).toEqual([true, 'eof']);
  });

  it('carries empty files both ways', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer } = session;
    const down = await openData(session);
    await begin(session, 'RETR empty');
    down.far.end();
    peer.reply('226 done');
    expect(await client.reply()).toBe('226 done');
    expect(await down.data.rest()).toEqual({ bytes: Buffer.alloc(0), ending: 'eof' });
    down.data.end();

    const up = await openData(session);
    await begin(session, 'STOR empty');
    up.data.end();
    expect(await new Wire(up.far).rest()).toEqual({ bytes: Buffer.alloc(0), ending: 'eof' });
    up.far.end();
    peer.reply('226 done');
    expect(await client.reply()).toBe('226 done');
  });

  it('accepts 226 in the same segment as 150, and data that ended before 150', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer } = session;
    const { data, far } = await openData(session);
    far.end('short');
    client.send('RETR f');
    await peer.command('RETR');
    peer.control.write('150 here\r\n226 done\r\n');
    expect(await client.reply()).toBe('150 here');
    expect(await client.reply()).toBe('226 done');
    expect((await data.rest()).bytes.toString()).toBe('short');
  });

  it('reuses a refused transfer’s data port for the next one', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer } = session;
    const { where, listening } = await agree(session);
    const far = await listening.accept();
    client.send('RETR nothing');
    await peer.expect('RETR nothing', '550 no such file');
    expect(await client.reply()).toBe('550 no such file');
    const data = await client.data(where);
    await begin(session, 'RETR f');
    far.end('here');
    peer.reply('226 done');
    expect(await client.reply()).toBe('226 done');
    expect((await data.rest()).bytes.toString()).toBe('here');
  });

  it('starts over after 550 with a new data port', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer } = session;
    const first = await agree(session);
    client.send('RETR nothing');
    await peer.expect('RETR nothing', '550 no such file');
    await client.reply();
    const second = await openData(session);
    await expect(client.data(first.where)).rejects.toThrow('ECONNREFUSED');
    await begin(session, 'RETR f');
    second.far.end('here');
    peer.reply('226 done');
    expect(await client.reply()).toBe('226 done');
    expect((await second.data.rest()).bytes.toString()).toBe('here');
  });

  it('answers NOOP and STAT during a transfer', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer } = session;
    const { data, far } = await openData(session);
    await begin(session, 'RETR f');
    far.write('first ');
    await data.take(6);
    client.send('STAT');
    await peer.command('STAT');
    peer.reply('213-Status');
    peer.reply(' 227 (1,2,3,4,5,6)');
    peer.reply('213 ok');
    far.end('second');
    peer.reply('226 done');
    // A server that answers at once does so before the transfer's own end; both come through in its
    // order.
    expect([await client.reply(), await client.reply()]).toEqual([
      '213-Status\n 227 (1,2,3,4,5,6)\n213 ok',
      '226 done',
    ]);
    expect((await data.rest()).bytes.toString()).toBe('second');
  });

  it('refuses a second connection to a data port in use', async (test) => {
    const session = await ftpSession(test, { transport });
    const { where, far, data } = await openData(session);
    await expect(session.client.data(where)).rejects.toThrow('ECONNREFUSED');
    await begin(session, 'RETR f');
    far.end('still here');
    expect((await data.rest()).bytes.toString()).toBe('still here');
  });

  it('resets a stranger at the data port, logs it, and admits the client afterwards', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer, gateway } = session;
    const { where, listening } = await agree(session);
    const stranger = client.data(where, '127.0.0.2').then((wire) => wire.rest());
    // In one process the reset can be there before the connection is known to stand.
    const fate = await stranger.catch((error) => ({ bytes: Buffer.alloc(0), ending: error.code }));
    expect(fate).toEqual({ bytes: Buffer.alloc(0), ending: 'ECONNRESET' });
    expect(gateway.warnings).toEqual([
      expect.stringMatching(/refused a data connection from 127\.0\.0\.2:\d+/),
    ]);
    const data = await client.data(where);
    const far = await listening.accept();
    await begin(session, 'RETR f');
    far.end('for the client');
    peer.reply('226 done');
    expect(await client.reply()).toBe('226 done');
    expect((await data.rest()).bytes.toString()).toBe('for the client');
  });

  it('admits any host with FtpDataPeer=any', async (test) => {
    const session = await ftpSession(test, { transport, config: { dataPeer: 'any' } });
    const { where, listening } = await agree(session);
    const data = await session.client.data(where, '127.0.0.2');
    const far = await listening.accept();
    await begin(session, 'RETR f');
    far.end('to whom it may concern');
    expect((await data.rest()).bytes.toString()).toBe('to whom it may concern');
  });

  it('frees a data port that gets no connection, and replies 425', async (test) => {
    const session = await ftpSession(test, { transport, config: { dataTimeout: 0.1 } });
    const { client, gateway } = session;
    const { where, listening } = await agree(session);
    const far = new Wire(await listening.accept());
    expect(await far.ended()).toBe('ECONNRESET');
    await expect(client.data(where)).rejects.toThrow('ECONNREFUSED');
    expect(await client.command('STOR f')).toMatch(
      /^425 sshferry: no client connected to the data port \d+ within 0\.1 s$/,
    );
    expect(gateway.network.listeners.size).toBe(1);
    if (gateway.ssh) expect(gateway.ssh.channels).toBe(1);
  });

  it('replies 425 if the data port of a started transfer gets no connection', async (test) => {
    const session = await ftpSession(test, { transport, config: { dataTimeout: 0.3 } });
    const { client, peer } = session;
    await agree(session);
    client.send('RETR f');
    await peer.command('RETR');
    expect(await client.reply()).toMatch(/^425 sshferry: no client connected/);
    peer.reply('425 no data connection');
    // The server's own answer to it is dropped, and the replies stay in step.
    client.send('NOOP');
    await peer.expect('NOOP', '200 noop');
    expect(await client.reply()).toBe('200 noop');
  });

  it('closes the port of an earlier PASV', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, gateway } = session;
    const first = await agree(session, 'PASV');
    const old = new Wire(await first.listening.accept());
    const second = await openData(session, 'PASV');
    expect(await old.ended()).toBe('ECONNRESET');
    await expect(client.data(first.where)).rejects.toThrow('ECONNREFUSED');
    expect(gateway.network.listeners.size).toBe(1);
    await begin(session, 'RETR f');
    second.far.end('new');
    expect((await second.data.rest()).bytes.toString()).toBe('new');
  });

  it('closes the port when the client asks for active mode instead', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer, gateway } = session;
    const first = await agree(session, 'PASV');
    client.send('PORT 127,0,0,1,200,10');
    await peer.passive();
    expect(await client.reply()).toMatch(/^200 /);
    await expect(client.data(first.where)).rejects.toThrow('ECONNREFUSED');
    expect(gateway.network.listeners.size).toBe(1);
  });

  it('aborts a download: the data is reset, and the client gets the server’s two replies', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer } = session;
    const { data, far } = await openData(session);
    await begin(session, 'RETR f');
    far.write('some');
    await data.take(4);
    client.control.write(Buffer.from([0xff, 0xf4, 0xff]));
    client.send('ABOR');
    expect(await peer.command()).toBe('ABOR');
    peer.reply('426 aborted');
    peer.reply('226 closed');
    far.resetAndDestroy();
    expect([await client.reply(), await client.reply()]).toEqual(['426 aborted', '226 closed']);
    expect(await data.ended()).toBe('ECONNRESET');
  });

  it("passes on the server's reply to ABOR after PASV, and the next transfer works", async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer } = session;
    await agree(session);
    client.send('ABOR');
    await peer.expect('ABOR', '225 nothing to abort');
    expect(await client.reply()).toBe('225 nothing to abort');
    const { data, far } = await openData(session);
    await begin(session, 'RETR f');
    far.end('x');
    expect((await data.rest()).ending).toBe('eof');
  });

  it.for(['REIN', 'USER other'])('passes %s during a transfer', async (command, test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer } = session;
    const { data, far } = await openData(session);
    await begin(session, 'RETR f');
    client.send(command);
    expect(await peer.command()).toBe(command);
    far.end('whole');
    peer.reply('226 done');
    peer.reply('220 again');
    expect([await client.reply(), await client.reply()]).toEqual(['226 done', '220 again']);
    expect((await data.rest()).bytes.toString()).toBe('whole');
  });

  it('finishes an upload after which the client has sent QUIT', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer } = session;
    const { data, far } = await openData(session);
    await begin(session, 'STOR f');
    client.send('QUIT');
    expect(await peer.command()).toBe('QUIT');
    const incoming = new Wire(far);
    data.end(pattern(200_000));
    expect((await incoming.rest()).bytes.length).toBe(200_000);
    far.end();
    peer.reply('226 stored');
    peer.reply('221 bye');
    peer.control.end();
    expect([await client.reply(), await client.reply()]).toEqual(['226 stored', '221 bye']);
    expect(await client.control.ended()).toBe('eof');
  });

  it('carries four transfers of four sessions at once', async (test) => {
    const first = await ftpSession(test, { transport });
    const sessions = [first];
    for (let i = 1; i < 4; i++) sessions.push({ ...first, ...(await anotherSession(test, first)) });
    await Promise.all(
      sessions.map(async (session, i) => {
        const { data, far } = await openData(session);
        await begin(session, `RETR ${i}`);
        const bytes = pattern(500_000 + i);
        far.end(bytes);
        session.peer.reply(`226 ${i}`);
        expect(await session.client.reply()).toBe(`226 ${i}`);
        expect((await data.rest()).bytes.equals(bytes)).toBe(true);
      }),
    );
  });
});

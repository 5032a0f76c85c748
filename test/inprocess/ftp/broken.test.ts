import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { agree, begin, ftpSession, openData } from '../../support/ftp-session.ts';
import { eventually, TRANSPORTS } from '../../support/gateway.ts';
import { pattern } from '../../support/scripted-ftp-server.ts';
import { Wire } from '../../support/wire.ts';

describe('when SSH is lost', () => {
  it.for([
    ['in mid download', true],
    ['before 150', false],
  ] as const)('%s, the data is reset and the client gets an error', async ([, started], test) => {
    const session = await ftpSession(test, { transport: 'ssh' });
    const { client, peer, gateway } = session;
    const { data, far } = await openData(session);
    if (started) await begin(session, 'RETR f');
    else {
      client.send('RETR f');
      await peer.command('RETR');
    }
    far.write(pattern(100_000));
    await data.take(100_000);
    gateway.ssh?.killConnections();
    expect(await data.ended()).toBe('ECONNRESET');
    let reply = await client.reply();
    // The transfer that the server has not answered may be refused before the session ends.
    if (!started && reply.startsWith('425 sshferry: ')) reply = await client.reply();
    expect(reply).toMatch(/^421 sshferry: .*yourserver/);
    expect(await client.control.ended()).toBe('eof');
    if (!started) return;
    expect(await gateway.happened('transfer.end')).toMatchObject({ outcome: 'failed', bytes: 100_000 });
  });

  it('during an upload, the data is reset and the client gets an error', async (test) => {
    const session = await ftpSession(test, { transport: 'ssh' });
    const { client, gateway } = session;
    const { data, far } = await openData(session);
    await begin(session, 'STOR f');
    const incoming = new Wire(far);
    data.write(pattern(100_000));
    await incoming.take(100_000);
    gateway.ssh?.killConnections();
    expect(await data.ended()).toBe('ECONNRESET');
    expect(await client.reply()).toMatch(/^421 sshferry: /);
    expect(await gateway.happened('transfer.end')).toMatchObject({ outcome: 'failed' });
    expect(await incoming.ended()).toBe('ECONNRESET');
  });

  it('between the last byte and 226, the client never sees 226', async (test) => {
    const session = await ftpSession(test, { transport: 'ssh' });
    const { client, gateway } = session;
    const { data, far } = await openData(session);
    await begin(session, 'RETR f');
    far.end('all of it');
    expect((await data.rest()).ending).toBe('eof');
    gateway.ssh?.killConnections();
    expect(await client.reply()).toMatch(/^421 sshferry: /);
    expect(await gateway.happened('transfer.end')).toMatchObject({ outcome: 'failed' });
  });

  it('after an upload’s last byte and before 226, the client never sees 226', async (test) => {
    const session = await ftpSession(test, { transport: 'ssh' });
    const { client, gateway } = session;
    const { data, far } = await openData(session);
    await begin(session, 'STOR f');
    data.end('all of it');
    expect((await new Wire(far).rest()).ending).toBe('eof');
    gateway.ssh?.killConnections();
    expect(await client.reply()).toMatch(/^421 sshferry: /);
    expect(await gateway.happened('transfer.end')).toMatchObject({ outcome: 'failed' });
  });

  it('with an advertised data port that is unused, the port is closed', async (test) => {
    const session = await ftpSession(test, { transport: 'ssh' });
    const { client, gateway } = session;
    const { where } = await agree(session);
    gateway.ssh?.killConnections();
    expect(await client.reply()).toMatch(/^421 sshferry: /);
    await client.control.ended();
    client.control.end();
    await gateway.happened('session.end');
    await expect(client.data(where)).rejects.toThrow('ECONNREFUSED');
  });
});

describe.each(TRANSPORTS)('when a side breaks, over %s', (transport) => {
  it('by the server’s reset during a download: the data is reset, and 226 becomes 426', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer, gateway } = session;
    const { data, far } = await openData(session);
    await begin(session, 'RETR f');
    far.write('half');
    await data.take(4);
    far.resetAndDestroy();
    expect(await data.ended()).toBe('ECONNRESET');
    peer.reply('226 done');
    expect(await client.reply()).toMatch(/^426 sshferry: /);
    expect(await gateway.happened('transfer.end')).toMatchObject({ outcome: 'failed' });
  });

  it('by the server’s reset during an upload: the data is reset, and the server’s own reply follows', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer } = session;
    const { data, far } = await openData(session);
    await begin(session, 'STOR f');
    const incoming = new Wire(far);
    data.write('half');
    await incoming.take(4);
    peer.reply('452 disk full');
    incoming.reset();
    expect(await data.ended()).toBe('ECONNRESET');
    expect(await client.reply()).toBe('452 disk full');
  });

  it('by the client’s reset during an upload: the server gets ABOR first, then 426 is sent', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer, gateway } = session;
    const { data, far } = await openData(session);
    await begin(session, 'STOR f');
    const incoming = new Wire(far);
    data.write('half');
    await incoming.take(4);
    data.reset();
    expect(await peer.command()).toBe('ABOR');
    expect(incoming.ending).toBeNull();
    peer.reply('226 aborted');
    peer.reply('225 nothing to abort');
    expect(await client.reply()).toMatch(/^426 sshferry: /);
    expect(await incoming.ended()).toBe('ECONNRESET');
    client.send('NOOP');
    await peer.expect('NOOP', '200 noop');
    expect(await client.reply()).toBe('200 noop');
    expect(await gateway.happened('transfer.end')).toMatchObject({ outcome: 'failed' });
  });

  it('by the client’s early close during a download: the client gets the server’s own reply', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer } = session;
    const { data, far } = await openData(session);
    await begin(session, 'RETR f');
    far.write(pattern(100_000));
    await data.take(100_000);
    data.destroy();
    // The gateway notices when it writes.
    const writing = setInterval(() => far.write(pattern(1000)), 5);
    test.onTestFinished(() => clearInterval(writing));
    expect(await new Wire(far).ended()).toMatch(/ECONNRESET|EPIPE|eof/);
    await eventually(() => expect(session.gateway.network.streams.size).toBe(1));
    peer.reply('426 broken pipe');
    expect(await client.reply()).toBe('426 broken pipe');
  });

  it('by the server’s reset of the control connection: 421, and the data is reset too', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer } = session;
    const { data, far } = await openData(session);
    await begin(session, 'RETR f');
    far.write('half');
    await data.take(4);
    peer.control.reset();
    expect(await client.reply()).toMatch(/^421 sshferry: /);
    client.control.end();
    expect(await data.ended()).toBe('ECONNRESET');
    expect(await new Wire(far).ended()).toBe('ECONNRESET');
  });

  it('by the client’s reset of the control connection: everything is closed', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer, gateway } = session;
    const { data, far } = await openData(session);
    await begin(session, 'RETR f');
    client.control.reset();
    expect(await data.ended()).toBe('ECONNRESET');
    expect(await new Wire(far).ended()).toBe('ECONNRESET');
    expect(await peer.control.ended()).toBe('ECONNRESET');
    expect(await gateway.happened('session.end')).toMatchObject({ error: { code: 'PEER_RESET' } });
    expect(await gateway.happened('transfer.end')).toMatchObject({ outcome: 'failed' });
    expect(gateway.network.streams.size).toBe(0);
  });

  it.for([
    ['the control connection alone', false],
    ['both connections', true],
  ] as const)(
    'by the client’s reset of %s during an upload: the server gets ABOR before the end of the data',
    async ([, both], test) => {
      const session = await ftpSession(test, { transport });
      const { client, peer, gateway } = session;
      const { data, far } = await openData(session);
      await begin(session, 'STOR f');
      const incoming = new Wire(far);
      data.write('half');
      await incoming.take(4);
      if (both) data.reset();
      client.control.reset();
      expect(await peer.command()).toBe('ABOR');
      expect([incoming.ending, peer.control.ending]).toEqual([null, null]);
      peer.reply('426 aborted');
      expect(await incoming.ended()).toBe('ECONNRESET');
      expect(await peer.control.ended()).toBe('ECONNRESET');
      expect(await gateway.happened('session.end')).toMatchObject({ error: { code: 'PEER_RESET' } });
      expect(await gateway.happened('transfer.end')).toMatchObject({ outcome: 'failed' });
      expect(gateway.network.streams.size).toBe(0);
    },
  );

  it('by the client’s reset of the control connection during an upload: a reply on its way does not end it', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer } = session;
    const { data, far } = await openData(session);
    await begin(session, 'STOR f');
    const incoming = new Wire(far);
    data.write('half');
    await incoming.take(4);
    client.send('NOOP');
    await peer.command('NOOP');
    client.control.reset();
    expect(await peer.command()).toBe('ABOR');
    peer.reply('200 still here');
    await setTimeout(200);
    expect([incoming.ending, peer.control.ending]).toEqual([null, null]);
    peer.reply('426 aborted');
    expect(await incoming.ended()).toBe('ECONNRESET');
  });

  it('by the client’s reset of the control connection during an upload that the server does not abort', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, gateway } = session;
    const { data, far } = await openData(session);
    await begin(session, 'STOR f');
    const incoming = new Wire(far);
    data.write('half');
    await incoming.take(4);
    client.control.reset();
    expect(await data.ended()).toBe('ECONNRESET');
    expect(await incoming.ended()).toBe('ECONNRESET');
    await gateway.happened('session.end');
    expect(gateway.network.streams.size).toBe(0);
  });

  it('by a closed data port on the server: 425 with the reason, and the session continues', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer, gateway } = session;
    client.send('EPSV');
    await peer.expect('EPSV', '229 ok (|||1|)');
    await peer.expect('PASV', '227 ok (10,0,0,1,0,1)');
    expect(await client.reply()).toMatch(/^425 sshferry: .*:1\b.*refused/);
    expect(gateway.warnings).toEqual([expect.stringMatching(/^no data connection: .*:1\b.*refused/)]);
    client.send('NOOP');
    await peer.expect('NOOP', '200 noop');
    expect(await client.reply()).toBe('200 noop');
    expect(gateway.network.listeners.size).toBe(1);
  });

  it('by sshferry’s own stop during a transfer: the data is reset, and 421 is sent', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, gateway, peer } = session;
    const { data, far } = await openData(session);
    await begin(session, 'RETR f');
    far.write('half');
    await data.take(4);
    const stopped = gateway.gateway.stop();
    expect(await data.ended()).toBe('ECONNRESET');
    expect(await client.reply()).toBe('421 sshferry: sshferry is stopping');
    expect(await client.control.ended()).toBe('eof');
    client.control.end();
    await stopped;
    expect(await peer.control.ended()).toBe('ECONNRESET');
    expect([gateway.network.streams.size, gateway.network.listeners.size]).toEqual([0, 0]);
    expect(await gateway.happened('transfer.end')).toMatchObject({ outcome: 'failed' });
  });

  it('by the server’s 221 after a long reply, with an advertised data port: the client gets all of it', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer } = session;
    await agree(session);
    client.send('STAT');
    await peer.command('STAT');
    peer.control.end(`211-Status\r\n${` ${'x'.repeat(61)}\r\n`.repeat(3000)}211 End\r\n`);
    expect((await client.reply()).slice(-8)).toBe('\n211 End');
    expect(await client.control.ended()).toBe('eof');
  });

  it('lets a client that quits early read everything that was sent to it', async (test) => {
    const session = await ftpSession(test, { transport });
    const { client, peer, gateway } = session;
    const { where, listening } = await agree(session);
    const data = await client.unread(where);
    const far = await listening.accept();
    await begin(session, 'RETR f');
    const all = pattern(1_000_000);
    far.end(all);
    peer.reply('226 done');
    expect(await client.reply()).toBe('226 done');
    client.send('QUIT');
    await peer.expect('QUIT', '221 bye');
    peer.control.end();
    client.control.end();
    await gateway.happened('session.end');
    const { bytes, ending } = await new Wire(data).rest();
    expect([bytes.equals(all), ending]).toEqual([true, 'eof']);
  });
});

it('tells the client that sshd does not allow the data ports', async (test) => {
  let control = true;
  const session = await ftpSession(test, {
    transport: 'ssh',
    ssh: {
      allowForward: () => {
        const answer = control ? true : 'prohibited';
        control = false;
        return answer;
      },
    },
  });
  const { client, peer } = session;
  client.send('EPSV');
  await peer.passive();
  expect(await client.reply()).toMatch(/^425 sshferry: yourserver does not allow forwarding to .*PermitOpen/);
  client.send('NOOP');
  await peer.expect('NOOP', '200 noop');
  expect(await client.reply()).toBe('200 noop');
});

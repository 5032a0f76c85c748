import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { anotherSession, ftpSession } from '../../support/ftp-session.ts';
import { eventually, TRANSPORTS } from '../../support/gateway.ts';

const ANSWER = '500 Empty command\r\n';
const MANY = 20_000;

describe.each(TRANSPORTS)('over %s', (transport) => {
  it("a client’s many lines are all answered, in turn with other clients' lines", async (test) => {
    const session = await ftpSession(test, { transport });
    const other = await anotherSession(test, session);
    const { client } = session;
    client.control.write('\n'.repeat(MANY));
    client.send('NOOP');
    // Nothing of it has been answered yet; the other says its line behind all of these.
    other.client.send('STAT');
    await other.peer.expect('STAT', '211 well');
    expect(await other.client.reply()).toBe('211 well');
    expect(client.control.received).toBeLessThan(MANY * ANSWER.length);
    await session.peer.expect('NOOP', '200 at last');
    const answers = await client.control.take(MANY * ANSWER.length);
    expect(answers.equals(Buffer.from(ANSWER.repeat(MANY)))).toBe(true);
    expect(await client.reply()).toBe('200 at last');
  });

  it('a server’s many lines pass in turn with other sessions, completely and before its end', async (test) => {
    const session = await ftpSession(test, { transport });
    const other = await anotherSession(test, session);
    const lines = '211-\r\n'.repeat(MANY);
    session.peer.control.end(lines);
    other.client.send('STAT');
    await other.peer.expect('STAT', '211 well');
    expect(await other.client.reply()).toBe('211 well');
    const { bytes, ending } = await session.client.control.rest();
    expect([bytes.toString() === lines, ending]).toEqual([true, 'eof']);
    session.client.control.end();
    await session.gateway.happened('session.end');
  });

  it('lines with a lone CR, which is no line end, take turns too', async (test) => {
    const { client, peer } = await ftpSession(test, { transport });
    client.control.write(`NOOP ${'\r'.repeat(16_000)}\n`);
    const noop = await peer.command('NOOP');
    expect(noop.trimEnd()).toBe('NOOP');
  });

  it('reads a bounded amount from a client while others take their turn', async (test) => {
    const { client, gateway } = await ftpSession(test, { transport });
    // It reads nothing of the answers.
    client.control.socket.pause();
    let sent = 0;
    const chunk = Buffer.alloc(64 * 1024, '\n');
    const flood = () => {
      while (sent < 64 * 1024 * 1024 && client.control.socket.write(chunk)) sent += chunk.length;
    };
    client.control.socket.on('drain', flood);
    flood();
    await eventually(() => expect(gateway.network.unsent).toBeGreaterThan(0));
    for (let i = 0; i < 200; i++) await turn();
    expect(gateway.network.unsent).toBeLessThan(1024 * 1024);
    expect(sent).toBeLessThan(16 * 1024 * 1024);
  });
});

describe('before a login', () => {
  const refused = /^421 sshferry: 1000 empty or unknown commands before a login$/;

  it.for([
    ['empty lines', '\r\n', true],
    ['unknown commands', 'XYZZY 1\r\n', false],
    ['lines of an HTTP header', 'Accept: */*\r\n', false],
  ] as const)('a thousand %s end the session', async ([, line, answeredHere], test) => {
    const { client, peer, gateway } = await ftpSession(test, { transport: 'ssh', login: false });
    for (let i = 0; i < 999; i++) {
      client.control.write(line);
      if (!answeredHere) await peer.expect(line.slice(0, 3), '500 what?');
      expect(await client.reply()).toMatch(/^500 /);
    }
    client.control.write(line);
    expect(await client.reply()).toMatch(refused);
    client.control.end();
    expect((await gateway.happened('session.end')).error).toMatchObject({ code: 'FTP_LIMIT' });
    expect(await peer.control.ended()).not.toBeNull();
  });

  it('as many after a login do not', async (test) => {
    const { client, peer } = await ftpSession(test, { transport: 'direct' });
    client.control.write('\r\n'.repeat(1500));
    for (let i = 0; i < 1500; i++) expect(await client.reply()).toBe('500 Empty command');
    client.send('NOOP');
    await peer.expect('NOOP', '200 here');
    expect(await client.reply()).toBe('200 here');
  });

  it('known commands do not count', async (test) => {
    const { client, peer } = await ftpSession(test, { login: false });
    for (let i = 0; i < 1100; i++) {
      client.send('FEAT');
      await peer.expect('FEAT', '530 log in first');
      expect(await client.reply()).toBe('530 log in first');
    }
  });
});

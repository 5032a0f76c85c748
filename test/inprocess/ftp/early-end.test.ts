import { describe, expect, it } from 'vitest';
import { agree, anotherSession, begin, ftpSession } from '../../support/ftp-session.ts';
import { TRANSPORTS } from '../../support/gateway.ts';

describe.each(TRANSPORTS)(
  'an end-of-file that arrives while sshferry holds its side, over %s',
  (transport) => {
    it('the client ended after PORT: the server gets the end after the reply to PORT', async (test) => {
      const session = await ftpSession(test, { transport });
      const { client, peer, gateway } = session;
      client.send('PORT 127,0,0,1,200,0');
      client.control.end();
      await peer.command('EPSV');
      // By the time another session is up, the end has been read.
      await anotherSession(test, session);
      peer.reply('502 EPSV not implemented');
      await peer.expect('PASV', '502 PASV not implemented');
      expect(await client.reply()).toMatch(/^425 /);
      expect(await peer.control.ended()).toBe('eof');
      peer.control.end();
      await gateway.happened('session.end');
    });

    it('the server ended after 226: the client gets both after the data has arrived', async (test) => {
      const session = await ftpSession(test, { transport });
      const { client, peer, gateway } = session;
      const { where, listening } = await agree(session);
      const data = await client.data(where);
      const far = await listening.accept();
      await begin(session, 'RETR f');
      peer.reply('226 done');
      peer.control.end();
      await anotherSession(test, session);
      far.end('file').resume();
      expect((await data.rest()).bytes.toString()).toBe('file');
      data.end();
      expect(await client.reply()).toBe('226 done');
      expect(await client.control.ended()).toBe('eof');
      client.control.end();
      await gateway.happened('session.end');
    });
  },
);

import { PassThrough } from 'node:stream';
import { Client } from 'basic-ftp';
import { expect, it, vi } from 'vitest';
import type { Endpoint } from '../../../src/core/endpoint.ts';
import { Gateway } from '../../../src/core/gateway.ts';
import { DirectTransport } from '../../../src/core/local/tcp-transport.ts';
import { SshSupervisor } from '../../../src/core/ssh/link/supervisor.ts';
import { connectBy, ENGINES } from '../../support/engines.ts';
import { ftpForward } from '../../support/gateway.ts';
import { silentLog } from '../../support/ssh-login.ts';
import { startSshServer } from '../../support/ssh-server.ts';
import { listenTcp } from '../../support/tcp.ts';

it.for(ENGINES)(
  'by %s, carries FTP the other way, with data ports on the SSH server',
  async (engine, test) => {
    const ssh = await startSshServer();
    test.onTestFinished(() => ssh.close());
    const data = await listenTcp(test, (socket) => socket.end('the whole file'));
    const server = await listenTcp(test, (socket) => {
      socket.write('220 ready\r\n');
      socket.on('end', () => socket.end());
      socket.on('data', (bytes) => {
        const verb = bytes.toString().trim().split(' ')[0];
        const { port } = data;
        if (verb === 'EPSV') socket.write('502 not here\r\n');
        else if (verb === 'PASV') socket.write(`227 entering (127,0,0,1,${port >> 8},${port & 255})\r\n`);
        else if (verb === 'RETR') socket.write('150 here it comes\r\n226 done\r\n');
        else socket.write('200 fine\r\n');
      });
    });
    const supervisor = new SshSupervisor(
      (signal) => connectBy(engine, ssh.port, {}, { signal }),
      { host: 'yourserver', connectTimeout: 10, connectionAttempts: 1, session: false },
      silentLog,
    );
    const gateway = new Gateway({
      transports: new Map([['yourserver', supervisor]]),
      local: new DirectTransport(),
      forwards: [ftpForward(server, { direction: 'remote', bind: { host: 'localhost', port: 0 } })],
      log: silentLog,
    });
    let at: Endpoint = { host: '', port: 0 };
    gateway.events.on('forward.listening', ({ endpoint }) => {
      at = endpoint;
    });
    await gateway.start();
    test.onTestFinished(() => gateway.stop());

    const client = new Client();
    const replies: string[] = [];
    client.ftp.log = (line) => replies.push(line);
    client.ftp.verbose = true;
    await client.access({ host: '127.0.0.1', port: at.port });
    const file = new PassThrough();
    await client.downloadTo(file, 'file');
    expect(String((await file.toArray())[0])).toBe('the whole file');
    const passive = replies.join('\n').match(/227 entering \(127,0,0,1,(\d+),(\d+)\)/);
    expect(Number(passive?.[1]) * 256 + Number(passive?.[2])).not.toBe(data.port);
    client.close();
    await vi.waitFor(() => expect([gateway.sessions, ssh.channels, ssh.listeners]).toEqual([0, 0, 1]));
  },
);

import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { PASSWORD, USER } from '../../demo/account.ts';
import { type Backstage, startBackstage } from '../../demo/backstage.ts';
import { download } from '../../examples/download.ts';
import { nntp } from '../../examples/nntp.ts';
import { createGateway } from '../../src/app/library.ts';
import { listenTcp } from '../support/tcp.ts';

describe('the examples of the library', () => {
  let backstage: Backstage;
  let directory: string;
  const office = () => ({
    host: 'demo@127.0.0.1',
    port: backstage.sshPort,
    identityFile: [backstage.identityFile],
    sshConfig: 'none',
    options: { UserKnownHostsFile: backstage.knownHostsFile },
  });

  beforeAll(async () => {
    backstage = await startBackstage({ onSent() {}, onRead() {} });
    directory = await mkdtemp(path.join(tmpdir(), 'sshferry-examples-'));
  });

  afterAll(async () => {
    await backstage?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test('download.ts fetches a file and says so', async ({ onTestFinished }) => {
    const said: string[] = [];
    const log = vi.spyOn(console, 'log').mockImplementation((line) => said.push(line));
    onTestFinished(() => log.mockRestore());
    const to = `127.0.0.1:${backstage.services.ftp}`;
    const forwards = { files: { listen: '127.0.0.1:0', server: 'office', to, type: 'ftp' as const } };
    await download(
      { servers: { office: office() }, forwards },
      { user: USER, password: PASSWORD },
      'readme.txt',
      directory,
    );
    expect(await readFile(path.join(directory, 'readme.txt'), 'utf8')).toContain('This file came by FTP');
    expect(said.join('\n')).toMatch(/^RETR readme\.txt: \d+ bytes in \d+ ms, complete$/m);
  });

  test("nntp.ts carries NNTP, and refuses in NNTP's own words", async ({ onTestFinished }) => {
    const news = await listenTcp({ onTestFinished }, (socket) => {
      socket.on('error', () => {});
      socket.end('200 posting allowed\r\n');
    });
    const gateway = await createGateway(
      {
        servers: { office: office() },
        forwards: {
          news: { listen: '127.0.0.1:0', server: 'office', to: `127.0.0.1:${news.port}`, type: 'nntp' },
          gone: { listen: '127.0.0.1:0', server: 'office', to: '127.0.0.1:1', type: 'nntp' },
        },
      },
      { plugins: [nntp] },
    );
    onTestFinished(() => gateway.stop());
    await gateway.start();
    expect(await greeting(gateway.endpoint('news'))).toBe('200 posting allowed\r\n');
    expect(await greeting(gateway.endpoint('gone'))).toMatch(/^400 .*127\.0\.0\.1:1.*refused.*\r\n$/);
  });

  test('an invalid configuration is reported with its place', async () => {
    const forwards = { files: { listen: 8021, server: 'ofice', to: 'localhost:21' } };
    await expect(createGateway({ servers: { office: office() }, forwards })).rejects.toThrow(
      /forwards\.files\.server: .*'ofice'.*office/,
    );
  });
});

/** All that a server says before it ends the connection. */
async function greeting(endpoint: { host: string; port: number } | undefined): Promise<string> {
  const socket = net.connect({ host: endpoint?.host ?? '', port: endpoint?.port ?? 0 }).setEncoding('utf8');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  await once(socket, 'end');
  socket.destroy();
  return text;
}

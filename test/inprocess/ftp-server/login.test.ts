import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { Writable } from 'node:stream';
import pino from 'pino';
import { expect, it } from 'vitest';
import { Accounts } from '../../../src/ftp/server/io/accounts.ts';
import { hashPassword, parsePasswordHash } from '../../../src/ftp/server/io/password.ts';
import { LocalStore } from '../../../src/ftp/server/local/local-store.ts';
import { undocumented } from '../../support/documented-events.ts';
import { serveStore } from '../../support/file-server.ts';
import { RawClient } from '../../support/raw-client.ts';
import { tempFolder } from '../../support/temp-folder.ts';

async function passwordOf(text: string) {
  const hash = parsePasswordHash(await hashPassword(Buffer.from(text)));
  if (hash === null) throw new Error('no hash');
  return hash;
}

it('gives each account its own folder and access, and logs failed logins without the password', async (test) => {
  const folder = await tempFolder(test);
  await mkdir(path.join(folder, 'ann'));
  await mkdir(path.join(folder, 'scanner'));
  const open = (name: string) => LocalStore.open(path.join(folder, name));
  const accounts = new Accounts(
    new Map([
      [
        'ann',
        { access: 'read-write' as const, store: await open('ann'), password: await passwordOf('sesame') },
      ],
      [
        'scanner',
        { access: 'upload-only' as const, store: await open('scanner'), password: await passwordOf('paper') },
      ],
    ]),
  );
  const lines: string[] = [];
  const keep = new Writable({
    write: (chunk, _, done) => {
      lines.push(`${chunk}`);
      done();
    },
  });
  const log = pino({ base: null }, keep);
  const server = await serveStore(test, await open('ann'), { login: { accounts }, log });
  const client = await RawClient.connect(test, server);
  await client.reply();
  expect(await client.command('USER scanner')).toBe('331 Send the password');
  const begun = performance.now();
  expect(await client.command('PASS sesame')).toBe('530 Login incorrect');
  expect(performance.now() - begun).toBeGreaterThan(900);
  await client.command('USER scanner');
  expect(await client.command('PASS paper')).toBe('230 Logged in');
  expect(await client.command('MKD in')).toBe('257 "/in" created');
  expect(await client.command('DELE in')).toBe('550 Not permitted: access is upload-only');
  await client.command('USER ann');
  expect(await client.command('PASS sesame')).toBe('230 Logged in');
  expect(await client.command('RMD in')).toMatch(/^550 /);
  await mkdir(path.join(folder, 'ann/mine'));
  expect(await client.command('RMD mine')).toBe('250 Directory removed');
  const failed = JSON.parse(lines.find((line) => line.includes('ftp.login.failed')) ?? '{}');
  expect(failed).toMatchObject({ event: 'ftp.login.failed', user: 'scanner', from: '127.0.0.1' });
  expect(undocumented({ ...failed, level: 'warn' })).toEqual([]);
  expect(lines.join('')).not.toMatch(/sesame|paper/);
});

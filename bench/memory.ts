import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'basic-ftp';
import type { OwnSshferry, Place } from './place.ts';
import type { MemoryRow } from './rows.ts';

/** Less traffic than this in half a second, in bytes, is only keepalives and the like. */
const STILL = 20_000;
/** How long a transfer that does not stall may take: a minute. */
const MOST_LOOKS = 120;

/**
 * The memory of a process, in bytes: `resident` by the kernel, `held` by Node after a garbage
 * collection.
 */
interface Memory {
  readonly resident: number;
  readonly held: number;
}

/** Measures how much a new sshferry grows with the row's clients. */
export async function measureMemory(place: Place, row: MemoryRow, source: string): Promise<Memory> {
  const report = place.file('memory-report');
  const sshferry = await place.ownSshferry(report, { folder: row.of === 'folder' });
  const clients: Client[] = [];
  try {
    // The first client of a process also pays for compiled code, its first transfer for the SSH
    // connection for data.
    const first = await login(sshferry);
    await first.list();
    first.close();
    const before = await look(sshferry, report);
    for (let i = 0; i < row.count; i++) clients.push(await login(sshferry));
    if (row.clients === 'stalled') {
      await Promise.all(clients.map((client) => stall(client, path.basename(source), row.readFirst)));
    }
    const after = await look(sshferry, report);
    return { resident: after.resident - before.resident, held: after.held - before.held };
  } finally {
    for (const client of clients) client.close();
    await sshferry.end();
  }
}

async function login({ host, port }: OwnSshferry): Promise<Client> {
  const client = new Client();
  await client.access({ host, port, user: 'anonymous', password: 'bench' });
  return client;
}

/** Begins a download, resolves after `bytes`, and stops reading. */
async function stall(client: Client, name: string, bytes: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let got = 0;
    const reader = new Writable({
      write(chunk: Buffer, _encoding, done) {
        got += chunk.length;
        if (got < bytes) done();
        else resolve();
      },
    });
    // It ends only when the client is closed.
    client
      .downloadTo(reader, name)
      .then(() => reject(new Error(`all of ${name} came: too small to stall`)))
      .catch(reject);
  });
}

/** Returns the memory of a process when its traffic has stopped. */
async function look({ pid }: OwnSshferry, report: string): Promise<Memory> {
  let last = Number.NaN;
  for (let tries = 0; tries < MOST_LOOKS; tries++) {
    const read = Number(await fromProc(pid, 'io', /^rchar: (\d+)$/m));
    if (read - last < STILL) break;
    last = read;
    await sleep(500);
  }
  const resident = Number(await fromProc(pid, 'status', /^VmRSS:\s+(\d+) kB$/m)) * 1024;
  await rm(report, { force: true });
  process.kill(pid, 'SIGUSR2');
  for (let tries = 0; tries < 200; tries++) {
    await sleep(50);
    const text = await readFile(report, 'utf8').catch(() => '');
    if (!text.endsWith('}')) continue;
    const { heapUsed, external }: NodeJS.MemoryUsage = JSON.parse(text);
    return { resident, held: heapUsed + external };
  }
  throw new Error('sshferry does not say what it holds');
}

async function fromProc(pid: number, file: string, pattern: RegExp): Promise<string | undefined> {
  return pattern.exec(await readFile(`/proc/${pid}/${file}`, 'utf8'))?.[1];
}

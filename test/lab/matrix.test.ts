import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { exec } from './support/exec.ts';
import { describeLab, lab } from './support/lab.ts';
import { basicFtpClient } from './support/matrix-basic-ftp.ts';
import {
  type Family,
  type MatrixClient,
  type Mode,
  PASSWORD,
  type Place,
  packageVersion,
  USER,
} from './support/matrix-client.ts';
import { curlClient } from './support/matrix-curl.ts';
import { startDirect } from './support/matrix-direct.ts';
import { explanationOf, explanations } from './support/matrix-explained.ts';
import { ftplibClient } from './support/matrix-ftplib.ts';
import { lftpClient } from './support/matrix-lftp.ts';
import { ncftpClient } from './support/matrix-ncftp.ts';
import {
  type Expected,
  has,
  makeMatrixFiles,
  OPERATIONS,
  type Operation,
  operate,
} from './support/matrix-operations.ts';
import { formatMatrix, labelOf, type Outcome, placeless } from './support/matrix-table.ts';
import { tnftpClient } from './support/matrix-tnftp.ts';
import { wgetClient } from './support/matrix-wget.ts';
import type { Program } from './support/program.ts';
import { holdings } from './support/sockets.ts';
import { startSshferry } from './support/ssh.ts';
import { FTP_HOSTS, type FtpHost } from './support/topology.ts';
import { YOU } from './support/users.ts';

const CLIENTS = [curlClient, lftpClient, tnftpClient, ncftpClient, basicFtpClient, ftplibClient, wgetClient];
const LOOPBACK: Record<Family, string> = { 4: '127.0.0.1', 6: '::1' };
const PORTS: Record<FtpHost, number> = { vsftpd: 8101, proftpd: 8102, 'pure-ftpd': 8103, pyftpdlib: 8104 };
const PACKAGES: Record<FtpHost, string> = {
  vsftpd: 'vsftpd',
  proftpd: 'proftpd-core',
  'pure-ftpd': 'pure-ftpd',
  pyftpdlib: 'python3-pyftpdlib',
};
/** The table is written there as well as to the test's output. */
const TABLE_FILE = process.env.SSHFERRY_MATRIX_FILE;

let sshferry: Program;
let expected: Expected;
let direct: Promise<string> | null = null;
const outcomes: Outcome[] = [];

/** Everything that a client can do with a server, one after the other; what is red is tried again without sshferry. */
async function tryAll(client: MatrixClient, server: FtpHost): Promise<void> {
  const operations = OPERATIONS.filter((name) => has(client, name));
  for (const mode of client.modes) {
    for (const family of client.families) {
      const row = { client: client.name, server, mode, family };
      const wrong = await attempt(client, operations, row, false);
      const red = operations.filter((operation) => wrong.get(operation) !== null);
      const direct = red.length > 0 ? await attempt(client, red, row, true) : new Map<Operation, string>();
      for (const operation of operations) {
        const error = wrong.get(operation) ?? null;
        outcomes.push({ ...row, operation, error, direct: direct.get(operation) ?? null });
      }
    }
  }
}

async function attempt(
  client: MatrixClient,
  operations: readonly Operation[],
  { server, mode, family }: Pick<Outcome, 'server' | 'mode' | 'family'>,
  directly: boolean,
): Promise<Map<Operation, string | null>> {
  const { hosts } = lab();
  const host = hosts.c[server];
  const place = directly
    ? await withoutSshferry(server, mode, family)
    : { container: hosts.a.container, host: LOOPBACK[family], port: PORTS[server], mode };
  const own = `${client.name}-${mode}-${family}`;
  const work = {
    place,
    server: host.container,
    local: `/tmp/matrix/${server}-${own}`,
    remote: `incoming/${own}`,
  };
  const before = directly ? [] : await dataConnections();
  const wrong = await operate(client, operations, { ...work, expected });
  if (!directly && wrong.get('abort') === null) {
    await noneOfItsDataIsLeft(before).catch((error: Error) => wrong.set('abort', error.message));
  }
  for (const [operation, error] of wrong) wrong.set(operation, error && placeless(error, place));
  return wrong;
}

/** Where a client reaches the server itself. */
async function withoutSshferry(server: FtpHost, mode: Mode, family: Family): Promise<Place> {
  direct ??= startDirect(lab());
  const host = lab().hosts.c[server].inner?.[`v${family}`] ?? '';
  return { container: await direct, host, port: 21, mode };
}

/** sshferry's data connections, as far as clients see them; other clients' of this moment among them. */
async function dataConnections(): Promise<string[]> {
  const control = Object.values(PORTS);
  const { connections } = await holdings(lab().hosts.a.container, sshferry.pid, YOU);
  return connections.filter(
    (both) => !both.endsWith(':22') && !control.some((port) => both.split(' ')[0]?.endsWith(`:${port}`)),
  );
}

/** What is there now and was not before, its own or another's, has to go soon. */
async function noneOfItsDataIsLeft(before: readonly string[]): Promise<void> {
  const now = (await dataConnections()).filter((both) => !before.includes(both));
  if (now.length === 0) return;
  await vi.waitFor(
    async () => {
      const left = new Set(await dataConnections());
      expect(now.filter((both) => left.has(both))).toEqual([]);
    },
    { timeout: 20_000, interval: 200 },
  );
}

describeLab('every client with every server', () => {
  beforeAll(async () => {
    expected = makeMatrixFiles(lab().pub);
    const forwards = FTP_HOSTS.flatMap((server) => ['-L', `ftp/${PORTS[server]}:${server}:21`]);
    sshferry = await startSshferry(lab(), ...forwards);
  });

  afterAll(async () => {
    await sshferry?.signal('KILL');
  });

  it.each(CLIENTS)('$name', { timeout: 600_000 }, async (client) => {
    await Promise.all(FTP_HOSTS.map((server) => tryAll(client, server)));
    const tried = outcomes.filter((outcome) => outcome.client === client.name);
    const operations = OPERATIONS.filter((operation) => has(client, operation)).length;
    expect(tried).toHaveLength(FTP_HOSTS.length * client.modes.length * client.families.length * operations);
    const unexplained = tried
      .filter((outcome) => outcome.error !== null)
      // The same has to go wrong: another error would be sshferry's own.
      .filter((outcome) => outcome.direct !== outcome.error || explanationOf(outcome) === undefined)
      .map((outcome) => {
        const without = outcome.direct ?? 'all is well';
        return `${outcome.server}, ${labelOf(outcome)}: ${outcome.error}\n=== without sshferry: ${without}`;
      });
    expect(unexplained).toEqual([]);
  });

  it('is not what has two servers answer ncftpls with 550', async () => {
    const answers = await Promise.all(
      FTP_HOSTS.map(async (server) => {
        const { container, host } = await withoutSshferry(server, 'passive', 4);
        const login = ['-u', USER, '-p', PASSWORD];
        const argv = ['ncftpls', '-1', '-d', 'stdout', ...login, `ftp://${host}/pub/matrix/`];
        const { stdout } = await exec(container, argv);
        return [server, /^Cmd: +NLST -1\r?\n(\d+):/m.exec(stdout)?.[1]];
      }),
    );
    expect(Object.fromEntries(answers)).toEqual({
      vsftpd: '150',
      proftpd: '150',
      'pure-ftpd': '550',
      pyftpdlib: '550',
    });
  });

  it('leaves nothing but the listeners and the SSH connections', async () => {
    await vi.waitFor(
      async () => {
        const { listeners, connections } = await holdings(lab().hosts.a.container, sshferry.pid, YOU);
        const ports = new Set(listeners.map((listener) => Number(listener.replace(/.*:/, ''))));
        expect([...ports].sort()).toEqual(Object.values(PORTS));
        expect(connections.filter((both) => !both.endsWith(':22'))).toEqual([]);
      },
      { timeout: 20_000, interval: 500 },
    );
    expect(await sshferry.stop()).toBe(0);
    expect(sshferry.output).not.toMatch(/^\s+at /m);
  });

  it('gives the table', async () => {
    const { a, c } = lab().hosts;
    const versions = new Map<string, string>();
    for (const client of CLIENTS) versions.set(client.name, await client.version(a.container));
    for (const server of FTP_HOSTS)
      versions.set(server, await packageVersion(c[server].container, PACKAGES[server]));
    const table = formatMatrix(CLIENTS, FTP_HOSTS, outcomes, versions, explanations(outcomes));
    process.stdout.write(`\n${table}\n`);
    if (TABLE_FILE !== undefined) writeFileSync(TABLE_FILE, table);
    expect(outcomes.length).toBeGreaterThan(0);
  });
});

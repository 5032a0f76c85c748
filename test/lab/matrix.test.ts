import { afterAll, beforeAll, expect, it } from 'vitest';
import { exec } from './support/exec.ts';
import { describeLab, lab } from './support/lab.ts';
import { basicFtpClient } from './support/matrix-basic-ftp.ts';
import { PASSWORD, packageVersion, USER } from './support/matrix-client.ts';
import { curlClient } from './support/matrix-curl.ts';
import { explanations } from './support/matrix-explained.ts';
import { ftplibClient } from './support/matrix-ftplib.ts';
import { lftpClient } from './support/matrix-lftp.ts';
import { ncftpClient } from './support/matrix-ncftp.ts';
import { makeMatrixFiles } from './support/matrix-operations.ts';
import { Matrix } from './support/matrix-run.ts';
import { ftpServers } from './support/matrix-server.ts';
import { formatMatrix } from './support/matrix-table.ts';
import { tnftpClient } from './support/matrix-tnftp.ts';
import { wgetClient } from './support/matrix-wget.ts';
import type { Program } from './support/program.ts';
import { startSshferry } from './support/ssh.ts';
import { replaceTable } from './support/table-file.ts';
import { FTP_HOSTS, type FtpHost } from './support/topology.ts';

const CLIENTS = [curlClient, lftpClient, tnftpClient, ncftpClient, basicFtpClient, ftplibClient, wgetClient];
const OPERATIONS = ['list', 'get', 'put', 'resume', 'mirror', 'abort'] as const;
const PORTS: Record<FtpHost, number> = { vsftpd: 8101, proftpd: 8102, 'pure-ftpd': 8103, pyftpdlib: 8104 };
const PACKAGES: Record<FtpHost, string> = {
  vsftpd: 'vsftpd',
  proftpd: 'proftpd-core',
  'pure-ftpd': 'pure-ftpd',
  pyftpdlib: 'python3-pyftpdlib',
};
/**
 * `npm run test:long` tries every mode and family with every server, `npm test` one of them with
 * each.
 */
const WHOLE = process.env.SSHFERRY_MATRIX === 'whole';
/** The document whose table the run replaces. The test's output has the table in any case. */
const TABLE_FILE = process.env.SSHFERRY_MATRIX_FILE;

let sshferry: Program | undefined;
let matrix: Matrix;

describeLab('every client with every server', () => {
  beforeAll(async () => {
    const expected = makeMatrixFiles(lab().pub);
    const forwards = FTP_HOSTS.flatMap((server) => ['-L', `ftp/${PORTS[server]}:${server}:21`]);
    sshferry = await startSshferry(lab(), ...forwards);
    matrix = new Matrix({
      lab: lab(),
      sshferry,
      expected,
      operations: OPERATIONS,
      servers: ftpServers(lab(), PORTS),
      whole: WHOLE,
    });
  });

  afterAll(async () => {
    await sshferry?.signal('KILL');
  });

  it.each(CLIENTS)('$name', { timeout: 600_000 }, async (client) => {
    expect(await matrix.try(client)).toEqual([]);
  });

  it('is not why two servers reply 550 to ncftpls', async () => {
    const answers = await Promise.all(
      FTP_HOSTS.map(async (server) => {
        const { container, host } = await matrix.withoutSshferry(server, 'passive', 4);
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

  it('leaves only the listeners and the SSH connections', async () => {
    await matrix.nothingIsLeft();
    expect(await sshferry?.stop()).toBe(0);
    expect(sshferry?.output).not.toMatch(/^\s+at /m);
  });

  it('fills the table: every client with every server', async () => {
    const { a, c } = lab().hosts;
    const versions = new Map<string, string>();
    for (const client of CLIENTS) versions.set(client.name, await client.version(a.container));
    for (const server of FTP_HOSTS)
      versions.set(server, await packageVersion(c[server].container, PACKAGES[server]));
    const { outcomes } = matrix;
    const table = formatMatrix(CLIENTS, FTP_HOSTS, OPERATIONS, outcomes, versions, explanations(outcomes));
    process.stdout.write(`\n${table}\n`);
    if (TABLE_FILE !== undefined) replaceTable(TABLE_FILE, 'matrix', table);
    const untried = CLIENTS.flatMap(({ name }) =>
      FTP_HOSTS.filter((server) => !outcomes.some((o) => o.client === name && o.server === server)).map(
        (server) => `${name} with ${server}`,
      ),
    );
    expect(untried).toEqual([]);
    for (const server of FTP_HOSTS) expect(table).toMatch(new RegExp(`\\| ${server} \\S*\\d`));
    for (const { name } of CLIENTS) expect(table).toContain(`\n| ${name} `);
  });
});

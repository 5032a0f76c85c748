import { afterAll, beforeAll, expect, it } from 'vitest';
import { type FolderForwards, startFolderForwards } from './support/folder-servers.ts';
import { describeLab, lab } from './support/lab.ts';
import { basicFtpClient } from './support/matrix-basic-ftp.ts';
import { curlClient } from './support/matrix-curl.ts';
import { explanations } from './support/matrix-explained.ts';
import { ftplibClient } from './support/matrix-ftplib.ts';
import { lftpClient } from './support/matrix-lftp.ts';
import { ncftpClient } from './support/matrix-ncftp.ts';
import { makeMatrixFiles } from './support/matrix-operations.ts';
import { Matrix } from './support/matrix-run.ts';
import { formatMatrix } from './support/matrix-table.ts';
import { tnftpClient } from './support/matrix-tnftp.ts';
import { wgetClient } from './support/matrix-wget.ts';
import { replaceTable } from './support/table-file.ts';

const CLIENTS = [curlClient, lftpClient, tnftpClient, ncftpClient, basicFtpClient, ftplibClient, wgetClient];
const OPERATIONS = ['list', 'get', 'put', 'resume', 'mirror', 'abort', 'names'] as const;
/**
 * `npm run test:long` tries every mode and family with every server, `npm test` one of them with
 * each.
 */
const WHOLE = process.env.SSHFERRY_MATRIX === 'whole';
/** The document whose table the run replaces. The test's output has the table in any case. */
const TABLE_FILE = process.env.SSHFERRY_FOLDER_MATRIX_FILE;

let forwards: FolderForwards | undefined;
let matrix: Matrix;

describeLab('every client with a folder behind SFTP', () => {
  beforeAll(async () => {
    const expected = makeMatrixFiles(lab().pub);
    forwards = await startFolderForwards(lab());
    const { sshferry, servers } = forwards;
    matrix = new Matrix({ lab: lab(), sshferry, expected, operations: OPERATIONS, servers, whole: WHOLE });
  });

  afterAll(async () => {
    await forwards?.stop();
  });

  it.each(CLIENTS)('$name', { timeout: 600_000 }, async (client) => {
    expect(await matrix.try(client)).toEqual([]);
  });

  it('leaves only the listeners and the SSH connections', async () => {
    await matrix.nothingIsLeft();
    expect(await forwards?.sshferry.stop()).toBe(0);
    expect(forwards?.sshferry.output).not.toMatch(/^\s+at /m);
  });

  it('fills the table: every client with every server', async () => {
    const versions = (await forwards?.versions()) ?? new Map<string, string>();
    for (const client of CLIENTS) versions.set(client.name, await client.version(lab().hosts.a.container));
    const { outcomes, servers } = matrix;
    const table = formatMatrix(CLIENTS, servers, OPERATIONS, outcomes, versions, explanations(outcomes));
    process.stdout.write(`\n${table}\n`);
    if (TABLE_FILE !== undefined) replaceTable(TABLE_FILE, 'folder matrix', table);
    const untried = CLIENTS.flatMap(({ name }) =>
      servers.filter((server) => !outcomes.some((o) => o.client === name && o.server === server)),
    );
    expect(untried).toEqual([]);
    expect(forwards?.sshferry.output ?? '').not.toBe('');
  });
});

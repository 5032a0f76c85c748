import { afterAll, beforeAll, expect, it } from 'vitest';
import { COMMANDS } from './support/command-clients.ts';
import { type FolderForwards, startFolderForwards } from './support/folder-servers.ts';
import { describeLab, lab } from './support/lab.ts';
import { explanations } from './support/matrix-explained.ts';
import { makeMatrixFiles } from './support/matrix-operations.ts';
import { Matrix } from './support/matrix-run.ts';
import { formatMatrix } from './support/matrix-table.ts';
import { LIBRARIES, netFtpClient, tclFtpClient } from './support/script-clients.ts';
import { startStrangers } from './support/strangers-host.ts';
import { replaceTable } from './support/table-file.ts';

/** `many` takes long; strangers.test.ts has it. */
const OPERATIONS = ['list', 'get', 'put', 'resume', 'abort'] as const;
/** The document whose table the run replaces. Without it only a few clients are tried. */
const TABLE_FILE = process.env.SSHFERRY_FOLDER_STRANGERS_FILE;

/** Those that docker/client has. */
const USUAL = [netFtpClient, tclFtpClient];
/** Those that can do what is tried. */
const ALL = [...USUAL, ...LIBRARIES, ...COMMANDS].filter((client) => client.get ?? client.put);
const CLIENTS = TABLE_FILE === undefined ? USUAL : ALL;

let forwards: FolderForwards | undefined;
let matrix: Matrix;
let container: string;

describeLab('further clients with a folder behind SFTP', () => {
  beforeAll(async () => {
    const say = (line: string) => process.stderr.write(`lab: ${line}\n`);
    const strangers = TABLE_FILE === undefined ? lab() : await startStrangers(lab(), say);
    container = strangers.hosts.a.container;
    const expected = makeMatrixFiles(lab().pub);
    forwards = await startFolderForwards(strangers, ['OpenSSH']);
    const { sshferry, servers } = forwards;
    const whole = process.env.SSHFERRY_MATRIX === 'whole';
    matrix = new Matrix({ lab: strangers, sshferry, expected, operations: OPERATIONS, servers, whole });
  });

  afterAll(async () => {
    await forwards?.stop();
  });

  it.each(CLIENTS)('$name', { timeout: 600_000 }, async (client) => {
    expect(await matrix.try(client)).toEqual([]);
  });

  it('leave only the listeners and the SSH connections', async () => {
    await matrix.nothingIsLeft();
    expect(await forwards?.sshferry.stop()).toBe(0);
    expect(forwards?.sshferry.output).not.toMatch(/^\s+at /m);
  });

  it('fill the table', async () => {
    const { outcomes, servers } = matrix;
    const versions = (await forwards?.versions()) ?? new Map<string, string>();
    for (const client of CLIENTS) versions.set(client.name, await client.version(container));
    const table = formatMatrix(CLIENTS, servers, OPERATIONS, outcomes, versions, explanations(outcomes));
    process.stdout.write(`\n${table}\n`);
    if (TABLE_FILE !== undefined) replaceTable(TABLE_FILE, 'folder table', table);
    expect(outcomes.length).toBeGreaterThan(0);
  });
});

import { afterAll, beforeAll, expect, it } from 'vitest';
import { COMMANDS } from './support/command-clients.ts';
import { describeLab, lab } from './support/lab.ts';
import { packageVersion } from './support/matrix-client.ts';
import { explanations } from './support/matrix-explained.ts';
import { makeMatrixFiles } from './support/matrix-operations.ts';
import { Matrix } from './support/matrix-run.ts';
import { ftpServers } from './support/matrix-server.ts';
import { formatMatrix } from './support/matrix-table.ts';
import type { Program } from './support/program.ts';
import { LIBRARIES, netFtpClient, tclFtpClient } from './support/script-clients.ts';
import { startSshferry } from './support/ssh.ts';
import { startStrangers } from './support/strangers-host.ts';
import { replaceTable } from './support/table-file.ts';

const OPERATIONS = ['list', 'get', 'put', 'many', 'resume', 'abort'] as const;
/** Zsh's zftp takes only ports that /etc/services knows. */
const PORTS = { vsftpd: 8021, 'pure-ftpd': 2121 } as const;
/**
 * The document whose table the run replaces. Without it only the clients that found faults are
 * tried.
 */
const TABLE_FILE = process.env.SSHFERRY_STRANGERS_FILE;

/** Those that docker/client has. */
const USUAL = [netFtpClient, tclFtpClient];
const CLIENTS = TABLE_FILE === undefined ? USUAL : [...USUAL, ...LIBRARIES, ...COMMANDS];

let sshferry: Program | undefined;
let matrix: Matrix;
let container: string;

describeLab('clients that were new to sshferry', () => {
  beforeAll(async () => {
    const say = (line: string) => process.stderr.write(`lab: ${line}\n`);
    const strangers = TABLE_FILE === undefined ? lab() : await startStrangers(lab(), say);
    container = strangers.hosts.a.container;
    const expected = makeMatrixFiles(lab().pub);
    const forwards = Object.entries(PORTS).flatMap(([server, port]) => ['-L', `ftp/${port}:${server}:21`]);
    sshferry = await startSshferry(strangers, ...forwards);
    matrix = new Matrix({
      lab: strangers,
      sshferry,
      expected,
      operations: OPERATIONS,
      servers: ftpServers(strangers, PORTS),
      // All of them in every mode and family take hours.
      whole: process.env.SSHFERRY_MATRIX === 'whole',
    });
  });

  afterAll(async () => {
    await sshferry?.signal('KILL');
  });

  it.each(CLIENTS)('$name', { timeout: 1_800_000 }, async (client) => {
    expect(await matrix.try(client)).toEqual([]);
  });

  it('leave only the listeners and the SSH connections', async () => {
    await matrix.nothingIsLeft();
    expect(await sshferry?.stop()).toBe(0);
    expect(sshferry?.output).not.toMatch(/^\s+at /m);
  });

  it('fill the table', async () => {
    const { outcomes, servers } = matrix;
    const versions = new Map<string, string>();
    for (const client of CLIENTS) versions.set(client.name, await client.version(container));
    for (const server of ['vsftpd', 'pure-ftpd'] as const)
      versions.set(server, await packageVersion(lab().hosts.c[server].container, server));
    const table = formatMatrix(CLIENTS, servers, OPERATIONS, outcomes, versions, explanations(outcomes));
    process.stdout.write(`\n${table}\n`);
    if (TABLE_FILE !== undefined) replaceTable(TABLE_FILE, 'table', table);
    expect(outcomes.length).toBeGreaterThan(0);
  });
});

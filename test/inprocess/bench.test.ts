import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { title } from '../../bench/results.ts';
import { smokeRows } from '../../bench/rows.ts';
import { survey } from '../../bench/survey.ts';
import { describeWith } from '../support/openssh.ts';

const ROOT = path.join(import.meta.dirname, '../..');
const { missing, ftpServer } = await survey();

describeWith(ftpServer === null ? [...missing, 'vsftpd'] : missing, 'the bench', () => {
  it('runs every row against real servers, with the right bytes', {
    timeout: 240_000,
    retry: 1,
  }, async () => {
    const argv = ['--import', 'tsx', 'bench/main.ts', '--smoke'];
    const { stdout } = await promisify(execFile)(process.execPath, argv, { cwd: ROOT, timeout: 200_000 });
    const ran = stdout.match(/^ran, the bytes right: .*/gm);
    expect(ran?.sort()).toEqual(
      smokeRows()
        .map((row) => `ran, the bytes right: ${title(row)}`)
        .sort(),
    );
  });
});

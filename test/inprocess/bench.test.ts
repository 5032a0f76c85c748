import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { survey } from '../../bench/place.ts';
import { describeWith } from '../support/openssh.ts';

const ROOT = path.join(import.meta.dirname, '../..');
const { missing, ftpServer } = await survey();

describeWith(ftpServer === null ? [...missing, 'vsftpd'] : missing, 'the bench', () => {
  it('runs every row against real servers, with the right bytes', {
    timeout: 120_000,
    retry: 1,
  }, async () => {
    const argv = ['--import', 'tsx', 'bench/main.ts', '--smoke'];
    const { stdout } = await promisify(execFile)(process.execPath, argv, { cwd: ROOT, timeout: 100_000 });
    expect(stdout.match(/^ran, the bytes right: .*/gm)).toEqual(
      [
        'RETR of 1 GB, 10 ms',
        'STOR of 300 MB, 10 ms',
        '4 STORs of 100 MB at once, 10 ms',
        '50 files of 4 KiB, one curl, 10 ms',
        'RETR of 1 GB, 10 ms',
        'RETR of 1 GB, 0 ms',
        'STOR of 1 GB, 0 ms',
      ].map((row) => `ran, the bytes right: ${row}`),
    );
  });
});

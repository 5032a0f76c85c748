import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** Whether this process may mount a file system: the tests of full disks need a small one. */
export function canMount(): boolean {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'sshferry-mount-'));
  try {
    mountTmpfs(folder, 1024 * 1024)();
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Mounts a file system of `size` bytes at `folder`. Returns what unmounts it. */
export function mountTmpfs(folder: string, size: number): () => void {
  mkdirSync(folder, { recursive: true });
  const argv = ['-t', 'tmpfs', '-o', `size=${size},mode=777`, 'tmpfs', folder];
  execFileSync('mount', argv, { stdio: 'ignore' });
  return () => void execFileSync('umount', ['--lazy', folder], { stdio: 'ignore' });
}

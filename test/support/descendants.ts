import { readFile } from 'node:fs/promises';

/** A process of this machine. */
export interface Descendant {
  readonly pid: number;
  readonly name: string;
}

/** Returns the processes below `pid`, parents first. Linux only. */
export async function descendants(pid: number): Promise<Descendant[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const below = children
    .split(' ')
    .filter(Boolean)
    .map(Number)
    .map(async (child) => {
      const name = await readFile(`/proc/${child}/comm`, 'utf8').catch(() => '');
      return [{ pid: child, name: name.trim() }, ...(await descendants(child))];
    });
  return (await Promise.all(below)).flat();
}

/** Ends processes with SIGKILL; those that are gone already do not matter. */
export function killAll(processes: readonly Descendant[]): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {}
  }
}

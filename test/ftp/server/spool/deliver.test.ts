import { describe, expect, it } from 'vitest';
import type { StorePath } from '../../../../src/ftp/server/path.ts';
import { type DeliverySource, deliver } from '../../../../src/ftp/server/spool/deliver.ts';
import type { Entry } from '../../../../src/ftp/server/spool/entry.ts';
import { StoreError } from '../../../../src/ftp/server/store.ts';
import { Crash, ServerFiles, Steps, steppedStore } from '../../../support/crashing-store.ts';

/** More steps than any delivery has. */
const ALL = 30;

function entry(path: string, more: Partial<Entry> = {}): Entry {
  const base = {
    id: '0123456789abcdef',
    order: 1,
    kind: 'file',
    folder: '',
    path: path as StorePath,
  } as const;
  return { ...base, mode: 'replace', bytes: 3, since: 0, ...more };
}

/** A disk, which outlives a program that crashes. */
class Disk {
  placed: string | null = null;
  /** Whether the entry is still there. */
  entry = true;

  source(steps: Steps): DeliverySource {
    return {
      async *content() {
        for (const part of ['a', 'b', 'c']) yield Buffer.from(part);
      },
      placed: () => this.placed,
      setPlaced: (_, temporary) =>
        steps.take(() => {
          this.placed = temporary;
        }),
    };
  }
}

/** One run of the program: it delivers the entry if it is there, then removes it. */
async function run(of: Entry, disk: Disk, server: ServerFiles, steps: Steps): Promise<void> {
  if (!disk.entry) return;
  await deliver(of, steppedStore(server, steps), disk.source(steps), new AbortController().signal);
  await steps.take(() => {
    disk.entry = false;
  });
}

const whole = () => new Steps(ALL, () => new Error('too many steps'));

describe.each(['replace', 'create'] as const)('deliver (%s)', (mode) => {
  it('is exactly once, wherever the program is killed, twice, and a consumer takes the file away', async () => {
    for (let first = 1; first < ALL; first++)
      for (let second = 1; second < ALL; second += 3) {
        const [disk, server] = [new Disk(), new ServerFiles()];
        const one = entry('new/folder/f', { mode });
        for (const at of [first, second]) {
          await run(one, disk, server, new Steps(at, () => new Crash())).catch((error: unknown) => {
            if (!(error instanceof Crash)) throw error;
          });
          // A program at the server takes each file as soon as it is there.
          server.files.delete('new/folder/f');
        }
        await run(one, disk, server, whole());
        expect(server.published, `${first}, ${second}`).toEqual(['new/folder/f']);
        expect(disk.entry).toBe(false);
      }
  });

  it('leaves a whole file, and no other, wherever the connection is lost', async () => {
    for (let at = 1; at < ALL; at++) {
      const [disk, server] = [new Disk(), new ServerFiles()];
      const lost = new Steps(at, () => new StoreError('unavailable', 'lost'));
      const store = steppedStore(server, lost);
      const source = disk.source(whole());
      await deliver(entry('f', { mode }), store, source, new AbortController().signal).catch(
        (error: unknown) => {
          expect(error).toMatchObject({ reason: 'unavailable' });
        },
      );
      expect(['abc', undefined]).toContain(server.files.get('f'));
      await run(entry('f', { mode }), disk, server, whole());
      expect(server.published, `${at}`).toEqual(['f']);
      expect(server.files.get('f')).toBe('abc');
    }
  });
});

describe('deliver', () => {
  it('a name that is taken: the file of others stays, and nothing else is left', async () => {
    const [disk, server] = [new Disk(), new ServerFiles()];
    server.files.set('f', 'of others');
    await expect(run(entry('f', { mode: 'create' }), disk, server, whole())).rejects.toMatchObject({
      reason: 'exists',
    });
    expect([...server.files]).toEqual([['f', 'of others']]);
    expect(disk).toEqual({ entry: true, placed: null });
  });

  it('a name that is taken at the last moment', async () => {
    const [disk, server] = [new Disk(), new ServerFiles()];
    const source = disk.source(whole());
    const late: DeliverySource = {
      ...source,
      setPlaced: async (id, temporary) => {
        await source.setPlaced(id, temporary);
        if (temporary !== null) server.files.set('f', 'of others');
      },
    };
    const store = steppedStore(server, whole());
    const delivered = deliver(entry('f', { mode: 'create' }), store, late, new AbortController().signal);
    await expect(delivered).rejects.toMatchObject({ reason: 'exists' });
    expect([...server.files]).toEqual([['f', 'of others']]);
    expect(disk.placed).toBeNull();
  });

  it('a folder that exists is fine, a file of its name is not', async () => {
    const [disk, server] = [new Disk(), new ServerFiles()];
    const folder = entry('a/b', { kind: 'folder', bytes: 0 });
    await run(folder, disk, server, whole());
    disk.entry = true;
    await run(folder, disk, server, whole());
    expect([...server.folders]).toEqual(['', 'a', 'a/b']);
    server.files.set('f', '');
    disk.entry = true;
    await expect(run(entry('f/x', { kind: 'folder' }), disk, server, whole())).rejects.toMatchObject({
      reason: 'exists',
    });
  });
});

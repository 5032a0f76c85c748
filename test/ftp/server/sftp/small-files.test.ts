import { afterEach, describe, expect, it, vi } from 'vitest';
import type { StorePath } from '../../../../src/ftp/server/path.ts';
import { SftpServerFiles } from '../../../../src/ftp/server/sftp/sftp-server-files.ts';
import { SftpStore } from '../../../../src/ftp/server/sftp/sftp-store.ts';
import type { DirectorySource, FileStore, WriteMode } from '../../../../src/ftp/server/store.ts';
import { MemoryFiles, OPENSSH } from '../../../support/memory-sftp-server.ts';
import { pick, runSeed, seeded } from '../../../support/random.ts';
import type { ReceivedRequest } from '../../../support/scripted-sftp-server.ts';
import { memoryClient } from '../../../support/sftp-client.ts';
import { contentOf } from '../../../support/sftp-store.ts';

const { signal } = new AbortController();
const WHOLE = { start: 0, end: null };
/** Long ago: a file that has just changed is not fetched ahead. */
const OLD = 1_000_000;
const at = (path: string) => path as StorePath;

/** A server that holds its answers until the test releases them: one release is a round trip. */
function farServer(files: MemoryFiles) {
  const answers: (() => void)[] = [];
  const requests: string[] = [];
  let open = true;
  const schedule = (answer: () => void, { name }: ReceivedRequest) => {
    requests.push(name);
    if (open) answer();
    else answers.push(answer);
  };
  const made = memoryClient(files, { schedule });
  const settle = async () => {
    for (let i = 0; i < 20; i++) await new Promise(setImmediate);
  };
  /** Counts the round trips that `work` takes. */
  async function roundTrips<T>(
    work: () => Promise<T>,
  ): Promise<{ trips: number; requests: string[]; value: T }> {
    requests.length = 0;
    open = false;
    let over = false;
    const working = work().finally(() => {
      over = true;
    });
    working.catch(() => {});
    let trips = 0;
    await settle();
    while (!over) {
      if (answers.length === 0) throw new Error('it waits for nothing');
      trips += 1;
      for (const answer of answers.splice(0)) answer();
      await settle();
    }
    const sent = [...requests];
    open = true;
    for (const answer of answers.splice(0)) answer();
    await settle();
    return { trips, requests: sent, value: await working };
  }
  return { ...made, requests, roundTrips, settle };
}

function served(names: readonly string[] = ['f1', 'f2', 'f3', 'f4', 'f5', 'f6']) {
  const files = new MemoryFiles();
  for (const name of names) files.put(`/in/${name}`, `content of ${name}`).mtime = OLD;
  const server = farServer(files);
  const shared = new SftpServerFiles(server.client);
  const store = new SftpStore(shared, { folder: '/in' });
  /** What the files are without anything kept. */
  const plain = () => new SftpStore(new SftpServerFiles(server.client), { folder: '/in' });
  return { ...server, files, shared, store, plain };
}

async function read(store: FileStore, path: string): Promise<string> {
  return `${await contentOf(await store.openRead(at(path), WHOLE, signal))}`;
}

async function write(store: FileStore, path: string, content: string, mode: WriteMode = { kind: 'replace' }) {
  const sink = await store.openWrite(at(path), mode, null, signal);
  await sink.write(Buffer.from(content));
  await sink.finish();
}

async function entries(source: DirectorySource) {
  const all = [];
  for (let part = await source.read(); part !== null; part = await source.read()) all.push(...part);
  await source.close();
  return all;
}

const sizeOf = async (store: FileStore, path: string) => (await store.stat(at(path), signal, 'read')).size;

afterEach(() => {
  vi.useRealTimers();
});

describe('a download', () => {
  it('after SIZE takes two further round trips: OPEN, then FSTAT and READ together', async () => {
    const { store, roundTrips } = served();
    await store.open(signal);
    const size = await roundTrips(() => sizeOf(store, 'f1'));
    expect([size.trips, size.value]).toEqual([1, 'content of f1'.length]);
    // The answer to SIZE did not wait for it.
    expect(size.requests).toEqual(['LSTAT', 'OPEN']);
    const content = await roundTrips(() => read(store, 'f1'));
    expect(content.value).toBe('content of f1');
    expect(content.requests.filter((name) => name === 'LSTAT' || name === 'OPEN')).toEqual([]);
    expect(content.trips).toBeLessThanOrEqual(1);
  });

  it('that continues a sequence takes one round trip with SIZE, which asks the server', async () => {
    const { store, roundTrips, settle } = served();
    await store.open(signal);
    for (const name of ['f1', 'f2', 'f3']) {
      await sizeOf(store, name);
      await read(store, name);
      await settle();
    }
    const next = await roundTrips(async () => [await sizeOf(store, 'f4'), await read(store, 'f4')]);
    expect(next.value).toEqual(['content of f4'.length, 'content of f4']);
    expect(next.trips).toBe(1);
    // Without SIZE, the look-up is that round trip.
    const last = await roundTrips(() => read(store, 'f5'));
    expect([last.trips, last.value]).toEqual([1, 'content of f5']);
  });

  it('has the new content if another program has changed the file since it was fetched', async () => {
    const { store, files, settle } = served();
    for (const name of ['f1', 'f2', 'f3']) await read(store, name);
    await settle();
    Object.assign(files.put('/in/f4', 'changed elsewhere'), { mtime: OLD + 1 });
    expect(await read(store, 'f4')).toBe('changed elsewhere');
    files.delete('/in/f5');
    await expect(read(store, 'f5')).rejects.toMatchObject({ reason: 'not-found' });
  });

  it('fetches nothing for clients that only ask for sizes', async () => {
    const names = Array.from({ length: 40 }, (_, i) => `f${10 + i}`);
    const { store, requests, shared, settle } = served(names);
    for (const name of names) {
      await sizeOf(store, name);
      await settle();
    }
    // Sixteen are kept, and then four are fetched in vain: it gives up.
    expect(requests.filter((name) => name === 'OPEN').length).toBe(20);
    shared.primed.clear();
    await settle();
    requests.length = 0;
    await sizeOf(store, 'f10');
    expect(requests).toEqual(['LSTAT']);
  });

  it('leaves no handle open and no fetched file after its lifetime', async () => {
    const { store, requests, settle } = served();
    await store.open(signal);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await sizeOf(store, 'f1');
    await settle();
    expect(requests).not.toContain('CLOSE');
    vi.advanceTimersByTime(3001);
    await settle();
    expect(requests.filter((name) => name === 'CLOSE')).toEqual(['CLOSE']);
  });
});

describe('a list', () => {
  it('answers SIZE and MDTM for a moment, and no longer', async () => {
    const { store, roundTrips, files } = served();
    await entries(await store.list(at(''), signal));
    const size = await roundTrips(() => store.stat(at('f1'), signal));
    expect([size.trips, size.value.size, size.value.modified]).toEqual([0, 13, OLD * 1000]);
    const now = performance.now();
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now + 2001);
    files.put('/in/f1', 'longer than before').mtime = OLD;
    expect(await sizeOf(store, 'f1')).toBe(18);
    clock.mockRestore();
  });

  it.each([
    ['an upload', (other: FileStore) => write(other, 'f1', 'much longer than it was')],
    ['an upload after another', (other: FileStore) => write(other, 'f1', 'x', { kind: 'append' })],
    ['a removal', (other: FileStore) => other.remove(at('f1'))],
    ['a rename', (other: FileStore) => other.rename(at('f2'), at('f1'), true)],
    ['a new time', (other: FileStore) => other.setModified(at('f1'), 5000)],
    ['a new mode', (other: FileStore) => other.setMode(at('f1'), 0o600)],
  ])('answers nothing after %s through another session, nor does a fetched file', async (_, change) => {
    const { store, shared, plain, settle } = served();
    const other = new SftpStore(shared, { folder: '/in' });
    for (const name of ['f1', 'f2', 'f3']) await read(store, name);
    await entries(await store.list(at(''), signal));
    await sizeOf(store, 'f1');
    await settle();
    await change(other);
    const seen = async (of: FileStore) =>
      Promise.all([
        of.stat(at('f1'), signal).catch((error: Error) => error.message),
        read(of, 'f1').catch((error: Error) => error.message),
      ]);
    expect(await seen(store)).toEqual(await seen(plain()));
  });

  it('answers nothing while an upload writes to the file', async () => {
    const { store, plain } = served();
    await entries(await store.list(at(''), signal));
    const sink = await store.openWrite(at('f1'), { kind: 'append' }, null, signal);
    await sink.write(Buffer.from(' and more'));
    await entries(await store.list(at(''), signal));
    await sink.write(Buffer.from(' and still more'));
    await vi.waitFor(async () => expect(await sizeOf(plain(), 'f1')).toBe(37));
    expect(await sizeOf(store, 'f1')).toBe(37);
    await sink.finish();
    expect(await read(store, 'f1')).toBe('content of f1 and more and still more');
  });
});

describe('an upload', () => {
  it('takes three round trips after another in the same directory, and MFMT and CHMOD one each', async () => {
    const { store, roundTrips, files } = served();
    await write(store, 'first', 'x');
    const upload = await roundTrips(() => write(store, 'second', 'content'));
    expect(upload.trips).toBe(3);
    expect(upload.requests).toEqual(
      ['LSTAT', 'OPEN', 'FSTAT', 'CLOSE', OPENSSH_RENAME].toSpliced(2, 0, 'WRITE'),
    );
    const time = await roundTrips(() => store.setModified(at('second'), 1_234_000));
    expect([time.trips, files.get('/in/second')?.mtime]).toEqual([1, 1234]);
    const mode = await roundTrips(() => store.setMode(at('f1'), 0o600));
    expect([mode.trips, files.get('/in/f1')?.permissions]).toEqual([1, 0o100600]);
  });

  it('is finished only after the server has acknowledged the new name', async () => {
    const files = new MemoryFiles();
    files.put('/in/f', 'x');
    const held: (() => void)[] = [];
    const schedule = (answer: () => void, { name }: ReceivedRequest) =>
      name === OPENSSH_RENAME ? void held.push(answer) : answer();
    const { client } = memoryClient(files, { schedule });
    const store = new SftpStore(new SftpServerFiles(client), { folder: '/in' });
    let finished = 0;
    for (const name of ['a', 'b']) {
      const done = write(store, name, 'content').then(() => {
        finished += 1;
      });
      await vi.waitFor(() => expect(held.length).toBe(1));
      expect(files.has(`/in/${name}`)).toBe(false);
      expect(finished).toBe(name === 'a' ? 0 : 1);
      held.pop()?.();
      await done;
    }
  });

  it('leaves nothing behind if the look-up finds that it may not be', async () => {
    const { store, files, settle } = served();
    await write(store, 'new', 'x');
    const before = files.names.sort();
    const create = store.openWrite(at('f1'), { kind: 'create' }, null, signal);
    await expect(create).rejects.toMatchObject({ reason: 'exists' });
    files.put('/in/dir/x', 'x');
    const onDirectory = store.openWrite(at('dir'), { kind: 'replace' }, null, signal);
    await expect(onDirectory).rejects.toMatchObject({ reason: 'is-directory' });
    files.delete('/in/dir/x');
    await settle();
    expect(files.names.sort()).toEqual(before);
  });
});

const OPENSSH_RENAME = 'posix-rename@openssh.com';

it('the test’s server has the extensions of OpenSSH', () => {
  expect(OPENSSH).toHaveProperty([OPENSSH_RENAME]);
});

it('two sessions see what they would see without anything kept, whatever they do', async () => {
  const seed = runSeed();
  const random = seeded(seed);
  const names = ['f1', 'f2', 'f3', 'f4', 'f5', 'd/f1', 'd/f2', 'd/f3'];
  for (let run = 0; run < 25; run++) {
    const { shared, plain, files } = served(names);
    const sessions = [0, 1].map(() => new SftpStore(shared, { folder: '/in' }));
    let version = 0;
    // Each content is as long as the others, and the time is never new: only the drop shows a
    // change.
    const step = async (): Promise<unknown> => {
      const store = pick(random, sessions);
      const [path, other] = [pick(random, names), pick(random, names)];
      version += 1;
      const content = `version ${1000 + version}`;
      const ways = [
        () => sizeOf(store, path),
        () => sizeOf(store, path).then(() => read(store, path)),
        () => read(store, path),
        () => store.list(at(pick(random, ['', 'd'])), signal).then(entries),
        () => write(store, path, content),
        () => write(store, path, content, { kind: 'resume', start: 0 }),
        () => write(store, path, '+', { kind: 'append' }),
        () => store.openWrite(at(path), { kind: 'replace' }, null, signal).then((sink) => sink.abort(true)),
        () => store.remove(at(path)),
        () => store.rename(at(path), at(other), true),
        () => store.setModified(at(path), 7000),
        () => store.setMode(at(path), pick(random, [0o600, 0o644])),
      ];
      return pick(random, ways)().catch(() => {});
    };
    for (let i = 0; i < 25; i++) {
      // One alone, or several at once.
      await Promise.all(Array.from({ length: 1 + Math.floor(random() * 3) }, step));
      for (const file of files.values()) file.mtime ??= OLD;
      const path = pick(random, names);
      const what = async (store: FileStore) => [
        await store.stat(at(path), signal, 'read').catch((error: Error) => error.message),
        await read(store, path).catch((error: Error) => error.message),
      ];
      const kept = await what(pick(random, sessions));
      expect(kept, `SSHFERRY_SEED=${seed}, run ${run}, step ${i}, ${path}`).toEqual(await what(plain()));
    }
  }
});

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it, type TestContext } from 'vitest';
import { LocalStore, type LocalStoreOptions } from '../../../../src/ftp/server/local/local-store.ts';
import { ROOT, resolvePath, type StorePath } from '../../../../src/ftp/server/path.ts';
import type { DirectoryEntry, FileSink, StoreError, WriteMode } from '../../../../src/ftp/server/store.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const NEVER = new AbortController().signal;
const REPLACE: WriteMode = { kind: 'replace' };
const WHOLE = { start: 0, end: null };

function at(name: string): StorePath {
  const found = resolvePath(ROOT, Buffer.from(name).toString('latin1'));
  if (found === null) throw new Error(`${name} is no path`);
  return found;
}

/** A store over `root` in a folder that also has an `outside` with a secret. */
async function setUp(test: TestContext, options: LocalStoreOptions = {}) {
  const folder = await tempFolder(test);
  const root = path.join(folder, 'root');
  await mkdir(path.join(root, 'd'), { recursive: true });
  await mkdir(path.join(folder, 'outside'));
  await writeFile(path.join(folder, 'outside/secret'), 'secret');
  await writeFile(path.join(root, 'd/f'), 'hello');
  const store = await LocalStore.open(root, options);
  return { root, folder, store, file: (name: string) => path.join(root, name) };
}

/** What went wrong. */
async function reason(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'nothing',
    (error: StoreError) => error.reason,
  );
}

async function readAll(store: LocalStore, name: string, range = WHOLE): Promise<string> {
  const source = await store.openRead(at(name), range);
  const parts: Uint8Array[] = [];
  for (let bytes = await source.read(); bytes !== null; bytes = await source.read()) parts.push(bytes);
  await source.close();
  return Buffer.concat(parts).toString();
}

async function namesIn(store: LocalStore, name: string): Promise<string[]> {
  return (await entriesIn(store, name)).map((entry) => entry.name).sort();
}

async function entriesIn(store: LocalStore, name: string): Promise<DirectoryEntry[]> {
  const source = await store.list(at(name));
  const all: DirectoryEntry[] = [];
  for (let some = await source.read(); some !== null; some = await source.read()) all.push(...some);
  await source.close();
  return all;
}

async function write(sink: FileSink, ...parts: string[]): Promise<void> {
  for (const part of parts) await sink.write(Buffer.from(part));
}

describe('reading', () => {
  it('a file, and a part of it', async (test) => {
    const { store } = await setUp(test);
    expect(await readAll(store, 'd/f')).toBe('hello');
    expect(await readAll(store, 'd/f', { start: 1, end: null })).toBe('ello');
    expect(await readAll(store, 'd/f', { start: 1, end: 3 } as never)).toBe('el');
    expect(await readAll(store, 'd/f', { start: 5, end: null })).toBe('');
    const source = await store.openRead(at('d/f'), { start: 2, end: 99 });
    expect(source.size).toBe(3);
    await source.close();
  });
  it('refuses what is no plain file, without waiting for a FIFO', async (test) => {
    const { store, file } = await setUp(test);
    execFileSync('mkfifo', [file('fifo')]);
    expect(await reason(store.openRead(at('d'), WHOLE))).toBe('is-directory');
    expect(await reason(store.openRead(at('fifo'), WHOLE))).toBe('permission');
    expect(await reason(store.openRead(at('x'), WHOLE))).toBe('not-found');
    expect(await reason(store.openRead(at('d/f/x'), WHOLE))).toBe('not-directory');
    expect(await reason(store.openRead(at('d/f'), { start: 6, end: null }))).toBe('bad-offset');
    expect(await reason(store.openRead(at(`d/${'x'.repeat(300)}`), WHOLE))).toBe('bad-name');
  });
  it.for([
    ['grows', 'hello, world'],
    ['shrinks', 'hi'],
    ['is rewritten', 'HELLO'],
  ] as const)('does not end well if the file %s meanwhile', async ([, text], test) => {
    const { store, file } = await setUp(test);
    await utimes(file('d/f'), 1, 1);
    const source = await store.openRead(at('d/f'), WHOLE);
    await writeFile(file('d/f'), text);
    const read = async () => {
      while ((await source.read()) !== null);
    };
    expect(await reason(read())).toBe('changed');
    await source.close();
  });
});

describe('listing', () => {
  it('names with their facts, as bytes', async (test) => {
    const { store, file } = await setUp(test);
    await writeFile(Buffer.concat([Buffer.from(`${file('d')}/`), Buffer.of(0xff, 0xe9)]), '12');
    await utimes(file('d/f'), 1, 1_700_000_000);
    await chmod(file('d/f'), 0o640);
    expect(await namesIn(store, 'd')).toEqual(['f', '\xff\xe9']);
    const facts = (await entriesIn(store, 'd')).find(({ name }) => name === 'f')?.facts;
    expect(facts).toMatchObject({
      type: 'file',
      size: 5,
      modified: 1_700_000_000_000,
      mode: 0o640,
      owner: execFileSync('id', ['-un']).toString().trim(),
    });
    expect(facts?.unique).toBe((await store.stat(at('d/f'))).unique);
    expect(await store.stat(ROOT)).toMatchObject({ type: 'directory' });
    expect(await reason(store.list(at('d/f')))).toBe('not-directory');
  });
  it('many', async (test) => {
    const { store, file } = await setUp(test);
    await Promise.all(Array.from({ length: 350 }, (_, n) => writeFile(file(`d/${n}`), '')));
    expect(await namesIn(store, 'd')).toHaveLength(351);
  });
});

describe('an upload', () => {
  it('appears under its name only when it is whole', async (test) => {
    const { store, root, file } = await setUp(test);
    const sink = await store.openWrite(at('new'), REPLACE);
    await write(sink, 'a', 'b');
    expect(await namesIn(store, '')).toEqual(['d']);
    expect(await readdir(root)).toHaveLength(2);
    await sink.finish();
    expect(await readFile(file('new'), 'utf8')).toBe('ab');
    expect(await readdir(root)).toEqual(['d', 'new']);
  });
  it('leaves the old file alone until then, and keeps its mode', async (test) => {
    const { store, file } = await setUp(test);
    await chmod(file('d/f'), 0o600);
    const sink = await store.openWrite(at('d/f'), REPLACE);
    await write(sink, 'new');
    expect(await readAll(store, 'd/f')).toBe('hello');
    await sink.finish();
    expect(await readAll(store, 'd/f')).toBe('new');
    expect((await stat(file('d/f'))).mode & 0o777).toBe(0o600);
  });
  it.for<[string, boolean, string[], string | null]>([
    ['new', true, ['ab'], 'ab'],
    ['new', true, [], null],
    ['new', false, ['ab'], null],
    ['d/f', true, ['ab'], 'ab'],
    ['d/f', true, [], ''],
    ['d/f', false, ['ab'], 'hello'],
    ['d/f', false, [], 'hello'],
  ])('of %s that is aborted, keep %s, after %j, leaves %j', async ([name, keep, parts, left], test) => {
    const { store, root } = await setUp(test);
    const sink = await store.openWrite(at(name), REPLACE);
    await write(sink, ...parts);
    await sink.abort(keep);
    expect(await readFile(path.join(root, name), 'utf8').catch(() => null)).toBe(left);
    const all = execFileSync('find', [root, '-name', '.sshferry*']).toString();
    expect(all).toBe('');
  });
  it('that creates never replaces: not what is there, not what is promised, not what came meanwhile', async (test) => {
    const { store, file, root } = await setUp(test);
    expect(await reason(store.openWrite(at('d/f'), { kind: 'create' }))).toBe('exists');
    const first = await store.openWrite(at('new'), { kind: 'create' });
    expect(await reason(store.openWrite(at('new'), { kind: 'create' }))).toBe('exists');
    await write(first, 'mine');
    await writeFile(file('new'), 'theirs');
    expect(await reason(first.finish())).toBe('exists');
    expect(await reason(first.abort(true))).toBe('exists');
    expect(await readFile(file('new'), 'utf8')).toBe('theirs');
    expect(await readdir(root)).toEqual(['d', 'new']);
    const second = await store.openWrite(at('other'), { kind: 'create' });
    await second.abort(true);
    await (await store.openWrite(at('other'), { kind: 'create' })).finish();
    expect(await readFile(file('other'), 'utf8')).toBe('');
  });
  it('that resumes keeps what came before, and nothing of what came after', async (test) => {
    const { store } = await setUp(test);
    const sink = await store.openWrite(at('d/f'), { kind: 'resume', start: 2 });
    expect(await readAll(store, 'd/f')).toBe('hello');
    await write(sink, 'X');
    await sink.finish();
    expect(await readAll(store, 'd/f')).toBe('heX');
    expect(await reason(store.openWrite(at('d/f'), { kind: 'resume', start: 4 }))).toBe('bad-offset');
    expect(await reason(store.openWrite(at('new'), { kind: 'resume', start: 1 }))).toBe('not-found');
    const broken = await store.openWrite(at('d/f'), { kind: 'resume', start: 3 });
    await write(broken, 'YZ');
    await broken.abort(false);
    expect(await readAll(store, 'd/f')).toBe('heX');
  });
  it('that appends', async (test) => {
    const { store, file } = await setUp(test);
    const sink = await store.openWrite(at('d/f'), { kind: 'append' });
    const other = await store.openWrite(at('d/f'), { kind: 'append' });
    await write(sink, ', a');
    await write(other, ', b');
    await sink.finish();
    await other.finish();
    expect(await readAll(store, 'd/f')).toBe('hello, a, b');
    const created = await store.openWrite(at('new'), { kind: 'append' });
    await write(created, 'x');
    await created.finish();
    expect(await readFile(file('new'), 'utf8')).toBe('x');
  });
  it('to what is no plain file', async (test) => {
    const { store, file } = await setUp(test);
    execFileSync('mkfifo', [file('fifo')]);
    expect(await reason(store.openWrite(at('d'), REPLACE))).toBe('is-directory');
    expect(await reason(store.openWrite(at('fifo'), REPLACE))).toBe('permission');
    expect(await reason(store.openWrite(at('x/y'), REPLACE))).toBe('not-found');
  });
});

describe('changes', () => {
  it('directories', async (test) => {
    const { store, root } = await setUp(test);
    await store.makeDirectory(at('e'));
    expect(await reason(store.makeDirectory(at('e')))).toBe('exists');
    expect(await reason(store.removeDirectory(at('d')))).toBe('not-empty');
    expect(await reason(store.removeDirectory(at('d/f')))).toBe('not-directory');
    await store.removeDirectory(at('e'));
    expect(await readdir(root)).toEqual(['d']);
  });
  it('files', async (test) => {
    const { store, file } = await setUp(test);
    expect(await reason(store.remove(at('d')))).toBe('is-directory');
    await store.setModified(at('d/f'), 1_700_000_000_000);
    await store.setMode(at('d/f'), 0o604);
    expect(await store.stat(at('d/f'))).toMatchObject({ modified: 1_700_000_000_000, mode: 0o604 });
    await store.remove(at('d/f'));
    expect(await reason(store.remove(at('d/f')))).toBe('not-found');
    expect(await readdir(file('d'))).toEqual([]);
  });
  it('names: over a file as POSIX does, or only to a name that is free', async (test) => {
    const { store, file, root } = await setUp(test);
    await writeFile(file('g'), 'g');
    expect(await reason(store.rename(at('g'), at('d/f'), false))).toBe('exists');
    expect(await reason(store.rename(at('g'), at('d'), true))).toBe('is-directory');
    await store.rename(at('g'), at('h'), false);
    await store.rename(at('h'), at('d/f'), true);
    expect(await readAll(store, 'd/f')).toBe('g');
    await mkdir(file('e'));
    expect(await reason(store.rename(at('d'), at('e'), false))).toBe('exists');
    await store.rename(at('d'), at('k'), false);
    expect(await readdir(root)).toEqual(['e', 'k']);
  });
  it('tells room and hashes', async (test) => {
    const { store } = await setUp(test);
    expect(await store.available(ROOT)).toBeGreaterThan(0);
    const sum = (text: string) => createHash('sha256').update(text).digest('hex');
    expect(await store.hash(at('d/f'), 'SHA-256', WHOLE, NEVER)).toBe(sum('hello'));
    expect(await store.hash(at('d/f'), 'SHA-256', { start: 1, end: 4 }, NEVER)).toBe(sum('ell'));
  });
});

describe('links', () => {
  it('that stay inside are followed', async (test) => {
    const { store, file, root } = await setUp(test);
    await symlink('d', file('to-d'));
    await symlink('../d/f', file('d/to-f'));
    await symlink(path.join(root, 'd/f'), file('absolute'));
    await symlink('to-d/to-f', file('twice'));
    for (const name of ['to-d/f', 'd/to-f', 'absolute', 'twice', 'to-d/to-f']) {
      expect(await readAll(store, name), name).toBe('hello');
    }
    expect(await store.stat(at('to-d'))).toMatchObject({ type: 'directory' });
    expect(await namesIn(store, 'to-d')).toEqual(['f', 'to-f']);
    const sink = await store.openWrite(at('twice'), REPLACE);
    await write(sink, 'through');
    await sink.finish();
    expect(await readAll(store, 'd/f')).toBe('through');
    expect((await lstat(file('twice'))).isSymbolicLink()).toBe(true);
    await store.remove(at('twice'));
    expect(await readAll(store, 'd/f')).toBe('through');
  });
  it('that lead out are not, by any way', async (test) => {
    const { store, file, folder } = await setUp(test);
    await symlink('../outside', file('up'));
    await symlink('../../outside/secret', file('d/secret'));
    await symlink(path.join(folder, 'outside'), file('absolute'));
    await symlink(`${path.join(folder, 'root')}/../outside`, file('around'));
    await symlink('up', file('twice'));
    await symlink('/', file('slash'));
    await symlink(`${path.join(folder, 'root')}x`, file('prefix'));
    await mkdir(path.join(folder, 'rootx'));
    for (const name of ['up', 'absolute', 'around', 'twice', 'slash', 'prefix', 'd/secret']) {
      const inside = name === 'd/secret' ? name : `${name}/secret`;
      expect(await reason(store.openRead(at(inside), WHOLE)), inside).toBe('permission');
      expect(await reason(store.openWrite(at(inside), REPLACE)), inside).toBe('permission');
      expect(await reason(store.list(at(name))), name).toBe('permission');
      expect((await store.stat(at(name))).type, name).toBe('link');
      expect(await reason(store.setMode(at(name), 0o777)), name).toBe('permission');
      expect(await reason(store.setModified(at(name), 0)), name).toBe('permission');
      if (name === 'd/secret') continue;
      expect(await reason(store.stat(at(inside))), inside).toBe('permission');
      expect(await reason(store.makeDirectory(at(`${name}/n`))), name).toBe('permission');
      expect(await reason(store.removeDirectory(at(`${name}/n`))), name).toBe('permission');
      expect(await reason(store.remove(at(inside))), inside).toBe('permission');
      expect(await reason(store.rename(at('d/f'), at(`${name}/n`), true)), name).toBe('permission');
      expect(await reason(store.rename(at(inside), at('n'), true)), inside).toBe('permission');
    }
    expect((await entriesIn(store, '')).filter(({ facts }) => facts.type === 'link')).toHaveLength(6);
    expect(await readFile(path.join(folder, 'outside/secret'), 'utf8')).toBe('secret');
  });
  it('that lead out, if they are to be followed', async (test) => {
    const { store, file } = await setUp(test, { followLinks: 'anywhere' });
    await symlink('../outside', file('up'));
    expect(await readAll(store, 'up/secret')).toBe('secret');
    expect(await namesIn(store, 'up')).toEqual(['secret']);
  });
  it('in a circle, or to nowhere', async (test) => {
    const { store, file, root } = await setUp(test);
    await symlink('b', file('a'));
    await symlink('a', file('b'));
    await symlink('nowhere', file('c'));
    expect(await reason(store.openRead(at('a'), WHOLE))).toBe('permission');
    expect((await store.stat(at('c'))).type).toBe('link');
    expect(await reason(store.openRead(at('c'), WHOLE))).toBe('not-found');
    await store.rename(at('c'), at('e'), true);
    await store.remove(at('a'));
    expect(await readdir(root)).toEqual(['b', 'd', 'e']);
  });
  it.runIf(process.platform === 'linux')(
    'that take the place of a directory while it is in use',
    async (test) => {
      const { store, file, folder } = await setUp(test);
      const sink = await store.openWrite(at('d/new'), REPLACE);
      const listing = await store.list(at('d'));
      await rename(file('d'), file('moved'));
      await symlink('../outside', file('d'));
      await write(sink, 'text');
      await sink.finish();
      expect(await readdir(path.join(folder, 'outside'))).toEqual(['secret']);
      expect(await readFile(file('moved/new'), 'utf8')).toBe('text');
      const names = (await listing.read())?.map(({ name }) => name).sort();
      expect(names).not.toContain('secret');
      await listing.close();
    },
  );
});

it('is no store without its folder', async (test) => {
  const folder = await tempFolder(test);
  expect(await reason(LocalStore.open(path.join(folder, 'x')))).toBe('not-found');
});

import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { OpenFlag, StatusCode } from '../../src/sftp/codec/protocol.ts';
import { isTemporaryName } from '../../src/sftp/upload/temporary-name.ts';
import type { Upload, UploadOptions } from '../../src/sftp/upload/upload.ts';
import { MemoryFiles, type MemoryOptions } from '../support/memory-sftp-server.ts';
import type { ReceivedRequest } from '../support/scripted-sftp-server.ts';
import { memoryClient, pattern } from '../support/sftp-client.ts';

const KiB = 1024;
const path = Buffer.from('/in/file');
const NAME = '/in/file';

type Intercept = NonNullable<MemoryOptions['intercept']>;

/** A client of a server with `existing` under the name. */
function serve(existing: string | null, options: Parameters<typeof memoryClient>[1] = {}) {
  const files = new MemoryFiles();
  if (existing !== null) files.put(NAME, existing);
  return { files, ...memoryClient(files, options) };
}

/** The names on the server, `temporary` in the place of temporary ones. */
const names = (files: MemoryFiles) =>
  files.names.map((name) => (isTemporaryName(Buffer.from(name.slice(4))) ? 'temporary' : name)).sort();

async function put(upload: Upload, content: string | Buffer): Promise<number> {
  upload.stream.end(content);
  return upload.finish();
}

/** Writes, and waits until the server has acknowledged it all. */
async function write(upload: Upload, content: string | Buffer): Promise<void> {
  upload.stream.write(content);
  const target = upload.acknowledged + Buffer.byteLength(content);
  await vi.waitFor(() => expect(upload.acknowledged).toBe(target), { interval: 1 });
}

/** Answers these requests with a status. */
const refuse =
  (status: number, ...which: string[]): Intercept =>
  ({ name, id }, server) => {
    if (which.includes(name)) server.status(id, status);
    return which.includes(name);
  };

const OTHER = {};

describe('an upload', () => {
  it('appears under its name only when it is whole', async () => {
    const { client, files } = serve(null);
    const upload = client.upload(path);
    await upload.opened;
    await write(upload, 'content');
    expect(names(files)).toEqual(['temporary']);
    upload.stream.end();
    expect(await upload.finish()).toBe(7);
    expect(names(files)).toEqual([NAME]);
    expect(files.text(NAME)).toBe('content');
  });

  it.each([0, 1, 32 * KiB, 255 * KiB, 255 * KiB + 1, 1000 * KiB])(
    'of %d bytes has its content',
    async (size) => {
      const content = pattern(size);
      const { client, files } = serve(null);
      const upload = client.upload(path);
      for (let at = 0; at < size; at += 10_007) {
        if (!upload.stream.write(content.subarray(at, at + 10_007))) await once(upload.stream, 'drain');
      }
      upload.stream.end();
      expect(await upload.finish()).toBe(size);
      expect(files.get(NAME)?.content.equals(content)).toBe(true);
      expect(names(files)).toEqual([NAME]);
    },
  );

  it('takes three round trips towards OpenSSH: to open, to write and close, to rename', async () => {
    const held: (() => void)[] = [];
    const { client, requests, files } = serve(null, { schedule: (answer) => held.push(answer) });
    const done = put(client.upload(path), 'content');
    const flights: string[][] = [];
    for (let flight = 0; flight < 3; flight++) {
      for (let i = 0; i < 5; i++) await turn();
      flights.push(requests.splice(0).filter((name) => name !== 'limits@openssh.com'));
      for (const answer of held.splice(0)) answer();
    }
    expect(flights).toEqual([['LSTAT', 'OPEN'], ['WRITE', 'FSTAT', 'CLOSE'], ['posix-rename@openssh.com']]);
    await done;
    expect(files.text(NAME)).toBe('content');
  });

  it('towards other servers writes in order, in one session, and closes after the last answer', async () => {
    const held: (() => void)[] = [];
    const offsets: number[] = [];
    const { client, requests, files, servers } = serve(null, {
      extensions: OTHER,
      schedule: (answer) => held.push(answer),
      intercept: ({ name, fields }) => {
        if (name === 'WRITE') {
          fields.skipString(); // the handle
          offsets.push(fields.u64());
        }
        return false;
      },
    });
    const content = pattern(200 * KiB);
    const done = put(client.upload(path), content);
    while (!requests.includes('RENAME')) {
      await turn();
      if (requests.includes('CLOSE')) expect(requests.filter((name) => name === 'WRITE')).toHaveLength(7);
      for (const answer of held.splice(0)) answer();
    }
    for (const answer of held.splice(0)) answer();
    await done;
    expect(servers).toHaveLength(1);
    expect(offsets).toEqual([0, 32, 64, 96, 128, 160, 192].map((at) => at * KiB));
    expect(files.get(NAME)?.content.equals(content)).toBe(true);
  });

  it('waits for the server’s disk if that is wanted, before it closes the file', async () => {
    const { client, requests } = serve(null);
    await put(client.upload(path, { fsync: true }), 'content');
    const order = requests.filter((name) => ['WRITE', 'fsync@openssh.com', 'CLOSE'].includes(name));
    expect(order).toEqual(['WRITE', 'fsync@openssh.com', 'CLOSE']);
  });

  it('holds no more than a megabyte for a server that takes nothing', async () => {
    const { client, servers } = serve(null);
    const upload = client.upload(path);
    await upload.opened;
    servers[0]?.wire.pause();
    let taken = 0;
    const block = Buffer.alloc(64 * KiB);
    for (let i = 0; i < 100; i++) {
      while (upload.stream.writableNeedDrain === false && taken < 64 * KiB * KiB) {
        upload.stream.write(block);
        taken += block.length;
      }
      await turn();
    }
    expect(taken).toBeLessThanOrEqual(1280 * KiB);
    expect(upload.stream.writableNeedDrain).toBe(true);
    client.close();
    await upload.abandon();
  });

  it('gathers small pieces while an answer is under way', async () => {
    const { client, requests, files } = serve(null, { schedule: (answer) => setTimeout(answer, 5) });
    const upload = client.upload(path);
    await upload.opened;
    for (let i = 0; i < 1000; i++) upload.stream.write('x'.repeat(100));
    await put(upload, 'end');
    expect(files.get(NAME)?.content).toHaveLength(100_003);
    expect(requests.filter((name) => name === 'WRITE').length).toBeLessThan(10);
  });
});

describe('over a file that exists, an upload', () => {
  it('leaves it as it is until the end, then replaces it, with its permissions', async () => {
    const { client, files } = serve('old content');
    const old = files.get(NAME);
    if (old) old.permissions = 0o104600;
    const upload = client.upload(path);
    await upload.opened;
    await write(upload, 'new');
    expect(files.text(NAME)).toBe('old content');
    upload.stream.end();
    await upload.finish();
    expect(files.text(NAME)).toBe('new');
    expect(files.get(NAME)?.permissions).toBe(0o100600);
    expect(names(files)).toEqual([NAME]);
  });

  it('without posix-rename moves it aside for a moment, and says so once', async () => {
    const { client, files, requests, remarks } = serve('old', { extensions: OTHER });
    await put(client.upload(path), 'new');
    await put(client.upload(path), 'newer');
    expect(requests.filter((name) => ['RENAME', 'REMOVE'].includes(name)).slice(0, 4)).toEqual([
      'RENAME',
      'RENAME',
      'RENAME',
      'REMOVE',
    ]);
    expect(files.text(NAME)).toBe('newer');
    expect(names(files)).toEqual([NAME]);
    expect(remarks).toEqual(['replaced-in-steps']);
  });

  it('puts the old one back if the new one cannot have the name', async () => {
    let renames = 0;
    const { client, files } = serve('old', {
      extensions: OTHER,
      intercept: ({ name, id }, server) => {
        if (name !== 'RENAME' || ++renames !== 3) return false;
        server.status(id, StatusCode.FAILURE);
        return true;
      },
    });
    const upload = client.upload(path, { keepPartial: false });
    await expect(put(upload, 'new')).rejects.toThrow('the SFTP server answered RENAME: failure');
    expect(files.text(NAME)).toBe('old');
    expect(await upload.abandon()).toEqual({ state: 'unchanged' });
    expect(names(files)).toEqual([NAME]);
  });

  it('is refused if the user could not write to it', async () => {
    const { client, files } = serve('old', {
      intercept: (request, server) => {
        if (request.name !== 'OPEN' || request.fields.view().toString() !== NAME) return false;
        server.status(request.id, StatusCode.PERMISSION_DENIED);
        return true;
      },
    });
    const upload = client.upload(path);
    await expect(upload.opened).rejects.toMatchObject({ status: StatusCode.PERMISSION_DENIED });
    expect(await upload.reason()).toBe('denied');
    expect(await upload.abandon()).toEqual({ state: 'unchanged' });
    await vi.waitFor(() => expect(names(files)).toEqual([NAME]));
    expect(files.text(NAME)).toBe('old');
  });

  it.each([
    ['keeps its owner', StatusCode.OK, true],
    ['writes to it directly if its owner cannot be kept', StatusCode.PERMISSION_DENIED, false],
  ])('%s', async (_what, answer, replaced) => {
    const { client, files } = serve('old', {
      intercept: ({ name, id, fields }, server) => {
        if (name === 'LSTAT') server.attributes(id, { permissions: 0o100644, uid: 33, gid: 33 });
        else if (name === 'FSETSTAT' && !isModeOnly(fields)) server.status(id, answer);
        else return false;
        return true;
      },
    });
    const before = files.get(NAME);
    await put(client.upload(path), 'new');
    expect(files.text(NAME)).toBe('new');
    expect(files.get(NAME) === before).toBe(!replaced);
    expect(names(files)).toEqual([NAME]);
  });

  /** Whether FSETSTAT sets the permissions alone. */
  const isModeOnly = (fields: ReceivedRequest['fields']) => {
    fields.skipString(); // the handle
    return fields.u32() === 4;
  };

  it('goes through a link', async () => {
    const { client, files } = serve('old', {
      intercept: ({ name, id }, server) => {
        if (name === 'LSTAT') server.attributes(id, { permissions: 0o120777 });
        return name === 'LSTAT';
      },
    });
    const before = files.get(NAME);
    await put(client.upload(path), 'new');
    expect(files.get(NAME)).toBe(before);
    expect(files.text(NAME)).toBe('new');
  });

  it.each([
    ['a folder', 0o040755, 'is-directory'],
    ['a device', 0o020644, 'not-a-file'],
  ])('is refused if it is %s', async (_what, permissions, reason) => {
    const { client, files } = serve('old', {
      intercept: ({ name, id }, server) => {
        if (name === 'LSTAT') server.attributes(id, { permissions });
        return name === 'LSTAT';
      },
    });
    const upload = client.upload(path);
    await expect(upload.opened).rejects.toMatchObject({ fault: reason });
    expect(await upload.reason()).toBe(reason);
    await upload.abandon();
    await vi.waitFor(() => expect(names(files)).toEqual([NAME]));
  });

  it('that must not be replaced, is refused', async () => {
    const { client, files } = serve('old');
    const upload = client.upload(path, { mode: 'create' });
    await expect(upload.opened).rejects.toMatchObject({ fault: 'exists' });
    await upload.abandon();
    await vi.waitFor(() => expect(names(files)).toEqual([NAME]));
    expect(files.text(NAME)).toBe('old');
  });

  it('that appears meanwhile and must not be replaced, leaves it', async () => {
    const { client, files } = serve(null);
    const upload = client.upload(path, { mode: 'create' });
    await upload.opened;
    files.put(NAME, 'another');
    await expect(put(upload, 'mine')).rejects.toMatchObject({ fault: 'exists' });
    expect(await upload.abandon()).toEqual({ state: 'unchanged' });
    expect(files.text(NAME)).toBe('another');
    expect(names(files)).toEqual([NAME]);
  });
});

describe('where a second name does not work', () => {
  const onlyTheName: Intercept = ({ name, id, fields }, server) => {
    const denied = name === 'OPEN' && fields.view().toString() !== NAME;
    if (denied) server.status(id, StatusCode.PERMISSION_DENIED);
    return denied;
  };

  it.each([null, 'old'])(
    'an upload is written directly, which is said once (before: %s)',
    async (existing) => {
      const { client, files, remarks, requests } = serve(existing, { intercept: onlyTheName });
      await put(client.upload(path), 'new');
      requests.length = 0;
      await put(client.upload(path), 'newer');
      expect(files.text(NAME)).toBe('newer');
      expect(requests.filter((name) => name === 'OPEN')).toHaveLength(1);
      expect(remarks).toEqual(['direct-writes']);
    },
  );

  it('a folder that allows nothing refuses', async () => {
    const { client } = serve(null, { intercept: refuse(StatusCode.PERMISSION_DENIED, 'OPEN') });
    const upload = client.upload(path);
    await expect(upload.opened).rejects.toMatchObject({ status: StatusCode.PERMISSION_DENIED });
    expect(await upload.abandon()).toEqual({ state: 'unchanged' });
  });

  it('a full disk is no reason to truncate what exists', async () => {
    const { client, files } = serve('old', {
      intercept: ({ name, id, fields }, server) => {
        const fails = name === 'OPEN' && fields.view().toString() !== NAME;
        if (fails) server.status(id, StatusCode.FAILURE);
        return fails;
      },
    });
    const upload = client.upload(path);
    await expect(upload.opened).rejects.toMatchObject({ status: StatusCode.FAILURE });
    await upload.abandon();
    expect(files.text(NAME)).toBe('old');
  });

  it.each([
    ['on the server', undefined],
    ['through here', OTHER],
  ])('and nothing may be renamed, the content is copied %s', async (_where, extensions) => {
    const content = pattern(300 * KiB);
    const { client, files, remarks } = serve('old', {
      ...(extensions && { extensions }),
      intercept: refuse(StatusCode.PERMISSION_DENIED, 'RENAME', 'posix-rename@openssh.com'),
    });
    await put(client.upload(path), content);
    expect(files.get(NAME)?.content.equals(content)).toBe(true);
    expect(names(files)).toEqual([NAME]);
    expect(remarks).toEqual(['direct-writes']);
    await put(client.upload(path), 'next');
    expect(files.text(NAME)).toBe('next');
  });

  it('a temporary file that cannot be removed is mentioned', async () => {
    const { client, files, remarks } = serve(null, {
      intercept: refuse(StatusCode.PERMISSION_DENIED, 'RENAME', 'posix-rename@openssh.com', 'REMOVE'),
    });
    await put(client.upload(path), 'content');
    expect(names(files)).toEqual([NAME, 'temporary']);
    expect(remarks).toEqual(['direct-writes', 'leftover']);
  });

  it('an upload that is given up leaves what has come, or nothing', async () => {
    for (const keepPartial of [true, false]) {
      const { client, files } = serve('old', { intercept: onlyTheName });
      const upload = client.upload(path, { keepPartial });
      await upload.opened;
      await write(upload, 'part');
      expect(await upload.abandon()).toEqual(
        keepPartial ? { state: 'kept', bytes: 4 } : { state: 'removed' },
      );
      expect(files.text(NAME)).toBe(keepPartial ? 'part' : undefined);
    }
  });
});

describe('going on in a file that exists', () => {
  it('appends after its end, in the server’s own way', async () => {
    const flags: number[] = [];
    const { client, files } = serve('first ', {
      intercept: ({ name, fields }) => {
        if (name === 'OPEN') {
          fields.skipString(); // the path
          flags.push(fields.u32());
        }
        return false;
      },
    });
    const upload = client.upload(path, { mode: 'append' });
    await upload.opened;
    await write(upload, 'sec');
    const file = files.get(NAME);
    if (file) file.content = Buffer.concat([file.content, Buffer.from('[other]')]);
    await put(upload, 'ond');
    expect(files.text(NAME)).toBe('first sec[other]ond');
    expect(flags).toEqual([OpenFlag.WRITE | OpenFlag.APPEND]);
  });

  it.each<[string, UploadOptions['mode'], string]>([
    ['append to', 'append', 'changed'],
    ['resume', { resumeAt: 6 }, 'beyond-end'],
  ])(
    'fails to %s a file that the server empties when it is opened, as rclone does',
    async (_, mode, fault) => {
      const { client, files } = serve('first ', {
        intercept: ({ name }) => {
          const file = files.get(NAME);
          if (name === 'OPEN' && file) file.content = Buffer.alloc(0);
          return false;
        },
      });
      const upload = client.upload(path, { mode });
      await expect(upload.opened).rejects.toMatchObject({ fault });
      expect(await upload.abandon()).toEqual({ state: 'unchanged' });
    },
  );

  it('appends to no file as to a new one, which appears when it is whole', async () => {
    const { client, files } = serve(null);
    const upload = client.upload(path, { mode: 'append' });
    await upload.opened;
    await write(upload, 'new');
    expect(names(files)).toEqual(['temporary']);
    upload.stream.end();
    await upload.finish();
    expect(files.text(NAME)).toBe('new');
  });

  it.each([
    ['where it stopped', 'first ', 6, 'first second'],
    ['before its end, which goes', 'first and old', 6, 'first second'],
    ['at its beginning', 'old', 0, 'second'],
  ])('resumes %s', async (_where, existing, resumeAt, result) => {
    const { client, files } = serve(existing);
    await put(client.upload(path, { mode: { resumeAt } }), 'second');
    expect(files.text(NAME)).toBe(result);
    expect(names(files)).toEqual([NAME]);
  });

  it.each([
    ['beyond its end', 'short', { fault: 'beyond-end' }],
    ['of no file', null, { status: StatusCode.NO_SUCH_FILE }],
  ])('refuses to resume %s', async (_where, existing, error) => {
    const { client, files } = serve(existing);
    const upload = client.upload(path, { mode: { resumeAt: 6 } });
    await expect(upload.opened).rejects.toMatchObject(error);
    expect(await upload.abandon()).toEqual({ state: 'unchanged' });
    expect(files.text(NAME)).toBe(existing ?? undefined);
  });

  it.each<[string, UploadOptions['mode'], string]>([
    ['append to', 'append', 'FSTAT'],
    ['resume', { resumeAt: 3 }, 'FSTAT'],
    ['cut', { resumeAt: 3 }, 'FSETSTAT'],
  ])('closes a file that it cannot %s', async (_what, mode, refused) => {
    const { client, files, requests } = serve('first ', {
      intercept: refuse(StatusCode.PERMISSION_DENIED, refused),
    });
    const upload = client.upload(path, { mode });
    await expect(upload.opened).rejects.toMatchObject({ status: StatusCode.PERMISSION_DENIED });
    expect(await upload.abandon()).toEqual({ state: 'unchanged' });
    await vi.waitFor(() => expect(requests).toContain('CLOSE'));
    expect(files.text(NAME)).toBe('first ');
  });

  it('leaves what has come when it is given up, or what was there', async () => {
    for (const keepPartial of [true, false]) {
      const { client, files } = serve('first ');
      const upload = client.upload(path, { mode: { resumeAt: 6 }, keepPartial });
      await upload.opened;
      await write(upload, 'part');
      expect(await upload.abandon()).toEqual({ state: 'kept', bytes: keepPartial ? 10 : 6 });
      expect(files.text(NAME)).toBe(keepPartial ? 'first part' : 'first ');
    }
  });

  it('cuts nothing off that was appended', async () => {
    const { client, files } = serve('first ');
    const upload = client.upload(path, { mode: 'append' });
    await upload.opened;
    await write(upload, 'part');
    const file = files.get(NAME);
    if (file) file.content = Buffer.concat([file.content, Buffer.from('[other]')]);
    expect(await upload.abandon()).toMatchObject({ state: 'kept' });
    expect(files.text(NAME)).toBe('first part[other]');
  });
});

describe('an upload that is given up', () => {
  const cases: [string, string | null, UploadOptions, object, string | undefined][] = [
    ['is kept as far as it came', null, {}, { state: 'kept', bytes: 4 }, 'part'],
    [
      'takes the place of an older file, so that it can be resumed',
      'old content',
      {},
      { state: 'kept', bytes: 4 },
      'part',
    ],
    ['leaves nothing if that is wanted', null, { keepPartial: false }, { state: 'unchanged' }, undefined],
    ['leaves an older file if that is wanted', 'old', { keepPartial: false }, { state: 'unchanged' }, 'old'],
  ];
  it.each(cases)('%s', async (_what, existing, options, outcome, text) => {
    const { client, files } = serve(existing);
    const upload = client.upload(path, options);
    await upload.opened;
    await write(upload, 'part');
    expect(await upload.abandon()).toEqual(outcome);
    expect(files.text(NAME)).toBe(text);
    expect(names(files)).toEqual(text === undefined ? [] : [NAME]);
  });

  it('before any byte came, changes nothing', async () => {
    const { client, files } = serve('old');
    const upload = client.upload(path);
    await upload.opened;
    expect(await upload.abandon()).toEqual({ state: 'unchanged' });
    await vi.waitFor(() => expect(names(files)).toEqual([NAME]));
    expect(files.text(NAME)).toBe('old');
  });

  it.each([0, 1, 3])('%d turns after its start, leaves nothing', async (turns) => {
    const { client, files } = serve(null);
    const upload = client.upload(path);
    upload.stream.write('content');
    for (let i = 0; i < turns; i++) await turn();
    const outcome = await upload.abandon();
    await vi.waitFor(() => expect(names(files)).toEqual(outcome.state === 'kept' ? [NAME] : []));
    await client.run(async (session) => expect(session.error).toBeNull());
  });

  it('says the same when it is given up again', async () => {
    const { client } = serve(null);
    const upload = client.upload(path);
    await upload.opened;
    await write(upload, 'part');
    expect(await upload.abandon()).toEqual(await upload.abandon());
  });

  it('after it has finished, is whole', async () => {
    const { client, files } = serve(null);
    const upload = client.upload(path);
    await put(upload, 'content');
    expect(await upload.abandon()).toEqual({ state: 'kept', bytes: 7 });
    expect(files.text(NAME)).toBe('content');
  });

  it('while its last bytes are under way, is not taken for whole', async () => {
    const { client, files, requests } = serve(null, { schedule: (answer) => setTimeout(answer, 10) });
    const upload = client.upload(path);
    await upload.opened;
    const failed = expect(put(upload, pattern(400 * KiB))).rejects.toThrow('the upload was stopped');
    await vi.waitFor(() => expect(requests).toContain('CLOSE'), { interval: 1 });
    const outcome = await upload.abandon();
    await failed;
    expect(outcome).toMatchObject({ state: 'kept', bytes: files.get(NAME)?.content.length });
    expect(names(files)).toEqual([NAME]);
  });

  it('while it gets its name, is whole', async () => {
    const { client, files, requests } = serve(null, { schedule: (answer) => setTimeout(answer, 10) });
    const upload = client.upload(path);
    const done = put(upload, 'content');
    await vi.waitFor(() => expect(requests).toContain('posix-rename@openssh.com'), { interval: 1 });
    expect(await upload.abandon()).toEqual({ state: 'kept', bytes: 7 });
    expect(await done).toBe(7);
    expect(names(files)).toEqual([NAME]);
  });

  it('gives its sessions back', async () => {
    const { client } = serve(null);
    for (let i = 0; i < 3; i++) {
      const upload = client.upload(path);
      await upload.opened;
      await upload.abandon();
    }
    await put(client.upload(path), 'content');
    expect(client.sessions).toBe(1);
  });
});

describe('a server that fails', () => {
  const failingWrite = (number: number, status: number, words = ''): Intercept => {
    let writes = 0;
    return ({ name, id }, server) => {
      const fails = name === 'WRITE' && ++writes === number;
      if (fails) server.status(id, status, words);
      return fails;
    };
  };

  it('at a WRITE breaks the stream; what came before is kept', async () => {
    const { client, files } = serve(null, {
      intercept: failingWrite(3, StatusCode.FAILURE, 'No space left'),
    });
    const upload = client.upload(path);
    const content = pattern(4 * 255 * KiB);
    await expect(put(upload, content)).rejects.toMatchObject({ request: 'WRITE', words: 'No space left' });
    expect(await upload.reason()).toBe('no-space');
    expect(await upload.abandon()).toEqual({ state: 'kept', bytes: 2 * 255 * KiB });
    expect(files.get(NAME)?.content.equals(content.subarray(0, 2 * 255 * KiB))).toBe(true);
    expect(names(files)).toEqual([NAME]);
  });

  it.each([
    ['CLOSE', { fsync: false }],
    ['fsync@openssh.com', { fsync: true }],
  ])('at %s has not got what it acknowledged: nothing is kept', async (name, options) => {
    const { client, files } = serve('old', {
      intercept: (request, server) => {
        if (request.name === name) server.status(request.id, StatusCode.FAILURE, 'disk on fire');
        return request.name === name;
      },
    });
    const upload = client.upload(path, options);
    await expect(put(upload, 'content')).rejects.toThrow('disk on fire');
    expect(await upload.abandon()).toEqual({ state: 'unchanged' });
    expect(names(files)).toEqual([NAME]);
    expect(files.text(NAME)).toBe('old');
  });

  it('to keep all it acknowledged is found out', async () => {
    const { client, files } = serve(null, {
      intercept: ({ name, id }, server) => {
        if (name === 'FSTAT') server.attributes(id, { size: 5, permissions: 0o100644 });
        return name === 'FSTAT';
      },
    });
    const upload = client.upload(path);
    await expect(put(upload, 'content')).rejects.toThrow('the file has 5 bytes where 7 were written');
    expect(await upload.abandon()).toEqual({ state: 'unchanged' });
    expect(names(files)).toEqual([]);
  });

  it('to set permissions has the file all the same', async () => {
    const { client, files } = serve('old', { intercept: refuse(StatusCode.OP_UNSUPPORTED, 'FSETSTAT') });
    await put(client.upload(path), 'new');
    expect(files.text(NAME)).toBe('new');
  });

  it('with a wrong answer ends the session and the upload', async () => {
    const { client } = serve(null, {
      intercept: ({ name, id }, server) => {
        if (name === 'WRITE') server.handle(id, 'h');
        return name === 'WRITE';
      },
    });
    const upload = client.upload(path);
    await expect(put(upload, 'content')).rejects.toThrow('a wrong answer (handle) in answer to WRITE');
    expect(await upload.reason()).toBe('unreachable');
    await upload.abandon();
  });
});

describe('a connection that is lost', () => {
  const gone = () => new Error('SSH is gone');

  /**
   * Loses the first connection at the WRITE with this number. Calling `late` carries out this one
   * and those after it.
   */
  function losing(number: number, extensions: Parameters<typeof memoryClient>[1] = {}, losesCopy = false) {
    const files = new MemoryFiles();
    const held: (() => void)[] = [];
    let [writes, down] = [0, false];
    let sign: { readonly name: string; readonly given: () => void } | null = null;
    const made = memoryClient(files, {
      ...extensions,
      schedule: (answer, { name }) => {
        if (name === sign?.name) {
          answer();
          late();
          sign.given();
          sign = null;
          return;
        }
        if (name === 'copy-data' && losesCopy && made.servers.length === 2) {
          made.servers[1]?.channel.destroy(gone());
          return;
        }
        if (name === 'WRITE') writes += 1;
        if (writes < number || made.servers.length > 1) return answer();
        held.push(answer);
        if (held.length === 1) setImmediate(() => made.servers[0]?.channel.destroy(gone()));
      },
      client: {
        settlePause: 20,
        openChannel: async () => {
          if (down) throw gone();
          return made.connect();
        },
      },
    });
    const late = () => {
      for (const answer of held.splice(0)) answer();
    };
    /** Calls `late` as soon as the server has answered a request of this name. Settles then. */
    const lateAfter = (name: string) => new Promise<void>((given) => (sign = { name, given }));
    return { ...made, files, late, lateAfter, setDown: (is: boolean) => (down = is) };
  }

  /** An upload that has lost its connection at the third WRITE. */
  async function lost(
    chunk: number,
    options: Parameters<typeof losing>[1] = {},
    before?: string,
    losesCopy = false,
  ) {
    const made = losing(3, options, losesCopy);
    if (before !== undefined) made.files.put(NAME, before);
    // The server has stated its limits by the time that the upload begins.
    await made.client.run((session) => session.lstat(path).catch(() => {}));
    const content = pattern(6 * chunk);
    const upload = made.client.upload(path);
    await expect(put(upload, content)).rejects.toThrow('SSH is gone');
    expect(await upload.reason()).toBe('unreachable');
    return { ...made, upload, part: content.subarray(0, 2 * chunk) };
  }

  it.each([
    ['OpenSSH', 255 * KiB, {}],
    ['another server', 32 * KiB, { extensions: OTHER }],
  ])(
    'leaves what was acknowledged, with late WRITEs before it is settled, by %s',
    async (_who, chunk, options) => {
      const { upload, files, late, part } = await lost(chunk, options, 'old');
      late();
      expect(files.text(NAME)).toBe('old');
      expect(await upload.abandon()).toEqual({ state: 'kept', bytes: part.length });
      expect(files.get(NAME)?.content.equals(part)).toBe(true);
      expect(names(files)).toEqual([NAME]);
    },
  );

  it('leaves it out of the reach of late WRITEs, where the server can copy', async () => {
    const { upload, files, late, part } = await lost(255 * KiB);
    expect(await upload.abandon()).toEqual({ state: 'kept', bytes: part.length });
    late();
    expect(files.get(NAME)?.content.equals(part)).toBe(true);
    expect(names(files)).toEqual([NAME]);
  });

  it('cuts a file again that late WRITEs have reached, where it cannot', async () => {
    const { upload, files, lateAfter, part } = await lost(32 * KiB, { extensions: OTHER });
    const late = lateAfter('SETSTAT');
    const settled = upload.abandon();
    await late;
    expect(await settled).toEqual({ state: 'kept', bytes: part.length });
    expect(files.get(NAME)?.content.equals(part)).toBe(true);
  });

  it.each<[string, UploadOptions['mode']]>([
    ['appends', 'append'],
    ['resumes', { resumeAt: 6 }],
  ])('an upload that %s is settled after late WRITEs, and has no hole meanwhile', async (_how, mode) => {
    const chunk = 255 * KiB;
    const { client, files, lateAfter, requests } = losing(3);
    files.put(NAME, 'before');
    await client.run((session) => session.lstat(path));
    const content = pattern(6 * chunk);
    const upload = client.upload(path, { mode });
    await expect(put(upload, content)).rejects.toThrow('SSH is gone');
    const lookups = () => requests.filter((name) => name === 'STAT').length;
    const late = lateAfter('STAT');
    const settled = upload.abandon();
    await late;
    const bytes = () => files.get(NAME)?.content.subarray(6) ?? Buffer.alloc(0);
    const written = bytes().length;
    expect(written).toBeGreaterThan(2 * chunk);
    expect(bytes().equals(content.subarray(0, written))).toBe(true);
    const done = await settled;
    expect(done.state).toBe('kept');
    // What comes later would be cut off or, after an append, mixed with what the client sends next.
    expect(bytes().equals(content.subarray(0, mode === 'append' ? written : 2 * chunk))).toBe(true);
    expect(lookups()).toBeGreaterThan(1);
  });

  it('is settled once it is back', async () => {
    const { upload, files, part, setDown } = await lost(255 * KiB);
    setDown(true);
    expect(await upload.abandon()).toMatchObject({ state: 'unsettled', error: gone() });
    expect(await upload.abandon()).toMatchObject({ state: 'unsettled' });
    expect(names(files)).toEqual(['temporary']);
    setDown(false);
    expect(await upload.abandon()).toEqual({ state: 'kept', bytes: part.length });
    expect(names(files)).toEqual([NAME]);
  });

  it('and is lost again while it is settled, is settled the next time', async () => {
    const { upload, files, part } = await lost(255 * KiB, {}, undefined, true);
    expect(await upload.abandon()).toMatchObject({ state: 'unsettled' });
    expect(names(files)).toEqual(['temporary', 'temporary']);
    expect(await upload.abandon()).toEqual({ state: 'kept', bytes: part.length });
    expect(files.get(NAME)?.content.equals(part)).toBe(true);
    expect(names(files)).toEqual([NAME]);
  });

  it('leaves nothing if that is wanted', async () => {
    const { client, files, servers } = serve('old', { client: { settlePause: 20 } });
    const upload = client.upload(path, { keepPartial: false });
    await upload.opened;
    await write(upload, 'part');
    servers[0]?.channel.destroy(gone());
    expect(await upload.abandon()).toEqual({ state: 'unchanged' });
    expect(files.text(NAME)).toBe('old');
    expect(names(files)).toEqual([NAME]);
  });

  it.each([
    ['has been given its name', true],
    ['was not given its name', false],
  ])('when the file %s, leaves it whole', async (_when, carriedOut) => {
    let first = true;
    const made = serve('old', {
      schedule: (answer, { name }) => {
        if (name !== 'posix-rename@openssh.com' || !first) return answer();
        first = false;
        made.servers[0]?.channel.destroy(gone());
        if (carriedOut) answer();
      },
    });
    const upload = made.client.upload(path);
    await expect(put(upload, 'content')).rejects.toThrow('SSH is gone');
    expect(await upload.abandon()).toEqual({ state: 'kept', bytes: 7 });
    expect(made.files.text(NAME)).toBe('content');
    expect(names(made.files)).toEqual([NAME]);
  });
});

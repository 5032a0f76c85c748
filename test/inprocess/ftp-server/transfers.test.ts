import { once } from 'node:events';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { type FileSink, StoreError } from '../../../src/ftp/server/store.ts';
import { deferred } from '../../support/deferred.ts';
import { type FileServer, serveFolder, serveStore, stubStore } from '../../support/file-server.ts';
import { RawClient } from '../../support/raw-client.ts';

const CHUNK = Buffer.alloc(256 * 1024, 'x');

/** A client whose transfer has begun: it has connected to the data port and read the 150. */
async function begin(server: FileServer, command: string) {
  const client = await server.client();
  const data = await client.data(await client.passive());
  expect(await client.command(command)).toMatch(/^150 /);
  return { client, data };
}

/** A sink that remembers what was done with it. */
function recordingSink(done: string[], methods: Partial<FileSink> = {}): FileSink {
  return {
    write: async (bytes) => void done.push(`write ${bytes.length}`),
    finish: async () => void done.push('finish'),
    abort: async (keep) => void done.push(`abort ${keep}`),
    ...methods,
  };
}

describe('a download', () => {
  it('arrives whole, and closes with a FIN before 226', async (test) => {
    const server = await serveFolder(test);
    const bytes = Buffer.concat(Array.from({ length: 40 }, (_, n) => Buffer.alloc(100_000, n)));
    await writeFile(path.join(server.root, 'f'), bytes);
    const client = await server.client();
    const data = await client.data(await client.passive());
    expect(await client.command('RETR f')).toMatch(/^150 .*\(4000000 bytes\)$/);
    const got = await data.rest();
    expect(got.ending).toBe('eof');
    expect(got.bytes.equals(bytes)).toBe(true);
    expect(await client.reply()).toBe('226 Transfer complete');
    expect(server.ended).toMatchObject([{ verb: 'RETR', path: 'f', outcome: 'complete', bytes: 4_000_000 }]);
  });
  it('of a small file: 226 comes after the client has closed its end', async (test) => {
    const server = await serveFolder(test);
    await writeFile(path.join(server.root, 'f'), 'all of it');
    const client = await server.client();
    const data = await client.data(await client.passive());
    // aria2 and snarf read once for each reply, and drop what is left.
    expect(await client.command('RETR f')).toMatch(/^150 /);
    expect((await data.rest()).bytes.toString()).toBe('all of it');
    expect(client.control.buffered).toBe(0);
    data.end();
    expect(await client.reply()).toBe('226 Transfer complete');
  });
  it('of an empty file', async (test) => {
    const server = await serveFolder(test);
    await writeFile(path.join(server.root, 'f'), '');
    const client = await server.client();
    const data = await client.data(await client.passive());
    expect(await client.command('RETR f')).toMatch(/^150 .*\(0 bytes\)$/);
    expect(await data.rest()).toMatchObject({ bytes: Buffer.alloc(0), ending: 'eof' });
    expect(await client.reply()).toBe('226 Transfer complete');
  });
  it('of a directory with more entries than are sorted lists all of them', async (test) => {
    const names = Array.from({ length: 25_000 }, (_, n) => `${n}`);
    const facts = {
      type: 'file',
      size: 1,
      modified: 0,
      mode: 0,
      owner: null,
      group: null,
      unique: null,
    } as const;
    const rest = [...names];
    const store = stubStore({
      list: async () => ({
        read: async () => (rest.length === 0 ? null : rest.splice(0, 100).map((name) => ({ name, facts }))),
        close: async () => {},
      }),
    });
    const server = await serveStore(test, store);
    const { client, data } = await begin(server, 'NLST');
    const listed = (await data.rest()).bytes.toString().trimEnd().split('\r\n');
    expect(listed.sort()).toEqual(names.sort());
    expect(await client.reply()).toBe('226 Transfer complete');
  });
  it('that the store breaks off is reset, and is not called complete', async (test) => {
    const pieces = [CHUNK, CHUNK];
    const received = deferred<void>();
    const store = stubStore({
      openRead: async () => ({
        size: 10 * CHUNK.length,
        read: async () => {
          const next = pieces.shift();
          if (next !== undefined) return next;
          // A reset that comes together with data can look like an end to a client on libuv, as
          // this one is.
          await received.promise;
          throw new StoreError('changed', 'The file changed');
        },
        close: async () => {},
      }),
    });
    const server = await serveStore(test, store);
    const { client, data } = await begin(server, 'RETR f');
    await data.take(2 * CHUNK.length);
    received.resolve();
    expect(await client.reply()).toBe('451 f: The file changed');
    expect(await data.ended()).toBe('ECONNRESET');
    expect(server.ended).toMatchObject([{ outcome: 'failed' }]);
  });
  it('to a client that does not read takes no memory', async (test) => {
    let reads = 0;
    const store = stubStore({
      openRead: async () => ({
        size: 1e9,
        read: async () => {
          reads += 1;
          return CHUNK;
        },
        close: async () => {},
      }),
    });
    const server = await serveStore(test, store);
    const client = await server.client();
    const data = await client.unread(await client.passive());
    await client.command('RETR f');
    // As long as it takes until nothing is read any more; the kernel's own buffers hold some MiB.
    for (let before = -1; before < reads; await new Promise((resolve) => setTimeout(resolve, 200)))
      before = reads;
    expect(reads * CHUNK.length).toBeLessThan(32 * 1024 * 1024);
    expect(await client.command('NOOP')).toBe('200 OK');
    client.send('ABOR');
    expect(await client.reply()).toBe('426 Transfer aborted');
    expect(await client.reply()).toMatch(/^226 /);
    data.destroy();
  });
  it('to a client that breaks the connection', async (test) => {
    const server = await serveFolder(test);
    await writeFile(path.join(server.root, 'f'), Buffer.alloc(50_000_000));
    const client = await server.client();
    const data = await client.unread(await client.passive());
    await client.command('RETR f');
    data.resetAndDestroy();
    expect(await client.reply()).toMatch(/^426 f: the client broke the data connection$/);
    expect(await client.command('NOOP')).toBe('200 OK');
  });
});

describe('an upload', () => {
  it('gets 226 only when the store has finished it', async (test) => {
    const done: string[] = [];
    const gate = deferred<void>();
    const finishing = deferred<void>();
    const sink = recordingSink(done, {
      finish: async () => {
        finishing.resolve();
        await gate.promise;
        done.push('finish');
      },
    });
    const server = await serveStore(test, stubStore({ openWrite: async () => sink }));
    const { client, data } = await begin(server, 'STOR f');
    data.socket.end('hello');
    await finishing.promise;
    expect(done).toEqual(['write 5']);
    expect(await client.command('NOOP')).toBe('200 OK');
    gate.resolve();
    expect(await client.reply()).toBe('226 Transfer complete');
    expect(done).toEqual(['write 5', 'finish']);
  });
  it('of nothing makes an empty file', async (test) => {
    const server = await serveFolder(test);
    const { client, data } = await begin(server, 'STOR f');
    data.end();
    expect(await client.reply()).toBe('226 Transfer complete');
    expect(await readFile(path.join(server.root, 'f'), 'utf8')).toBe('');
    expect(await data.ended()).toBe('eof');
  });
  it('that the client resets is not whole; what came can be resumed', async (test) => {
    const server = await serveFolder(test);
    const { client, data } = await begin(server, 'STOR f');
    data.write('hello');
    // Once it has been read.
    while ((await client.command('STAT')).includes(' 0 bytes'));
    data.socket.resetAndDestroy();
    expect(await client.reply()).toMatch(/^426 f: /);
    expect(await client.command('SIZE f')).toBe('213 5');
    await client.command('REST 5');
    const rest = await client.data(await client.passive());
    await client.command('STOR f');
    rest.socket.end(', world');
    expect(await client.reply()).toBe('226 Transfer complete');
    expect(await readFile(path.join(server.root, 'f'), 'utf8')).toBe('hello, world');
  });
  it('of a client that is killed is not whole, although both connections end with a FIN', async (test) => {
    const done: string[] = [];
    const server = await serveStore(test, stubStore({ openWrite: async () => recordingSink(done) }));
    const { client, data } = await begin(server, 'STOR f');
    const end = server.nextEnd();
    client.control.socket.end();
    await once(client.control.socket, 'finish');
    data.socket.end('hello');
    expect(await end).toMatchObject({ outcome: 'failed' });
    expect(done.at(-1)).toBe('abort true');
    expect(done).not.toContain('finish');
  });
  it('of a client that is killed, its data connection closed first', async (test) => {
    const done: string[] = [];
    const server = await serveStore(test, stubStore({ openWrite: async () => recordingSink(done) }));
    const { client, data } = await begin(server, 'STOR f');
    const end = server.nextEnd();
    data.socket.end('hello');
    client.control.socket.end();
    expect(await end).toMatchObject({ outcome: 'failed' });
    expect(done.at(-1)).toBe('abort true');
    expect(done).not.toContain('finish');
  });
  it('is read no faster than the store takes it', async (test) => {
    const gate = deferred<void>();
    let taken = 0;
    const sink = recordingSink([], {
      write: async (bytes) => {
        taken += bytes.length;
        await gate.promise;
      },
    });
    const server = await serveStore(test, stubStore({ openWrite: async () => sink }));
    const { client, data } = await begin(server, 'STOR f');
    for (let i = 0; i < 200; i++) data.write(CHUNK);
    for (let before = -1; before < taken; await new Promise((resolve) => setTimeout(resolve, 200)))
      before = taken;
    expect(taken).toBeLessThan(1024 * 1024);
    gate.resolve();
    data.socket.end();
    expect(await client.reply()).toBe('226 Transfer complete');
    expect(taken).toBe(200 * CHUNK.length);
  });
  it('that the store cannot take is reset, and the reply says why', async (test) => {
    const done: string[] = [];
    const sink = recordingSink(done, {
      write: async () => {
        throw new StoreError('no-space', 'No space left on device');
      },
    });
    const server = await serveStore(test, stubStore({ openWrite: async () => sink }));
    const { client, data } = await begin(server, 'STOR f');
    data.write(CHUNK);
    expect(await client.reply()).toBe('452 f: No space left on device');
    expect(['ECONNRESET', 'EPIPE']).toContain(await data.ended());
    expect(done).toEqual(['abort true']);
  });
  it('is aborted only after the write that is under way', async (test) => {
    const done: string[] = [];
    const gate = deferred<void>();
    const writing = deferred<void>();
    const sink = recordingSink(done, {
      write: async () => {
        writing.resolve();
        await gate.promise;
        done.push('write');
      },
    });
    const server = await serveStore(test, stubStore({ openWrite: async () => sink }));
    const { client, data } = await begin(server, 'STOR f');
    data.write('hello');
    await writing.promise;
    client.send('ABOR');
    expect(['ECONNRESET', 'closed']).toContain(await data.ended());
    expect(done).toEqual([]);
    gate.resolve();
    expect(await client.reply()).toBe('426 Transfer aborted');
    expect(done).toEqual(['write', 'abort true']);
  });
  it('under way when the server stops is tidied up before that', async (test) => {
    const server = await serveFolder(test);
    const { client, data } = await begin(server, 'STOR f');
    data.write('hello');
    while ((await client.command('STAT')).includes(' 0 bytes'));
    await server.close();
    expect(await readdir(server.root)).toEqual(['f']);
    expect((await stat(path.join(server.root, 'f'))).size).toBe(5);
    expect(await data.ended()).toBe('ECONNRESET');
  });
  it('opened too late for its client is closed again', async (test) => {
    const done: string[] = [];
    const gate = deferred<void>();
    const opening = deferred<void>();
    const aborted = deferred<void>();
    const sink = recordingSink(done, {
      abort: async (keep) => {
        done.push(`abort ${keep}`);
        aborted.resolve();
      },
    });
    const store = stubStore({
      openWrite: async () => {
        opening.resolve();
        await gate.promise;
        return sink;
      },
    });
    const server = await serveStore(test, store);
    const client = await server.client();
    await client.passive();
    client.send('STOR f');
    await opening.promise;
    client.send('ABOR');
    expect(await client.reply()).toBe('426 Transfer aborted');
    gate.resolve();
    await aborted.promise;
    expect(done).toEqual(['abort false']);
  });
});

describe('data ports', () => {
  it('take a connection from the client’s address only', async (test) => {
    const server = await serveFolder(test);
    const client = await server.client();
    const where = await client.passive('PASV');
    const stranger = client.data(where, '127.0.0.2').then((wire) => wire.ended());
    expect(await stranger.catch((error: NodeJS.ErrnoException) => error.code)).toBe('ECONNRESET');
    const data = await client.data(where);
    await client.command('LIST');
    expect((await data.rest()).ending).toBe('eof');
    expect(await client.reply()).toBe('226 Transfer complete');
  });
  it('take one connection', async (test) => {
    const server = await serveFolder(test);
    const client = await server.client();
    const where = await client.passive();
    const first = await client.data(where);
    await client.command('LIST');
    await first.rest();
    await expect(client.data(where)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
  it('take it within a time limit', async (test) => {
    const server = await serveFolder(test, {
      data: { acceptTimeout: 100, ports: null, advertise: null, anyPeer: false },
    });
    const client = await server.client();
    const where = await client.passive();
    expect(await client.command('LIST')).toMatch(
      /^425 No data connection: no client connected to the data port \d+ within 0\.1 s$/,
    );
    await expect(client.data(where)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
  it('go with the session', async (test) => {
    const server = await serveFolder(test);
    const client = await server.client();
    const where = await client.passive();
    await client.command('QUIT');
    expect(await client.control.ended()).toBe('eof');
    await expect(client.data(where)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
  it('exist over IPv6; on loopback PASV works, too', async (test) => {
    const server = await serveFolder(test, { host: '::1' });
    const client = await server.client();
    const data = await client.data({ ...(await client.passive('EPSV')), host: '::1' });
    await client.command('LIST');
    expect((await data.rest()).ending).toBe('eof');
    await client.reply();
    expect(await client.command('PASV')).toMatch(/^227 /);
  });
});

describe('the control connection', () => {
  it('takes commands in any portions, and any number at once', async (test) => {
    const server = await serveFolder(test);
    const client = await server.client();
    for (const byte of 'MKD d\r\n') {
      client.control.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await client.reply()).toBe('257 "/d" created');
    client.control.write('CWD d\r\n'.repeat(300));
    for (let i = 0; i < 300; i++) {
      const reply = await client.reply();
      expect(reply).toMatch(i === 0 ? /^250 / : /^550 /);
    }
  });
  it('is not read while its client does not read the replies', async (test) => {
    const server = await serveFolder(test);
    const client = await RawClient.connect(test, server);
    client.control.socket.pause();
    const lines = Buffer.from('HELP\r\n'.repeat(10_000));
    let sent = 0;
    let full = false;
    while (!full && sent < 200) {
      sent += 1;
      full = !client.control.socket.write(lines) && client.control.socket.writableLength > 4_000_000;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(full).toBe(true);
  });
});

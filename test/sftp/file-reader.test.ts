import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { StatusCode } from '../../src/sftp/codec/protocol.ts';
import { ByteBudget } from '../../src/sftp/download/byte-budget.ts';
import { FileReader, type ReaderOptions } from '../../src/sftp/download/file-reader.ts';
import { PrimedFile } from '../../src/sftp/download/primed.ts';
import { SftpError, SftpSessionError, SftpTransferError } from '../../src/sftp/errors.ts';
import { MemoryFiles, type MemoryOptions } from '../support/memory-sftp-server.ts';
import {
  packet,
  type ReceivedRequest,
  type ScriptedSftpServer,
  string,
  u32,
} from '../support/scripted-sftp-server.ts';
import { memoryPool, pattern, readAll } from '../support/sftp-client.ts';

const KiB = 1024;
const path = Buffer.from('/file');

function serve(content: Buffer, options: MemoryOptions = {}) {
  const files = new MemoryFiles();
  const file = files.put('/file', content);
  const source = memoryPool(files, options);
  const read = (readerOptions?: ReaderOptions) => new FileReader(source.pool, path, readerOptions);
  return { ...source, file, read };
}

/** Fields of a READ, which are read once. */
function readFields({ fields }: ReceivedRequest) {
  const handle = fields.view().toString();
  return { handle, offset: fields.u64(), length: fields.u32() };
}

describe('FileReader', () => {
  it.each([1, 7, 32 * KiB - 1, 32 * KiB, 32 * KiB + 1, 96 * KiB, 3000 * KiB + 5])(
    'reads %d bytes',
    async (size) => {
      const content = pattern(size);
      const { read, requests } = serve(content);
      const reader = read();
      expect((await readAll(reader)).equals(content)).toBe(true);
      expect((await reader.opened).size).toBe(size);
      await vi.waitFor(() => expect(requests.at(-1)).toBe('CLOSE'));
    },
  );

  it('reads an empty file', async () => {
    expect(await readAll(serve(Buffer.alloc(0)).read())).toEqual(Buffer.alloc(0));
  });

  it('asks larger READs of a server that allows them', async () => {
    const content = pattern(1000 * KiB);
    const extensions = { 'limits@openssh.com': '1' };
    const { read, pool, requests } = serve(content, { extensions });
    await pool.run(async () => {});
    await vi.waitFor(() => expect(requests).toContain('limits@openssh.com'));
    await pool.run((session) => session.stat(path));
    expect((await readAll(read())).equals(content)).toBe(true);
    expect(requests.filter((name) => name === 'READ')).toHaveLength(4 + 1);
  });

  it('needs two round trips for a small file: one until it is open, one for all else', async () => {
    const content = pattern(4 * KiB);
    const held: (() => void)[] = [];
    const { read, requests } = serve(content, { schedule: (answer) => held.push(answer) });
    const done = readAll(read());
    const flights: string[][] = [];
    for (let flight = 0; flight < 2; flight++) {
      for (let i = 0; i < 5; i++) await turn();
      flights.push(requests.splice(0));
      for (const answer of held.splice(0)) answer();
    }
    expect(flights).toEqual([
      ['STAT', 'OPEN'],
      ['FSTAT', 'READ', 'READ'],
    ]);
    expect((await done).equals(content)).toBe(true);
  });

  it('asks nothing that is known already', async () => {
    const content = pattern(4 * KiB);
    const { read, requests } = serve(content);
    const known = { size: content.length, permissions: 0o100644 };
    expect((await readAll(read({ known }))).equals(content)).toBe(true);
    expect(requests.slice(0, 4)).toEqual(['OPEN', 'FSTAT', 'READ', 'READ']);
  });

  it.each([
    [0, 10],
    [5, undefined],
    [40 * KiB, 100 * KiB],
    [99 * KiB, 10 * KiB],
    [100 * KiB, undefined],
    [50, 0],
  ])('reads from %d on, %s bytes at most', async (offset, length) => {
    const content = pattern(100 * KiB);
    const { read } = serve(content);
    const found = await readAll(read({ offset, length }));
    expect(found.equals(content.subarray(offset, length === undefined ? undefined : offset + length))).toBe(
      true,
    );
  });

  it('refuses to begin beyond the end', async () => {
    const { read } = serve(pattern(100));
    await expect(readAll(read({ offset: 101 }))).rejects.toMatchObject({ fault: 'beyond-end' });
  });

  it('puts answers in order, and asks again for what a server left out', () => {
    const content = pattern(300 * KiB);
    return fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.nat(1000)), async (choices) => {
        const next = () => choices.next().value as number;
        const held: (() => void)[] = [];
        const { read } = serve(content, {
          intercept: (request, server) => {
            if (request.name !== 'READ') return false;
            const { offset, length } = readFields(request);
            const some = Math.max(1, Math.floor((length * (1 + (next() % 4))) / 4) - (next() % 3));
            const bytes = content.subarray(offset, offset + some);
            held.push(() =>
              bytes.length > 0 ? server.data(request.id, bytes) : server.status(request.id, StatusCode.EOF),
            );
            setImmediate(() => held.splice(next() % held.length, 1)[0]?.());
            return true;
          },
        });
        expect((await readAll(read())).equals(content)).toBe(true);
      }),
      { numRuns: 15 },
    );
  });

  it('reads a file without a size up to EOF, as those of /proc', async () => {
    const content = pattern(70 * KiB);
    const { read } = serve(content, {
      intercept: ({ name, id }, server) => {
        if (!['STAT', 'FSTAT'].includes(name)) return false;
        server.attributes(id, { size: 0, permissions: 0o100444 });
        return true;
      },
    });
    expect((await readAll(read())).equals(content)).toBe(true);
  });

  it('does without FSTAT and STAT', async () => {
    const content = pattern(70 * KiB);
    const { read } = serve(content, {
      intercept: ({ name, id }, server) => {
        if (!['STAT', 'FSTAT'].includes(name)) return false;
        server.status(id, StatusCode.OP_UNSUPPORTED);
        return true;
      },
    });
    expect((await readAll(read())).equals(content)).toBe(true);
  });

  it.each([
    ['a folder', 0o040755, 'is-directory'],
    ['a device', 0o020666, 'not-a-file'],
  ])('refuses %s', async (_what, permissions, fault) => {
    const { read } = serve(pattern(10), {
      intercept: ({ name, id }, server) => {
        if (name !== 'FSTAT') return false;
        server.attributes(id, { permissions });
        return true;
      },
    });
    await expect(readAll(read())).rejects.toMatchObject({ fault });
  });

  it('does not even open what is known to be no file', async () => {
    const { read, requests } = serve(pattern(10));
    await expect(readAll(read({ known: { permissions: 0o010644 } }))).rejects.toMatchObject({
      fault: 'not-a-file',
    });
    expect(requests).toEqual([]);
  });

  it('fails for a file that cannot be opened', async () => {
    const source = memoryPool(new MemoryFiles());
    const reader = new FileReader(source.pool, path);
    await expect(readAll(reader)).rejects.toThrow(SftpError);
    await expect(reader.opened).rejects.toMatchObject({ status: StatusCode.NO_SUCH_FILE });
  });

  /** Changes the file when the READ with this number comes. */
  const changing = (content: Buffer, number: number, change: (file: { content: Buffer }) => void) => {
    let count = 0;
    const server: ReturnType<typeof serve> = serve(content, {
      intercept: ({ name }) => {
        if (name === 'READ' && ++count === number) change(server.file);
        return false;
      },
    });
    return server;
  };

  it('fails for a file that becomes shorter meanwhile', async () => {
    const { read } = changing(pattern(500 * KiB), 5, (file) => {
      file.content = file.content.subarray(0, 100 * KiB);
    });
    const error = await readAll(read()).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(SftpTransferError);
    expect(error).toMatchObject({ fault: 'changed', message: 'the file became shorter while it was read' });
  });

  const grow = (file: { content: Buffer }) => {
    file.content = Buffer.concat([file.content, Buffer.from('more')]);
  };

  it('fails for a file that becomes longer meanwhile', async () => {
    const { read } = changing(pattern(500 * KiB), 5, grow);
    await expect(readAll(read())).rejects.toThrow('the file became longer while it was read');
  });

  it('stops at the size that the file had, if that is wanted', async () => {
    const content = pattern(500 * KiB);
    const { read } = changing(content, 5, grow);
    expect((await readAll(read({ onGrowth: 'stop' }))).equals(content)).toBe(true);
  });

  it('reads a file that was replaced between STAT and OPEN as it is', async () => {
    const content = pattern(90 * KiB);
    for (const size of [10, 300 * KiB]) {
      const { read } = serve(content, {
        intercept: ({ name, id }, server) => {
          if (name === 'STAT') server.attributes(id, { size, permissions: 0o100644 });
          return name === 'STAT';
        },
      });
      expect((await readAll(read())).equals(content)).toBe(true);
    }
  });

  it('fails with the server’s error', async () => {
    let reads = 0;
    const { read, pool } = serve(pattern(500 * KiB), {
      intercept: ({ name, id }, server) => {
        if (name !== 'READ' || ++reads < 4) return false;
        server.status(id, StatusCode.FAILURE, 'disk on fire');
        return true;
      },
    });
    await expect(readAll(read())).rejects.toMatchObject({ words: 'disk on fire', request: 'READ' });
    await pool.run(async (session) => expect(session.error).toBeNull());
  });

  const broken: [string, (request: ReceivedRequest, server: ScriptedSftpServer) => void, string][] = [
    [
      'the session is lost',
      (_request, { channel }) => channel.destroy(),
      'the SFTP session was closed before its end',
    ],
    ['the server ends it', (_request, { wire }) => wire.end(), 'the SFTP server ended the session'],
    [
      'data is empty',
      ({ id }, server) => server.data(id, Buffer.alloc(0)),
      'sent 0 bytes for a READ of 32768',
    ],
    [
      'more comes than was asked',
      ({ id }, server) => server.data(id, Buffer.alloc(32769)),
      'sent 32769 bytes for a READ of 32768',
    ],
    [
      'OK comes without data',
      ({ id }, server) => server.status(id),
      'sent OK without data in answer to READ',
    ],
    [
      'a handle comes',
      ({ id }, server) => server.handle(id, 'h'),
      'sent a wrong answer (handle) in answer to READ',
    ],
  ];
  it.each(broken)('fails when %s', async (_what, act, words) => {
    let reads = 0;
    const { read } = serve(pattern(500 * KiB), {
      intercept: (request, server) => {
        if (request.name !== 'READ' || ++reads !== 4) return false;
        act(request, server);
        return true;
      },
    });
    const error = await readAll(read()).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(SftpSessionError);
    expect((error as Error).message).toContain(words);
  });

  it('hands on the first part of an answer before the rest has come', async () => {
    const content = pattern(20 * KiB);
    const held: (() => void)[] = [];
    const nothing = () => {};
    let finish = nothing;
    const { read } = serve(content, {
      schedule: (answer) => (finish === nothing ? answer() : held.push(answer)),
      intercept: (request, server) => {
        if (request.name !== 'READ' || readFields(request).offset > 0) return false;
        const answer = packet('DATA', u32(request.id), string(content));
        server.send(answer.subarray(0, 10 * KiB));
        finish = () => {
          server.send(answer.subarray(10 * KiB));
          for (const later of held.splice(0)) later();
        };
        return true;
      },
    });
    const reader = read();
    await once(reader, 'readable');
    const first = reader.read();
    expect(first.length).toBeGreaterThan(9 * KiB);
    finish();
    expect(Buffer.concat([first, await readAll(reader)]).equals(content)).toBe(true);
  });
});

describe('a reader that stalls', () => {
  it('has no more than 2 MiB asked for, and 2 MiB beside that', async () => {
    const budget = new ByteBudget(64 * KiB * KiB);
    let asked = 0;
    const content = pattern(5 * KiB * KiB);
    const { read } = serve(content, {
      intercept: (request) => {
        if (request.name !== 'READ') return false;
        const { length } = readFields(request);
        asked += length;
        return false;
      },
    });
    const reader = read({ budget });
    await reader.opened;
    for (let i = 0; i < 200; i++) await turn();
    expect(asked).toBeGreaterThan(KiB * KiB);
    expect(asked).toBeLessThanOrEqual(4 * KiB * KiB);
    expect(budget.taken).toBeLessThanOrEqual(2 * KiB * KiB);
    expect((await readAll(reader)).equals(content)).toBe(true);
    expect(budget.taken).toBe(0);
  });

  it('shares the budget with all others', async () => {
    const budget = new ByteBudget(512 * KiB);
    const { read } = serve(pattern(600 * KiB));
    const readers = Array.from({ length: 20 }, () => read({ budget }));
    await Promise.all(readers.map(({ opened }) => opened));
    for (let i = 0; i < 100; i++) await turn();
    expect(budget.taken).toBeLessThanOrEqual(512 * KiB);
    const sizes = await Promise.all(readers.map(async (reader) => (await readAll(reader)).length));
    expect(new Set(sizes)).toEqual(new Set([600 * KiB]));
    expect(budget.taken).toBe(0);
  });
});

describe('a reader that is destroyed', () => {
  it.each([0, 1, 2, 5, 20, 60])(
    'after %d turns, closes its handle, gives its session back, and leaves nothing',
    async (turns) => {
      const budget = new ByteBudget(64 * KiB * KiB);
      let open = 0;
      const { read, pool } = serve(pattern(3 * KiB * KiB), {
        intercept: ({ name }) => {
          if (name === 'OPEN') open += 1;
          if (name === 'CLOSE') open -= 1;
          return false;
        },
      });
      const lease = vi.spyOn(pool, 'lease');
      const reader = read({ budget });
      reader.resume();
      for (let i = 0; i < turns; i++) await turn();
      reader.destroy();
      await vi.waitFor(() => expect(open).toBe(0));
      expect(budget.taken).toBe(0);
      expect(lease).toHaveBeenCalledOnce();
      await vi.waitFor(async () => {
        const { session } = await pool.lease();
        expect(session.bytesUnderWay).toBe(0);
      });
      expect(pool.size).toBe(1);
    },
  );

  it('breaks nothing for others in the same session', async () => {
    const content = pattern(400 * KiB);
    const { read, pool } = serve(content);
    const [first, second] = [read(), read()];
    await first.opened;
    first.destroy();
    expect((await readAll(second)).equals(content)).toBe(true);
    await pool.run(async (session) => expect(session.error).toBeNull());
  });
});

describe('PrimedFile', () => {
  const prime = (content: Buffer, lifetime = 5000) => {
    const server = serve(content);
    return { ...server, primed: new PrimedFile(server.read({ prime: 256 * KiB }), lifetime) };
  };

  it('has the attributes, and the first bytes fetched', async () => {
    const content = pattern(KiB * KiB);
    const { primed, requests } = prime(content);
    expect((await primed.attributes).size).toBe(content.length);
    for (let i = 0; i < 50; i++) await turn();
    expect(requests.filter((name) => name === 'READ')).toHaveLength(8);
    const reader = primed.take();
    expect(reader && (await readAll(reader)).equals(content)).toBe(true);
  });

  it('is taken once', async () => {
    const { primed } = prime(pattern(10));
    primed.take()?.destroy();
    expect(primed.take()).toBeNull();
  });

  it('is dropped after its time', async () => {
    const { primed, requests } = prime(pattern(10), 20);
    await primed.attributes;
    await vi.waitFor(() => expect(requests).toContain('CLOSE'));
    expect(primed.take()).toBeNull();
  });

  it('that fails is no reader, and breaks nothing', async () => {
    const source = memoryPool(new MemoryFiles());
    const primed = new PrimedFile(new FileReader(source.pool, path, { prime: 1 }), 5000);
    await expect(primed.attributes).rejects.toThrow(SftpError);
    expect(primed.take()).toBeNull();
  });
});

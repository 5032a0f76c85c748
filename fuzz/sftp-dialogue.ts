import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { SftpClient } from '../src/sftp/client.ts';
import { OpenFlag, StatusCode } from '../src/sftp/codec/protocol.ts';
import { ByteBudget } from '../src/sftp/download/byte-budget.ts';
import {
  packet,
  type ReceivedRequest,
  ScriptedSftpServer,
  string,
  u32,
  u64,
} from '../test/support/scripted-sftp-server.ts';

/** What decides a dialogue: any numbers. When they run out, the server behaves. */
export type SftpChoices = readonly number[];

const CONTENT = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251));
const PATH = Buffer.from('/file');
const EXTENSIONS = ['posix-rename@openssh.com', 'fsync@openssh.com', 'copy-data', 'limits@openssh.com'];

/** A server that lies, in ways that `next` chooses. What it says was written, it has. */
class HostileServer {
  readonly server: ScriptedSftpServer;
  /** What WRITEs that were answered with OK have brought, per handle. */
  readonly written = new Map<string, Buffer>();
  /** Handles that were closed with OK. */
  readonly closed = new Set<string>();
  /** Handles of new files, which have temporary names. */
  readonly temporary = new Set<string>();
  /** Whether a file was given another name. */
  renamed = false;
  readonly #next: (limit: number) => number;
  /** One answer in so many is of each hostile kind. */
  readonly #calm: number;
  readonly #held: (() => void)[] = [];
  #handles = 0;
  #listed = 0;

  constructor(next: (limit: number) => number) {
    this.#next = next;
    this.#calm = [60, 200, 500, 2000][next(4)] ?? 60;
    const some = EXTENSIONS.filter(() => next(4) > 0);
    this.server = new ScriptedSftpServer({ extensions: Object.fromEntries(some.map((name) => [name, '1'])) });
    this.server.onRequest = (request) => this.#onRequest(request);
  }

  #onRequest(request: ReceivedRequest): void {
    const answer = () => this.#answer(request);
    // Mostly at once; at times later, after others.
    if (this.#next(4) > 0) answer();
    else this.#held.push(answer);
    if (this.#next(3) === 0) this.release();
  }

  /** Answers what was held back, the last first. */
  release(): void {
    for (const answer of this.#held.splice(0).reverse()) answer();
  }

  #answer(request: ReceivedRequest): void {
    const { id, name } = request;
    const { server } = this;
    switch (this.#next(this.#calm)) {
      case 1:
        return server.status(id, this.#next(40), 'No space left on device');
      case 2:
        return server.status(id + 1 + this.#next(3));
      case 3:
        this.#honest(request);
        return this.#honest(request);
      case 4:
        return server.handle(id, 'h'.repeat(this.#next(400)));
      case 5: // Nothing, or more than any READ asks for.
        return server.data(id, Buffer.alloc(this.#next(2) * (35_000 + this.#next(5000))));
      case 6:
        return server.send(packet('NAME', u32(id), u32(0xffffffff), string('../x'), string(''), u32(0)));
      case 7:
        return server.send(packet('ATTRS', u32(id), u32(0x80000001), u64(2n ** 64n - 1n), u32(0xffffffff)));
      case 8:
        return server.send(u32(this.#next(2) ? 0xffffffff : this.#next(2000)), Buffer.alloc(this.#next(30)));
      case 9:
        return server.send(Buffer.from(Array.from({ length: this.#next(60) }, () => this.#next(256))));
      case 10:
        return void server.wire.end();
      case 11:
        return void server.channel.destroy(new Error('SSH is gone'));
      case 12:
        return; // No answer at all.
      case 13:
        return server.send(packet('EXTENDED_REPLY', u32(id), u64(2n ** 63n), u64(1), u64(0)));
      case 14:
        return name === 'READ' ? server.status(id, StatusCode.EOF) : this.#honest(request);
      case 15:
        return name === 'FSTAT' ? server.attributes(id, {}) : this.#honest(request);
      default:
        return this.#honest(request);
    }
  }

  #honest(request: ReceivedRequest): void {
    const { id, name, fields } = request;
    const { server } = this;
    const file = { size: CONTENT.length, permissions: 0o100644 };
    switch (name) {
      case 'OPEN': {
        fields.skipString(); // the path
        const flags = fields.u32();
        const handle = `${flags & OpenFlag.WRITE ? 'w' : 'r'}${++this.#handles}`;
        if (flags & OpenFlag.EXCL) this.temporary.add(handle);
        return server.handle(id, handle);
      }
      case 'READ': {
        fields.skipString(); // the handle
        const offset = fields.u64();
        const length = Math.max(1, fields.u32() - (this.#next(3) ? 0 : this.#next(30_000)));
        const bytes = CONTENT.subarray(offset, offset + length);
        return bytes.length > 0 ? server.data(id, bytes) : server.status(id, StatusCode.EOF);
      }
      case 'WRITE': {
        const handle = fields.view().toString();
        const offset = fields.u64();
        const bytes = fields.view();
        const before = this.written.get(handle) ?? Buffer.alloc(0);
        const after = Buffer.alloc(Math.max(before.length, offset + bytes.length));
        before.copy(after);
        bytes.copy(after, offset);
        this.written.set(handle, after);
        return server.status(id);
      }
      case 'FSTAT': {
        const handle = fields.view().toString();
        const written = this.written.get(handle) ?? Buffer.alloc(0);
        return server.attributes(id, handle.startsWith('w') ? { ...file, size: written.length } : file);
      }
      case 'STAT':
        return server.attributes(id, file);
      case 'LSTAT':
        return server.status(id, StatusCode.NO_SUCH_FILE);
      case 'OPENDIR':
        return server.handle(id, 'd');
      case 'READDIR':
        this.#listed += 1;
        return this.#listed < 4 ? server.names(id, ['a', '..', 'b/c']) : server.status(id, StatusCode.EOF);
      case 'REALPATH':
        return server.names(id, ['/home']);
      case 'limits@openssh.com':
        return server.send(packet('EXTENDED_REPLY', u32(id), u64(0), u64(9000), u64(9000), u64(0)));
      case 'CLOSE':
        this.closed.add(fields.view().toString());
        return server.status(id);
      case 'RENAME':
      case 'posix-rename@openssh.com':
        this.renamed = true;
        return server.status(id);
      default:
        return server.status(id);
    }
  }
}

/**
 * Plays one dialogue between the client and a hostile server, and throws if a promise is broken:
 * every call settles once the channels are gone; a download that succeeds has the file's bytes; an
 * upload that succeeds was acknowledged whole, closed and renamed; nothing of the memory budget is
 * left taken. Returns how many of its six calls succeeded.
 */
export async function playSftp(choices: SftpChoices): Promise<number> {
  let at = 0;
  const next = (limit: number) => (choices[at++] ?? limit - 1) % limit;
  const servers: HostileServer[] = [];
  const budget = new ByteBudget(1024 * 1024);
  let over = false;
  const client = new SftpClient({
    openChannel: async () => {
      if (over || servers.length > 5) throw new Error('SSH is gone');
      const hostile = new HostileServer(next);
      servers.push(hostile);
      return hostile.server.channel;
    },
    software: () => 'OpenSSH_9.2',
    settlePause: 1,
  });

  const download = async (): Promise<void> => {
    const reader = client.read(PATH, { budget });
    const chunks: Buffer[] = [];
    for await (const chunk of reader) {
      chunks.push(chunk);
      if (next(20) === 0) return; // Gives it up.
    }
    assert(Buffer.concat(chunks).equals(CONTENT), 'a download that succeeded is not the file');
  };
  const upload = async (): Promise<void> => {
    const upload = client.upload(PATH, { fsync: next(2) === 0, keepPartial: next(2) === 0 });
    try {
      for (let i = 0; i < CONTENT.length; i += 7000) {
        if (!upload.stream.destroyed) upload.stream.write(CONTENT.subarray(i, i + 7000));
        if (next(15) === 0) throw new Error('the client went');
      }
      upload.stream.end();
      await upload.finish();
      const whole = servers.some(({ written, closed, temporary, renamed }) =>
        [...written].some(
          ([handle, bytes]) =>
            bytes.equals(CONTENT) && closed.has(handle) && (renamed || !temporary.has(handle)),
        ),
      );
      assert(whole, 'an upload that succeeded was not acknowledged whole');
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      await upload.abandon();
      await upload.reason();
      throw error;
    }
  };
  const list = async (): Promise<void> => {
    for await (const entries of client.list(PATH)) {
      assert(!entries.some(({ name }) => name.includes(0x2f)), 'a name leads elsewhere');
      if (next(5) === 0) return;
    }
  };
  const abort = new AbortController();
  const calls = [
    download,
    upload,
    list,
    download,
    upload,
    () => client.run((it) => it.realpath(PATH, abort)),
  ];
  const results = Promise.allSettled(calls.map((call) => call()));
  let settled = false;
  void results.then(() => {
    settled = true;
  });
  // As long as it goes on; then everything is answered, and at last the connection ends.
  for (let i = 0; i < 40 && !settled; i++) {
    await turn();
    if (next(10) === 0) abort.abort(new Error('not needed'));
    for (const server of servers) if (next(4) === 0) server.release();
  }
  over = true;
  for (const { server } of servers) server.channel.destroy(new Error('SSH is gone'));
  for (let i = 0; i < 1000 && !settled; i++) await turn();
  client.close();
  assert(settled, 'a call never settled');
  for (const result of await results) {
    if (result.status === 'rejected' && result.reason instanceof assert.AssertionError) throw result.reason;
    if (result.status === 'rejected') assert(isExpected(result.reason), `a bug: ${result.reason?.stack}`);
  }
  for (let i = 0; i < 5; i++) await turn();
  assert.equal(budget.taken, 0, 'memory of the budget is still taken');
  return (await results).filter(({ status }) => status === 'fulfilled').length;
}

/** Whether an error says something about the server, or is one of the dialogue's own. */
function isExpected(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const own = ['SSH is gone', 'the client went', 'not needed'].includes(error.message);
  return own || /^Sftp/.test(error.name);
}

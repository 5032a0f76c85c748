import { constants, type Stats } from 'node:fs';
import {
  chmod,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
  truncate,
  utimes,
} from 'node:fs/promises';
import path from 'node:path';
import ssh2, { type Attributes, type SFTPWrapper } from 'ssh2';

const { OPEN_MODE, STATUS_CODE } = ssh2.utils.sftp;

/** Names in one answer to READDIR. */
const BATCH = 100;

const CODES: Readonly<Record<string, number>> = {
  ENOENT: STATUS_CODE.NO_SUCH_FILE,
  EACCES: STATUS_CODE.PERMISSION_DENIED,
};

type OpenFile = Awaited<ReturnType<typeof open>>;

/** An open handle: a file, or a directory with the names that are still to be sent. */
type Opened =
  | { readonly file: OpenFile; readonly path: string }
  | { readonly names: string[]; readonly path: string };

/**
 * Answers the requests of one SFTP session (version 3, no extensions) with the directory `root`,
 * whose name is `/` for the client. Links are followed wherever they lead.
 */
export function serveSftp(sftp: SFTPWrapper, root: string): void {
  const handles = new Map<number, Opened>();
  let last = 0;
  const add = (opened: Opened) => {
    const handle = Buffer.alloc(4);
    last += 1;
    handle.writeUInt32BE(last);
    handles.set(last, opened);
    return handle;
  };
  const of = (handle: Buffer) => {
    const opened = handles.get(handle.readUInt32BE());
    if (opened === undefined) throw new Error('no such handle');
    return opened;
  };
  const fileOf = (handle: Buffer) => {
    const opened = of(handle);
    if ('file' in opened) return opened.file;
    throw new Error('the handle is that of a directory');
  };
  const inside = (name: string) => path.join(root, path.posix.normalize(`/${name}`));
  const ok = (id: number) => sftp.status(id, STATUS_CODE.OK);
  const end = (id: number) => sftp.status(id, STATUS_CODE.EOF);
  const nameOf = (filename: string, attrs: Attributes) => ({ filename, longname: filename, attrs });

  // Requests for one file take effect in their order (draft-ietf-secsh-filexfer-02, 4.1).
  let before: Promise<unknown> = Promise.resolve();
  /** Runs a handler after all earlier ones, and answers its failure. */
  const answer = (id: number, work: () => Promise<unknown>) => {
    before = before
      .then(work)
      .catch(({ code, message }: NodeJS.ErrnoException) =>
        sftp.status(id, CODES[code ?? ''] ?? STATUS_CODE.FAILURE, message),
      );
  };

  sftp.on('OPEN', (id, name, flags, { mode = 0o644 }) =>
    answer(id, async () => {
      const at = inside(name);
      sftp.handle(id, add({ file: await open(at, openFlags(flags), mode), path: at }));
    }),
  );
  sftp.on('READ', (id, handle, offset, length) =>
    answer(id, async () => {
      const { bytesRead, buffer } = await fileOf(handle).read(Buffer.alloc(length), 0, length, offset);
      if (bytesRead === 0) end(id);
      else sftp.data(id, buffer.subarray(0, bytesRead));
    }),
  );
  sftp.on('WRITE', (id, handle, offset, data) =>
    answer(id, async () => {
      const file = fileOf(handle);
      for (let done = 0; done < data.length; ) {
        done += (await file.write(data, done, data.length - done, offset + done)).bytesWritten;
      }
      ok(id);
    }),
  );
  sftp.on('FSTAT', (id, handle) =>
    answer(id, async () => {
      sftp.attrs(id, attributesOf(await fileOf(handle).stat()));
    }),
  );
  sftp.on('FSETSTAT', (id, handle, attrs) =>
    answer(id, async () => {
      await setAttributes(of(handle).path, attrs);
      ok(id);
    }),
  );
  sftp.on('CLOSE', (id, handle) =>
    answer(id, async () => {
      const opened = of(handle);
      handles.delete(handle.readUInt32BE());
      if ('file' in opened) await opened.file.close();
      ok(id);
    }),
  );
  sftp.on('OPENDIR', (id, name) =>
    answer(id, async () => {
      const at = inside(name);
      sftp.handle(id, add({ names: ['.', '..', ...(await readdir(at))], path: at }));
    }),
  );
  sftp.on('READDIR', (id, handle) =>
    answer(id, async () => {
      const opened = of(handle);
      const batch = 'names' in opened ? opened.names.splice(0, BATCH) : [];
      if (batch.length === 0) return end(id);
      const stats = batch.map(async (entry) =>
        nameOf(entry, attributesOf(await lstat(path.join(opened.path, entry)))),
      );
      return sftp.name(id, await Promise.all(stats));
    }),
  );
  sftp.on('STAT', (id, name) =>
    answer(id, async () => {
      sftp.attrs(id, attributesOf(await stat(inside(name))));
    }),
  );
  sftp.on('LSTAT', (id, name) =>
    answer(id, async () => {
      sftp.attrs(id, attributesOf(await lstat(inside(name))));
    }),
  );
  sftp.on('SETSTAT', (id, name, attrs) =>
    answer(id, async () => {
      await setAttributes(inside(name), attrs);
      ok(id);
    }),
  );
  sftp.on('REALPATH', (id, name) =>
    answer(id, async () => {
      const real = path.relative(await realpath(root), await realpath(inside(name)));
      sftp.name(id, [nameOf(path.posix.join('/', ...real.split(path.sep)), attributesOf(await stat(root)))]);
    }),
  );
  sftp.on('READLINK', (id, name) =>
    answer(id, async () => {
      sftp.name(id, [nameOf(await readlink(inside(name)), attributesOf(await lstat(inside(name))))]);
    }),
  );
  sftp.on('MKDIR', (id, name) =>
    answer(id, async () => {
      await mkdir(inside(name));
      ok(id);
    }),
  );
  sftp.on('RMDIR', (id, name) =>
    answer(id, async () => {
      await rmdir(inside(name));
      ok(id);
    }),
  );
  sftp.on('REMOVE', (id, name) =>
    answer(id, async () => {
      await rm(inside(name));
      ok(id);
    }),
  );
  sftp.on('RENAME', (id, from, to) =>
    answer(id, async () => {
      // In version 3 it fails if the name exists.
      const exists = await lstat(inside(to)).catch(() => null);
      if (exists) return sftp.status(id, STATUS_CODE.FAILURE, 'file exists');
      await rename(inside(from), inside(to));
      return ok(id);
    }),
  );
  sftp.once('close', () => {
    for (const opened of handles.values()) if ('file' in opened) void opened.file.close();
  });
}

/** Returns the flags of open(2) for those of OPEN. */
function openFlags(flags: number): number {
  const has = (flag: number) => (flags & flag) !== 0;
  const reads = has(OPEN_MODE.READ);
  return (
    (has(OPEN_MODE.WRITE) ? (reads ? constants.O_RDWR : constants.O_WRONLY) : constants.O_RDONLY) |
    (has(OPEN_MODE.APPEND) ? constants.O_APPEND : 0) |
    (has(OPEN_MODE.CREAT) ? constants.O_CREAT : 0) |
    (has(OPEN_MODE.TRUNC) ? constants.O_TRUNC : 0) |
    (has(OPEN_MODE.EXCL) ? constants.O_EXCL : 0)
  );
}

function attributesOf({ mode, uid, gid, size, atimeMs, mtimeMs }: Stats): Attributes {
  return { mode, uid, gid, size, atime: Math.floor(atimeMs / 1000), mtime: Math.floor(mtimeMs / 1000) };
}

async function setAttributes(at: string, { mode, size, atime, mtime }: Partial<Attributes>): Promise<void> {
  if (size !== undefined) await truncate(at, size);
  if (mode !== undefined) await chmod(at, mode & 0o7777);
  if (atime !== undefined && mtime !== undefined) await utimes(at, atime, mtime);
}

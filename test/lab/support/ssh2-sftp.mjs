// An SSH server with ssh2's own SFTP server over the files of its container; it has no extensions of OpenSSH.
// usage: ssh2-sftp.mjs PORT USER AUTHORIZED_KEY HOST_KEY_FILE
import { timingSafeEqual } from 'node:crypto';
import { constants, readFileSync } from 'node:fs';
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
  symlink,
  truncate,
  utimes,
} from 'node:fs/promises';
import { join } from 'node:path';
import ssh2 from 'ssh2';

const [port, user, authorized, hostKeyFile] = process.argv.slice(2);
const key = ssh2.utils.parseKey(authorized);
const { STATUS_CODE, OPEN_MODE } = ssh2.utils.sftp;

const CODES = { ENOENT: STATUS_CODE.NO_SUCH_FILE, EACCES: STATUS_CODE.PERMISSION_DENIED };

function attributes(stats) {
  const { mode, uid, gid, size } = stats;
  const seconds = (ms) => Math.floor(ms / 1000);
  return { mode, uid, gid, size, atime: seconds(stats.atimeMs), mtime: seconds(stats.mtimeMs) };
}

async function setAttributes(path, { mode, size, atime, mtime }) {
  if (size !== undefined) await truncate(path, size);
  if (mode !== undefined) await chmod(path, mode & 0o7777);
  if (atime !== undefined && mtime !== undefined) await utimes(path, atime, mtime);
}

/** Returns open(2)'s flags. ssh2's flagsToString lacks some, such as WRITE, CREAT and EXCL without TRUNC. */
function openFlags(flags) {
  const has = (flag) => (flags & OPEN_MODE[flag]) !== 0;
  const access = has('READ') ? (has('WRITE') ? constants.O_RDWR : constants.O_RDONLY) : constants.O_WRONLY;
  const others = { APPEND: 'O_APPEND', CREAT: 'O_CREAT', TRUNC: 'O_TRUNC', EXCL: 'O_EXCL' };
  return Object.entries(others).reduce(
    (all, [flag, name]) => all | (has(flag) ? constants[name] : 0),
    access,
  );
}

/** Names of a folder in one answer. */
const BATCH = 100;

function serve(sftp) {
  const handles = new Map();
  let last = 0;
  const add = (value) => {
    const handle = Buffer.alloc(4);
    last += 1;
    handle.writeUInt32BE(last);
    handles.set(last, value);
    return handle;
  };
  const of = (handle) => {
    const value = handles.get(handle.readUInt32BE());
    if (value === undefined) throw new Error('no such handle');
    return value;
  };
  const name = (filename, attrs = {}) => ({ filename, longname: filename, attrs });
  const ok = (id) => sftp.status(id, STATUS_CODE.OK);
  const end = (id) => sftp.status(id, STATUS_CODE.EOF);

  const requests = {
    async OPEN(id, path, flags, attrs) {
      const file = await open(path, openFlags(flags), attrs.mode ?? 0o644);
      sftp.handle(id, add({ file, path }));
    },
    async READ(id, handle, offset, length) {
      const { file } = of(handle);
      const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, offset);
      if (bytesRead === 0) end(id);
      else sftp.data(id, buffer.subarray(0, bytesRead));
    },
    async WRITE(id, handle, offset, data) {
      const { file } = of(handle);
      for (let done = 0; done < data.length; ) {
        done += (await file.write(data, done, data.length - done, offset + done)).bytesWritten;
      }
      ok(id);
    },
    async FSTAT(id, handle) {
      sftp.attrs(id, attributes(await of(handle).file.stat()));
    },
    async FSETSTAT(id, handle, attrs) {
      await setAttributes(of(handle).path, attrs);
      ok(id);
    },
    async CLOSE(id, handle) {
      const { file } = of(handle);
      handles.delete(handle.readUInt32BE());
      await file?.close();
      ok(id);
    },
    async OPENDIR(id, path) {
      sftp.handle(id, add({ path, names: ['.', '..', ...(await readdir(path))] }));
    },
    async READDIR(id, handle) {
      const { path, names } = of(handle);
      const batch = names.splice(0, BATCH);
      if (batch.length === 0) return end(id);
      const entries = batch.map(async (entry) => name(entry, attributes(await lstat(join(path, entry)))));
      sftp.name(id, await Promise.all(entries));
    },
    async STAT(id, path) {
      sftp.attrs(id, attributes(await stat(path)));
    },
    async LSTAT(id, path) {
      sftp.attrs(id, attributes(await lstat(path)));
    },
    async SETSTAT(id, path, attrs) {
      await setAttributes(path, attrs);
      ok(id);
    },
    async REALPATH(id, path) {
      sftp.name(id, [name(await realpath(path))]);
    },
    async READLINK(id, path) {
      sftp.name(id, [name(await readlink(path))]);
    },
    async SYMLINK(id, target, path) {
      await symlink(target, path);
      ok(id);
    },
    async MKDIR(id, path) {
      await mkdir(path);
      ok(id);
    },
    async RMDIR(id, path) {
      await rmdir(path);
      ok(id);
    },
    async REMOVE(id, path) {
      await rm(path);
      ok(id);
    },
    async RENAME(id, from, to) {
      // As the draft says: it fails if the name is in use.
      if (await lstat(to).catch(() => null)) return sftp.status(id, STATUS_CODE.FAILURE, 'it exists');
      await rename(from, to);
      ok(id);
    },
  };
  // Requests for one file take effect in the order in which they came (draft-ietf-secsh-filexfer-02, 4.1).
  let before = Promise.resolve();
  for (const [request, answer] of Object.entries(requests)) {
    sftp.on(request, (id, ...args) => {
      before = before
        .then(() => answer(id, ...args))
        .catch((error) => sftp.status(id, CODES[error.code] ?? STATUS_CODE.FAILURE, error.message));
    });
  }
}

function authenticate(context) {
  const { method, username } = context;
  if (method !== 'publickey' || username !== user) return context.reject(['publickey']);
  const expected = key.getPublicSSH();
  const given = context.key.data;
  const known = given.length === expected.length && timingSafeEqual(given, expected);
  const signed =
    context.signature === undefined || key.verify(context.blob, context.signature, context.hashAlgo);
  if (known && signed === true) context.accept();
  else context.reject();
}

const server = new ssh2.Server({ hostKeys: [readFileSync(hostKeyFile)] }, (client) => {
  client.on('authentication', authenticate);
  client.on('error', (error) => console.error(error.message));
  client.on('session', (accept) => {
    accept().on('sftp', (acceptSftp) => serve(acceptSftp()));
  });
});
server.listen(Number(port), '::', () => console.log('listening'));

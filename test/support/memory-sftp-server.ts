import { type Attributes, readAttributes } from '../../src/sftp/codec/attributes.ts';
import type { FieldReader } from '../../src/sftp/codec/field-reader.ts';
import { OpenFlag, StatusCode } from '../../src/sftp/codec/protocol.ts';
import { packet, type ReceivedRequest, ScriptedSftpServer, u32, u64 } from './scripted-sftp-server.ts';

const FILE = 0o100000;

const DIRECTORY = 0o040755;

export interface MemoryFile {
  content: Buffer;
  permissions: number;
  /** Seconds since 1970; left out, the server does not say. */
  mtime?: number;
}

/** Files that several sessions share. */
export class MemoryFiles extends Map<string, MemoryFile> {
  put(name: string, content: string | Buffer): MemoryFile {
    const file = { content: Buffer.from(content as string), permissions: FILE | 0o644 };
    this.set(name, file);
    return file;
  }

  text(name: string): string | undefined {
    return this.get(name)?.content.toString();
  }

  get names(): string[] {
    return [...this.keys()];
  }

  /** The names in a directory; a directory is what files are below. */
  entriesOf(directory: string): string[] {
    const below = `${directory}/`;
    const names = this.names.filter((name) => name.startsWith(below)).map((name) => name.slice(below.length));
    return [...new Set(names.map((name) => name.split('/')[0] ?? ''))];
  }
}

/** The extensions of OpenSSH's server that this one has as well. */
export const OPENSSH: Readonly<Record<string, string>> = {
  'posix-rename@openssh.com': '1',
  'lsetstat@openssh.com': '1',
  'limits@openssh.com': '1',
  'fsync@openssh.com': '1',
  'copy-data': '1',
};

export interface MemoryOptions {
  readonly extensions?: Readonly<Record<string, string>>;
  /** Sees each request first; true if it has answered it, or if it is not to be answered. */
  readonly intercept?: (request: ReceivedRequest, server: ScriptedSftpServer) => boolean;
  /** Calls what answers a request, when it likes. Default: at once. */
  readonly schedule?: (answer: () => void, request: ReceivedRequest) => void;
}

interface OpenMemoryFile {
  readonly name: string;
  readonly file: MemoryFile;
  readonly append: boolean;
}

/**
 * An SFTP server with files in memory, which does as the draft says: RENAME fails if the target
 * exists. It has the extensions that it is given, of posix-rename, limits, fsync and copy-data. One
 * session; make another over the same files.
 */
export function serveMemory(files: MemoryFiles, options: MemoryOptions = {}): ScriptedSftpServer {
  const { extensions = {}, intercept, schedule = (now) => now() } = options;
  const server = new ScriptedSftpServer({ extensions });
  const handles = new Map<string, OpenMemoryFile>();
  let lastHandle = 0;

  const directories = new Map<string, string[]>();
  const closeHandle = (handle: string) => handle.startsWith('directory ') || handles.delete(handle);
  const attributesOf = ({ content, permissions, mtime }: MemoryFile): Attributes => {
    return { size: content.length, permissions, ...(mtime !== undefined && { atime: mtime, mtime }) };
  };
  const found = (path: string): Attributes | null => {
    const file = files.get(path);
    if (file !== undefined) return attributesOf(file);
    return files.entriesOf(path).length > 0 ? { permissions: DIRECTORY } : null;
  };
  const attributes = (id: number, file: MemoryFile | string | undefined) => {
    const attributes = typeof file === 'string' ? found(file) : file ? attributesOf(file) : null;
    if (attributes === null) return server.status(id, StatusCode.NO_SUCH_FILE);
    server.attributes(id, attributes);
  };
  const list = (id: number, handle: string) => {
    const path = handle.slice('directory '.length);
    const names = directories.get(path)?.splice(0, 10) ?? [];
    if (names.length === 0) return server.status(id, StatusCode.EOF);
    const entries = names.map((name) => ({ name, attributes: found(`${path}/${name}`) ?? {} }));
    server.entries(id, entries);
  };
  const change = (id: number, file: MemoryFile | undefined, fields: FieldReader) => {
    if (!file) return server.status(id, StatusCode.NO_SUCH_FILE);
    const { size, permissions, mtime } = readAttributes(fields);
    if (mtime !== undefined) file.mtime = mtime;
    if (size !== undefined) file.content = resized(file.content, size);
    if (permissions !== undefined) file.permissions = FILE | permissions;
    server.status(id);
  };
  const open = (id: number, name: string, flags: number) => {
    const exists = files.has(name);
    if (!exists && !(flags & OpenFlag.CREAT)) return server.status(id, StatusCode.NO_SUCH_FILE);
    if (exists && flags & OpenFlag.EXCL) return server.status(id, StatusCode.FAILURE);
    const file = files.get(name) ?? files.put(name, '');
    if (flags & OpenFlag.TRUNC) file.content = Buffer.alloc(0);
    const handle = `handle ${++lastHandle}`;
    handles.set(handle, { name, file, append: (flags & OpenFlag.APPEND) !== 0 });
    server.handle(id, handle);
  };
  const rename = (id: number, from: string, to: string, replaces: boolean) => {
    const file = files.get(from);
    if (!file) return server.status(id, StatusCode.NO_SUCH_FILE);
    if (files.has(to) && !replaces) return server.status(id, StatusCode.FAILURE);
    files.delete(from);
    files.set(to, file);
    server.status(id);
  };

  const answer = (request: ReceivedRequest) => {
    const { name, id, fields } = request;
    const text = () => fields.view().toString();
    switch (name) {
      case 'OPEN':
        return open(id, text(), fields.u32());
      case 'CLOSE':
        return server.status(id, closeHandle(text()) ? StatusCode.OK : StatusCode.FAILURE);
      case 'STAT':
      case 'LSTAT':
        return attributes(id, text());
      case 'FSTAT':
        return attributes(id, handles.get(text())?.file);
      case 'REALPATH':
        return server.names(id, [text()]);
      case 'OPENDIR': {
        const path = text();
        directories.set(path, files.entriesOf(path));
        return server.handle(id, `directory ${path}`);
      }
      case 'READDIR':
        return list(id, text());
      case 'lsetstat@openssh.com':
      case 'SETSTAT':
        return change(id, files.get(text()), fields);
      case 'FSETSTAT':
        return change(id, handles.get(text())?.file, fields);
      case 'REMOVE':
        return server.status(id, files.delete(text()) ? StatusCode.OK : StatusCode.NO_SUCH_FILE);
      case 'RENAME':
        return rename(id, text(), text(), false);
      case 'posix-rename@openssh.com':
        return rename(id, text(), text(), true);
      case 'copy-data': {
        const from = handles.get(text())?.file.content ?? Buffer.alloc(0);
        const [start, length] = [fields.u64(), fields.u64()];
        const to = handles.get(text())?.file;
        if (to) to.content = Buffer.from(from.subarray(start, start + length));
        return server.status(id, to ? StatusCode.OK : StatusCode.FAILURE);
      }
      case 'fsync@openssh.com':
        return server.status(id);
      case 'limits@openssh.com':
        return server.send(packet('EXTENDED_REPLY', u32(id), ...[262144, 261120, 261120, 0].map(u64)));
      case 'READ': {
        const content = handles.get(text())?.file.content;
        const offset = fields.u64();
        const bytes = content?.subarray(offset, offset + fields.u32());
        return bytes?.length ? server.data(id, bytes) : server.status(id, StatusCode.EOF);
      }
      case 'WRITE': {
        const opened = handles.get(text());
        const offset = fields.u64();
        const bytes = fields.view();
        if (!opened) return server.status(id, StatusCode.FAILURE, 'no such handle');
        const { file, append } = opened;
        const at = append ? file.content.length : offset;
        if (file.content.length < at + bytes.length) file.content = resized(file.content, at + bytes.length);
        bytes.copy(file.content, at);
        return server.status(id);
      }
      default:
        return server.status(id, StatusCode.OP_UNSUPPORTED);
    }
  };
  server.onRequest = (request) => {
    if (!intercept?.(request, server)) schedule(() => answer(request), request);
  };
  return server;
}

/**
 * `content` with this length; longer, it is the beginning of a larger buffer, so that it can grow
 * in place.
 */
function resized(content: Buffer, size: number): Buffer {
  if (size <= content.length) return Buffer.from(content.subarray(0, size));
  const room = Buffer.from(content.buffer, content.byteOffset);
  if (spare.has(content.buffer) && room.length >= size) {
    room.fill(0, content.length, size);
    return room.subarray(0, size);
  }
  const larger = Buffer.alloc(2 * size);
  spare.add(larger.buffer);
  content.copy(larger);
  return larger.subarray(0, size);
}

/** Memory that belongs to one file alone. */
const spare = new WeakSet<ArrayBufferLike>();

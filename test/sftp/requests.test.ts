import { describe, expect, it } from 'vitest';
import { Extension, OpenFlag } from '../../src/sftp/codec/protocol.ts';
import { encodeInit, encodeWriteHead, packIds, requests, setId } from '../../src/sftp/codec/requests.ts';
import { packet, string, u32, u64 } from '../support/scripted-sftp-server.ts';

const path = Buffer.from([0x2f, 0xe9]);
const handle = Buffer.from('handle');
const noAttributes = u32(0);

describe('requests', () => {
  it.each([
    [
      'OPEN',
      requests.open(path, OpenFlag.READ, {}),
      packet('OPEN', u32(0), string(path), u32(1), noAttributes),
    ],
    ['CLOSE', requests.close(handle), packet('CLOSE', u32(0), string(handle))],
    ['READ', requests.read(handle, 2 ** 40, 9), packet('READ', u32(0), string(handle), u64(2 ** 40), u32(9))],
    [
      'MKDIR',
      requests.mkdir(path, { permissions: 0o755 }),
      packet('MKDIR', u32(0), string(path), u32(4), u32(0o755)),
    ],
    ['RENAME', requests.rename(path, handle), packet('RENAME', u32(0), string(path), string(handle))],
    [
      'SYMLINK, the target first',
      requests.symlink(path, handle),
      packet('SYMLINK', u32(0), string(path), string(handle)),
    ],
    [
      'SETSTAT',
      requests.setstat(path, { size: 3, atime: 1, mtime: 2 }),
      packet('SETSTAT', u32(0), string(path), u32(9), u64(3), u32(1), u32(2)),
    ],
    [
      'an extension',
      requests.extended(Extension.COPY_DATA, [handle, 0n, 5n, handle, 7n]),
      packet('EXTENDED', u32(0), string('copy-data'), string(handle), u64(0), u64(5), string(handle), u64(7)),
    ],
  ])('encodes %s', (_name, request, bytes) => {
    expect(request.packet).toEqual(bytes);
  });

  it('names a request, and an extension by its own name', () => {
    expect(requests.stat(path).name).toBe('STAT');
    expect(requests.extended(Extension.FSYNC, [handle]).name).toBe('fsync@openssh.com');
  });

  it('puts the id in its place', () => {
    const { packet: bytes } = requests.lstat(path);
    setId(bytes, 0xfffffffe);
    expect(bytes).toEqual(packet('LSTAT', u32(0xfffffffe), string(path)));
  });

  it.each([0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 52 + 5])('encodes the head of a WRITE at %d', (offset) => {
    const data = Buffer.from('content');
    const whole = Buffer.concat([encodeWriteHead(5, handle, offset, data.length), data]);
    expect(whole).toEqual(packet('WRITE', u32(5), string(handle), u64(offset), string(data)));
  });

  it('encodes INIT, and ids for their names', () => {
    expect(encodeInit()).toEqual(packet('INIT', u32(3)));
    expect(packIds([0, 65534])).toEqual(Buffer.concat([u32(0), u32(65534)]));
  });
});

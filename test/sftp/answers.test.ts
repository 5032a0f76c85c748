import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeAnswer } from '../../src/sftp/codec/answers.ts';
import { type Attributes, encodeAttributes, fileType } from '../../src/sftp/codec/attributes.ts';
import { FieldReader } from '../../src/sftp/codec/field-reader.ts';
import { PacketType } from '../../src/sftp/codec/protocol.ts';
import { string, u32, u64 } from '../support/scripted-sftp-server.ts';

const decode = (type: keyof typeof PacketType, ...parts: Buffer[]) =>
  decodeAnswer(PacketType[type], new FieldReader(Buffer.concat(parts)));

describe('decodeAnswer', () => {
  it('reads a VERSION with its extensions', () => {
    const answer = decode('VERSION', u32(3), string('posix-rename@openssh.com'), string('1'));
    expect(answer).toEqual({
      kind: 'version',
      version: 3,
      extensions: new Map([['posix-rename@openssh.com', '1']]),
    });
  });

  it('reads a STATUS, also one without words, as old servers send it', () => {
    expect(decode('STATUS', u32(3), string('Permission denied'), string('en'))).toEqual({
      kind: 'status',
      code: 3,
      words: 'Permission denied',
    });
    expect(decode('STATUS', u32(2))).toEqual({ kind: 'status', code: 2, words: '' });
  });

  it('makes one short printable line of a server’s words', () => {
    const answer = decode(
      'STATUS',
      u32(4),
      string(`\r\n550 oops\u001b[2J\u202e${'x'.repeat(5000)}`),
      string(''),
    );
    expect(answer.kind === 'status' && answer.words).toBe(`550 oops [2J ${'x'.repeat(287)}`);
  });

  it('reads names as bytes', () => {
    const name = Buffer.from([0xe9, 0xff, 0x41]);
    const entry = [string(name), string('-rw-r--r-- …'), encodeAttributes({ size: 5 })];
    const answer = decode('NAME', u32(1), ...entry);
    expect(answer).toEqual({
      kind: 'name',
      entries: [{ name, longname: Buffer.from('-rw-r--r-- …'), attributes: { size: 5 } }],
    });
  });

  it('keeps no name as a view of the packet', () => {
    const bytes = Buffer.concat([u32(1), string('name'), string(''), encodeAttributes({})]);
    const answer = decodeAnswer(PacketType.NAME, new FieldReader(bytes));
    bytes.fill(0);
    expect(answer.kind === 'name' && answer.entries[0]?.name.toString()).toBe('name');
  });

  it.each([
    ['a count of names beyond the packet', decode('NAME', u32(0xffffffff), string('a'), string(''), u32(0))],
    ['a name beyond the packet', decode('NAME', u32(1), u32(0xfffffff0), Buffer.from('abc'))],
    ['a count of extended attributes beyond the packet', decode('ATTRS', u32(0x80000000), u32(0xffffffff))],
    ['attributes that are cut off', decode('ATTRS', u32(1), u32(0))],
    ['a handle that is cut off', decode('HANDLE', u32(5), Buffer.from('abc'))],
    ['a handle of 257 bytes', decode('HANDLE', string('h'.repeat(257)))],
    ['a STATUS without a code', decode('STATUS', Buffer.alloc(3))],
    ['an extension without a version', decode('VERSION', u32(3), string('name'))],
    ['a request', decode('OPEN', u32(1))],
  ])('calls %s a fault', (_what, answer) => {
    expect(answer.kind).toBe('fault');
  });

  it('throws for no bytes at all, and makes no more entries than the bytes allow', () => {
    fc.assert(
      fc.property(fc.nat(255), fc.uint8Array({ maxLength: 200 }), (type, bytes) => {
        const answer = decodeAnswer(type, new FieldReader(Buffer.from(bytes)));
        if (answer.kind === 'name') expect(answer.entries.length).toBeLessThanOrEqual(bytes.length / 12);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('attributes', () => {
  const u32s = fc.nat(0xffffffff);
  const attributes: fc.Arbitrary<Attributes> = fc.record(
    { size: fc.nat({ max: Number.MAX_SAFE_INTEGER }), permissions: u32s },
    { requiredKeys: [] },
  );
  const owner = fc.option(fc.record({ uid: u32s, gid: u32s }), { nil: {} });
  const times = fc.option(fc.record({ atime: u32s, mtime: u32s }), { nil: {} });

  it('come back from their bytes as they were', () => {
    fc.assert(
      fc.property(attributes, owner, times, (some, ids, dates) => {
        const all = { ...some, ...ids, ...dates };
        expect(decode('ATTRS', encodeAttributes(all))).toEqual({ kind: 'attrs', attributes: all });
      }),
    );
  });

  it('may be followed by extended ones, which are passed over', () => {
    const bytes = [u32(0x80000001), u64(9), u32(1), string('acl'), string('…')];
    expect(decode('ATTRS', ...bytes)).toEqual({ kind: 'attrs', attributes: { size: 9 } });
  });

  it('have a size of 2^53 - 1 at most', () => {
    const answer = decode('ATTRS', u32(1), u64(2n ** 64n - 1n));
    expect(answer).toEqual({ kind: 'attrs', attributes: { size: Number.MAX_SAFE_INTEGER } });
  });

  it.each([
    [0o100644, 'file'],
    [0o040755, 'directory'],
    [0o120777, 'link'],
    [0o010644, 'other'],
    [0o644, 'unknown'],
  ])('%o is the mode of: %s', (permissions, type) => {
    expect(fileType({ permissions })).toBe(type);
  });

  it('without permissions, the type is not known', () => {
    expect(fileType({ size: 1 })).toBe('unknown');
  });
});

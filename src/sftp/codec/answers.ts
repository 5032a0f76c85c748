import { singleLine } from '../../core/text/control-characters.ts';
import { type Attributes, readAttributes } from './attributes.ts';
import type { FieldReader } from './field-reader.ts';
import { PacketType } from './protocol.ts';

/** An entry of a NAME answer. Names are bytes: servers hold names in any encoding. */
export interface NameEntry {
  readonly name: Buffer;
  /** A line such as `ls -l` prints; no more than a display string (section 7). */
  readonly longname: Buffer;
  readonly attributes: Attributes;
}

/** A server's answer; `fault`: bytes that are not an answer. */
export type Answer =
  | { readonly kind: 'version'; readonly version: number; readonly extensions: ReadonlyMap<string, string> }
  | { readonly kind: 'status'; readonly code: number; readonly words: string }
  | { readonly kind: 'handle'; readonly handle: Buffer }
  | { readonly kind: 'name'; readonly entries: readonly NameEntry[] }
  | { readonly kind: 'attrs'; readonly attributes: Attributes }
  | { readonly kind: 'extended'; readonly fields: FieldReader }
  | { readonly kind: 'fault'; readonly words: string };

/** Section 3: a handle is at most 256 bytes. */
const LONGEST_HANDLE = 256;
const LONGEST_WORDS = 300;

/** Decodes an answer of `type` from what follows its id (or its type, for VERSION). */
export function decodeAnswer(type: number, fields: FieldReader): Answer {
  const answer = decode(type, fields);
  return fields.fault === null ? answer : { kind: 'fault', words: `${nameOf(type)}: ${fields.fault}` };
}

function decode(type: number, fields: FieldReader): Answer {
  switch (type) {
    case PacketType.VERSION:
      return { kind: 'version', version: fields.u32(), extensions: readExtensions(fields) };
    case PacketType.STATUS:
      return readStatus(fields);
    case PacketType.HANDLE:
      return readHandle(fields);
    case PacketType.NAME:
      return { kind: 'name', entries: readEntries(fields) };
    case PacketType.ATTRS:
      return { kind: 'attrs', attributes: readAttributes(fields) };
    case PacketType.EXTENDED_REPLY:
      return { kind: 'extended', fields };
    default:
      return { kind: 'fault', words: `a packet of type ${type}` };
  }
}

function readExtensions(fields: FieldReader): ReadonlyMap<string, string> {
  const extensions = new Map<string, string>();
  while (fields.left > 0) {
    const name = fields.view().toString('latin1');
    extensions.set(name, fields.view().toString('latin1'));
  }
  return extensions;
}

/** Old servers send the code alone, without words (section 9.1 has them since version 3). */
function readStatus(fields: FieldReader): Answer {
  const code = fields.u32();
  return { kind: 'status', code, words: fields.left > 0 ? readable(fields.view()) : '' };
}

function readHandle(fields: FieldReader): Answer {
  const handle = fields.bytes();
  if (handle.length <= LONGEST_HANDLE) return { kind: 'handle', handle };
  return { kind: 'fault', words: `a handle of ${handle.length} bytes` };
}

function readEntries(fields: FieldReader): readonly NameEntry[] {
  const entries: NameEntry[] = [];
  const count = fields.u32();
  // A count can be any number; the bytes that are there limit the loop.
  while (entries.length < count && fields.fault === null) {
    entries.push({ name: fields.bytes(), longname: fields.bytes(), attributes: readAttributes(fields) });
  }
  return entries;
}

/** Returns a server's words as one line of printable text. */
function readable(bytes: Buffer): string {
  return singleLine(bytes.subarray(0, 4 * LONGEST_WORDS).toString('utf8'), LONGEST_WORDS);
}

function nameOf(type: number): string {
  const known = Object.entries(PacketType).find(([, value]) => value === type);
  return known ? known[0] : `packet ${type}`;
}

import { createCipheriv, createHash } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A generated file: its name as bytes, its size in bytes and its SHA-256 in hex. */
export interface Made {
  readonly name: Buffer;
  readonly size: number;
  readonly sha256: string;
}

const CHUNK = 1 << 20;

/** `日本語` as UTF-8. */
export const UTF8_NAME = Buffer.from('日本語.txt');
/** `日本語表` as Shift_JIS; the last character's second byte is a backslash. */
export const SJIS_NAME = Buffer.from('93fa967b8cea955c2e747874', 'hex');
/** The folder of 200 small files. */
export const MANY = 'many';
export const MANY_COUNT = 200;

/**
 * The chunks of a file's content, which follows from its seed: no two pages alike, nothing that
 * compresses.
 */
export function* content(seed: string, size: number): Generator<Buffer> {
  const key = createHash('sha256').update(seed).digest();
  const cipher = createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16));
  const zeros = Buffer.alloc(CHUNK);
  for (let left = size; left > 0; left -= CHUNK) {
    yield cipher.update(left < CHUNK ? zeros.subarray(0, left) : zeros);
  }
}

/**
 * Makes a file of `size` bytes in `folder` unless it is there already, and tells its checksum.
 * The same name and size always give the same bytes.
 */
export function makeFile(folder: string, name: string | Buffer, size: number): Made {
  const bytes = Buffer.from(name);
  const path = Buffer.concat([Buffer.from(`${folder}/`), bytes]);
  const hash = createHash('sha256');
  const file = existsSync(path) ? null : openSync(path, 'wx', 0o644);
  for (const chunk of content(bytes.toString('hex'), size)) {
    hash.update(chunk);
    if (file !== null) writeSync(file, chunk);
  }
  if (file !== null) closeSync(file);
  return { name: bytes, size, sha256: hash.digest('hex') };
}

/**
 * What every FTP server of the lab serves in `pub/`, and host A has in /pub for uploads. Big files
 * are made on demand.
 */
export function makePub(folder: string): void {
  mkdirSync(join(folder, MANY), { recursive: true });
  makeFile(folder, 'empty.bin', 0);
  makeFile(folder, 'small.bin', 1000);
  makeFile(folder, UTF8_NAME, 2000);
  makeFile(folder, SJIS_NAME, 3000);
  for (let i = 0; i < MANY_COUNT; i++) {
    makeFile(join(folder, MANY), `${String(i).padStart(3, '0')}.bin`, i * 37);
  }
}

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  fingerprint,
  lookup,
  matchesHost,
  parseKnownHosts,
} from '../../../src/core/ssh/host-key/known-hosts.ts';
import { appendKnownHost } from '../../../src/core/ssh/host-key/known-hosts-file.ts';
import { describeWith, makeKey, run } from '../../support/openssh.ts';

describeWith(['ssh-keygen'], 'known_hosts beside ssh-keygen', () => {
  let dir: string;
  let key: string;
  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-kh-'));
    await makeKey(path.join(dir, 'key'));
    key = (await readFile(path.join(dir, 'key.pub'), 'utf8')).split(' ').slice(0, 2).join(' ');
  });
  afterAll(() => rm(dir, { recursive: true }));

  /** The line numbers that ssh-keygen -F finds. */
  async function found(file: string, name: string): Promise<number[]> {
    const text = await run('ssh-keygen', ['-F', name, '-f', file]).catch(() => '');
    return [...text.matchAll(/found: line (\d+)/g)].map(([, line]) => Number(line));
  }
  const ours = (text: string, name: string) =>
    parseKnownHosts(text, 'f').flatMap((entry) => (matchesHost(entry, name) ? [entry.line] : []));

  it.each([false, true])('finds the same lines (hashed: %s)', async (hashed) => {
    const file = path.join(dir, `known_hosts.${hashed}`);
    const hosts = [
      'a.example.com',
      'b,c.example.com',
      '[d]:2222',
      '192.0.2.1',
      // ssh-keygen -H hashes no wildcards.
      ...(hashed ? [] : ['*.wild.example', '!x.wild.example,?.wild.example']),
      'UPPER',
    ];
    await writeFile(
      file,
      `${hosts.map((h) => `${h} ${key} note`).join('\n')}\n# comment\n${hashed ? '' : 'broken line\n'}`,
    );
    if (hashed) await run('ssh-keygen', ['-q', '-H', '-f', file]);
    const text = await readFile(file, 'utf8');
    if (hashed) expect(text).toContain('|1|');
    const names = [
      'a.example.com',
      'b',
      'c.example.com',
      'd',
      '[d]:2222',
      '[d]:2223',
      '192.0.2.1',
      'q.wild.example',
      'x.wild.example',
      'qq.wild.example',
      'upper',
      'nobody',
    ];
    for (const name of names) expect([name, ours(text, name)]).toEqual([name, await found(file, name)]);
    expect(ours(text, 'a.example.com')).toHaveLength(1);
  });

  it.each([false, true])('writes lines that ssh-keygen finds (hashed: %s)', async (hash) => {
    const file = path.join(dir, `written.${hash}`);
    const blob = Buffer.from(key.split(' ')[1] ?? '', 'base64');
    await appendKnownHost(file, ['[new.example.com]:2222'], blob, { hash });
    await appendKnownHost(file, ['other'], blob, { hash });
    expect(await found(file, '[new.example.com]:2222')).toEqual([1]);
    expect(await found(file, 'other')).toEqual([2]);
    expect(lookup(parseKnownHosts(await readFile(file, 'utf8'), file), ['other'], blob).status).toBe('match');
  });

  it('prints the fingerprint that ssh-keygen prints', async () => {
    const blob = Buffer.from(key.split(' ')[1] ?? '', 'base64');
    expect(await run('ssh-keygen', ['-l', '-f', path.join(dir, 'key.pub')])).toContain(
      ` ${fingerprint(blob)} `,
    );
  });
});

import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import pino from 'pino';
import ssh2 from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHostVerifier, type HostVerifier } from '../../../../src/core/ssh/host-key/host-key.ts';
import { fingerprint } from '../../../../src/core/ssh/host-key/known-hosts.ts';
import type { SshOptions } from '../../../../src/core/ssh/options.ts';
import { newKeyPair } from '../../../support/key-pair.ts';
import { ScriptedPrompter, sshOptions } from '../../../support/ssh-person.ts';

const log = pino({ level: 'silent' });
const pair = (type: 'ed25519' | 'ecdsa') =>
  type === 'ed25519' ? newKeyPair() : ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 });
const line = (key: string) => key.trim().split(' ').slice(0, 2).join(' ');
const blobOf = (key: string) => Buffer.from(key.split(' ')[1] ?? '', 'base64');
const one = pair('ed25519').public;
const two = pair('ed25519').public;
const other = pair('ecdsa').public;

let dir: string;
let file: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-hostkey-'));
  file = path.join(dir, 'known_hosts');
});
afterEach(() => rm(dir, { recursive: true }));

const NOBODY = new ScriptedPrompter(null);
function verifier(changes: Partial<SshOptions>, prompter = NOBODY) {
  return createHostVerifier(sshOptions({ userKnownHostsFile: [file], ...changes }), prompter, log);
}

/**
 * What becomes of a key, as a login does it: judged, asked about, judged again on a new connection,
 * proven. Gives the error that it was refused with, or null; and what was to be said beside it.
 */
async function show(v: HostVerifier, key: Buffer, address: string | null = '192.0.2.7') {
  const first = await v.prepare();
  let verdict = first.judge(key);
  if (verdict.status === 'unknown') {
    const answer = await first.ask(key, address);
    if (answer !== true) return { error: answer, warning: '' };
    verdict = (await v.prepare()).judge(key);
  }
  if (verdict.status === 'unknown') throw new Error('it would be asked about again');
  if (verdict.status === 'refused') return { error: verdict.error, warning: verdict.warning ?? '' };
  await (await v.prepare()).proven(key, address);
  return { error: null, warning: '' };
}

async function accepted(v: HostVerifier, key: Buffer, address?: string | null): Promise<boolean> {
  return (await show(v, key, address)).error === null;
}

async function refusal(v: HostVerifier, key: Buffer): Promise<string> {
  const { error } = await show(v, key);
  if (error === null) throw new Error('it was accepted');
  expect(error.code).toBe('SSH_HOST_KEY');
  expect(error.retryable).toBe(false);
  return error.message;
}

describe('an unknown host key', () => {
  it('is refused with yes, even at a terminal', async () => {
    const person = new ScriptedPrompter(['yes']);
    const v = verifier({ strictHostKeyChecking: 'yes' }, person);
    const message = await refusal(v, blobOf(one));
    expect(message).toContain(fingerprint(blobOf(one)));
    expect(message).toContain('ED25519');
    expect(person.asked).toEqual([]);
  });

  it.each([
    ['there is no terminal', {}, NOBODY],
    ['BatchMode is on', { batchMode: true }, new ScriptedPrompter(['yes'])],
  ])('is refused by ask when %s', async (_, changes, prompter) => {
    const v = verifier(changes, prompter);
    expect(await refusal(v, blobOf(one))).toContain('accept-new');
  });

  it('causes the question that ssh asks, and is added if the answer is yes', async () => {
    const person = new ScriptedPrompter(['what?', 'YES']);
    const v = verifier({ port: 2222 }, person);
    expect(await accepted(v, blobOf(one))).toBe(true);
    expect(person.told).toContain(
      "The authenticity of host '[yourserver]:2222 ([192.0.2.7]:2222)' can't be established.\n" +
        `ED25519 key fingerprint is ${fingerprint(blobOf(one))}.\n`,
    );
    expect(person.asked.map((q) => q.question)).toEqual([
      'Are you sure you want to continue connecting (yes/no/[fingerprint])? ',
      "Please type 'yes', 'no' or the fingerprint: ",
    ]);
    expect(await readFile(file, 'utf8')).toBe(`[yourserver]:2222 ${line(one)}\n`);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('is accepted by its fingerprint, and not by another', async () => {
    const person = new ScriptedPrompter([fingerprint(blobOf(two)), fingerprint(blobOf(one))]);
    const v = verifier({}, person);
    expect(await accepted(v, blobOf(one), null)).toBe(true);
    expect(person.asked).toHaveLength(2);
  });

  it.each(['no', ''])('is refused by the answer %j, and the file stays as it is', async (answer) => {
    const v = verifier({}, new ScriptedPrompter([answer]));
    expect(await refusal(v, blobOf(one))).toContain('not accepted');
    await expect(stat(file)).rejects.toThrow('ENOENT');
  });

  it('is refused if the person cancels', async () => {
    const v = verifier({}, new ScriptedPrompter([new Error('interrupted')]));
    expect(await refusal(v, blobOf(one))).toContain('interrupted');
  });

  it('shows under which names the key is known', async () => {
    await writeFile(file, `elsewhere ${line(one)}\n`);
    const person = new ScriptedPrompter(['yes']);
    await show(verifier({}, person), blobOf(one));
    expect(person.told).toContain(`${file}:1: elsewhere`);
  });

  it.each(['accept-new', 'no'] as const)(
    'is added in silence by %s, behind an unfinished line',
    async (mode) => {
      await writeFile(file, `elsewhere ${line(two)}`);
      const v = verifier({ strictHostKeyChecking: mode });
      expect(await accepted(v, blobOf(one))).toBe(true);
      expect(await readFile(file, 'utf8')).toBe(`elsewhere ${line(two)}\nyourserver ${line(one)}\n`);
    },
  );

  it('makes the directory, for its owner alone', async () => {
    const deep = path.join(dir, '.ssh', 'known_hosts');
    const v = verifier({ strictHostKeyChecking: 'accept-new', userKnownHostsFile: [deep] });
    expect(await accepted(v, blobOf(one))).toBe(true);
    expect((await stat(path.dirname(deep))).mode & 0o777).toBe(0o700);
  });

  it('is added hashed with HashKnownHosts, and found again', async () => {
    const changes = { strictHostKeyChecking: 'accept-new', hashKnownHosts: true } as const;
    await show(verifier(changes), blobOf(one));
    expect(await readFile(file, 'utf8')).toMatch(/^\|1\|[^ ]+ ssh-ed25519 /);
    const again = verifier({ strictHostKeyChecking: 'yes' });
    expect(await accepted(again, blobOf(one))).toBe(true);
  });

  it('is not judged by its own word: nothing is written before the server has proven that it holds the key', async () => {
    const v = verifier({ strictHostKeyChecking: 'accept-new' });
    expect((await v.prepare()).judge(blobOf(one))).toEqual({ status: 'accepted' });
    await expect(stat(file)).rejects.toThrow('ENOENT');
    expect(await accepted(v, blobOf(two))).toBe(true);
    expect(await readFile(file, 'utf8')).toBe(`yourserver ${line(two)}\n`);
  });

  it('that was accepted is accepted again without a question, though no file holds it', async () => {
    const person = new ScriptedPrompter(['yes']);
    const v = verifier({ userKnownHostsFile: [] }, person);
    for (let connection = 0; connection < 3; connection++) expect(await accepted(v, blobOf(one))).toBe(true);
    expect(person.asked).toHaveLength(1);
  });

  it('is written once, however often it is proven', async () => {
    const v = verifier({}, new ScriptedPrompter(['yes']));
    const check = await v.prepare();
    await check.ask(blobOf(one), null);
    for (let connection = 0; connection < 2; connection++) await check.proven(blobOf(one), null);
    expect(await readFile(file, 'utf8')).toBe(`yourserver ${line(one)}\n`);
  });
});

describe('a changed host key', () => {
  it.each(['yes', 'ask', 'accept-new', 'no'] as const)('is refused by %s, loudly', async (mode) => {
    await writeFile(file, `# mine\nyourserver ${line(two)}\n`);
    const { error, warning } = await show(verifier({ strictHostKeyChecking: mode }), blobOf(one));
    const message = error?.message ?? '';
    for (const text of [warning, message]) {
      expect(text).toContain(fingerprint(blobOf(one)));
      expect(text).toContain(fingerprint(blobOf(two)));
      expect(text).toContain(`${file}:2`);
      expect(text).toContain(`ssh-keygen -f "${file}" -R "yourserver"`);
    }
    expect(error?.code).toBe('SSH_HOST_KEY');
    expect(warning).toContain('@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @');
    expect(message).not.toContain('\n');
    expect(await readFile(file, 'utf8')).toBe(`# mine\nyourserver ${line(two)}\n`);
  });

  it.each([
    ['ask', false],
    ['accept-new', false],
    ['no', true],
  ] as const)(
    'that no file holds is refused by %s when another was accepted before (accepted: %s)',
    async (mode, expected) => {
      const person = new ScriptedPrompter(['yes']);
      const v = verifier({ strictHostKeyChecking: mode, userKnownHostsFile: [] }, person);
      expect(await accepted(v, blobOf(one))).toBe(true);
      expect(await accepted(v, blobOf(two))).toBe(expected);
    },
  );

  it('is refused after the right one was accepted: a rekey must not bring another', async () => {
    await writeFile(file, `yourserver ${line(one)}\n`);
    const v = verifier({});
    expect(await accepted(v, blobOf(one), null)).toBe(true);
    expect(await accepted(v, blobOf(two))).toBe(false);
  });
});

describe('a known host key', () => {
  it('is accepted silently, every time', async () => {
    await writeFile(file, `yourserver ${line(one)}\n`);
    const person = new ScriptedPrompter([]);
    const v = verifier({ strictHostKeyChecking: 'yes' }, person);
    expect(await accepted(v, blobOf(one), null)).toBe(true);
    expect(await accepted(v, blobOf(one), null)).toBe(true);
    expect(person.told).toBe('');
  });

  it('is refused as soon as a file says otherwise: it is read before each connection', async () => {
    await writeFile(file, `yourserver ${line(one)}\n`);
    const v = verifier({});
    expect(await accepted(v, blobOf(one))).toBe(true);
    await writeFile(file, `@revoked * ${line(one)}\n`);
    expect(await accepted(v, blobOf(one))).toBe(false);
  });

  it('is refused when any file revokes it, even with no', async () => {
    const global = path.join(dir, 'global');
    await writeFile(file, `yourserver ${line(one)}\n`);
    await writeFile(global, `@revoked * ${line(one)}\n`);
    const v = verifier({ strictHostKeyChecking: 'no', globalKnownHostsFile: [global] });
    expect(await refusal(v, blobOf(one))).toContain(`${global}:1`);
  });

  it('is looked up by HostName, or by HostKeyAlias instead', async () => {
    await writeFile(file, `10.0.0.9 ${line(one)}\nthe-box ${line(two)}\n`);
    const named = verifier({ hostName: '10.0.0.9', strictHostKeyChecking: 'yes' });
    expect(await accepted(named, blobOf(one), null)).toBe(true);
    const alias = verifier({
      hostName: '10.0.0.9',
      hostKeyAlias: 'the-box',
      strictHostKeyChecking: 'yes',
    });
    expect(await accepted(alias, blobOf(two), null)).toBe(true);
    expect(await accepted(alias, blobOf(one))).toBe(false);
  });

  it('has its type offered first, unless the person set an order', async () => {
    await writeFile(file, `yourserver ${line(other)}\n`);
    expect((await verifier({}).prepare()).algorithms[0]).toBe('ecdsa-sha2-nistp256');
    const set = ['ssh-ed25519', 'ecdsa-sha2-nistp256'];
    expect((await verifier({ hostKeyAlgorithms: set }).prepare()).algorithms).toEqual(set);
  });
});

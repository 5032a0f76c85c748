import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import pino from 'pino';
import ssh2 from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { createHostVerifier } from '../../../src/core/ssh/host-key.ts';
import { fingerprint } from '../../../src/core/ssh/known-hosts.ts';
import type { SshOptions } from '../../../src/core/ssh/options.ts';
import { newKeyPair } from '../../support/key-pair.ts';
import { ScriptedPrompter, sshOptions } from '../../support/ssh-person.ts';

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
async function refusal(verdict: Promise<true | GatewayError>): Promise<string> {
  const error = await verdict;
  if (!(error instanceof GatewayError)) throw new Error('it was accepted');
  expect(error.code).toBe('SSH_HOST_KEY');
  expect(error.retryable).toBe(false);
  return error.message;
}

describe('an unknown host key', () => {
  it('is refused by yes, whoever sits there', async () => {
    const person = new ScriptedPrompter(['yes']);
    const v = await verifier({ strictHostKeyChecking: 'yes' }, person);
    const message = await refusal(v.verify(blobOf(one), '192.0.2.7'));
    expect(message).toContain(fingerprint(blobOf(one)));
    expect(message).toContain('ED25519');
    expect(person.asked).toEqual([]);
  });

  it.each([
    ['there is no terminal', {}, NOBODY],
    ['BatchMode is on', { batchMode: true }, new ScriptedPrompter(['yes'])],
  ])('is refused by ask when %s', async (_, changes, prompter) => {
    const v = await verifier(changes, prompter);
    expect(await refusal(v.verify(blobOf(one), '192.0.2.7'))).toContain('accept-new');
  });

  it('is asked about in ssh words, and added when the answer is yes', async () => {
    const person = new ScriptedPrompter(['what?', 'YES']);
    const v = await verifier({ port: 2222 }, person);
    expect(await v.verify(blobOf(one), '192.0.2.7')).toBe(true);
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
    const v = await verifier({}, person);
    expect(await v.verify(blobOf(one), null)).toBe(true);
    expect(person.asked).toHaveLength(2);
  });

  it.each(['no', ''])('is refused by the answer %j, and the file stays as it is', async (answer) => {
    const v = await verifier({}, new ScriptedPrompter([answer]));
    expect(await refusal(v.verify(blobOf(one), '192.0.2.7'))).toContain('not accepted');
    await expect(stat(file)).rejects.toThrow('ENOENT');
  });

  it('is refused when the person gives up', async () => {
    const v = await verifier({}, new ScriptedPrompter([new Error('interrupted')]));
    expect(await refusal(v.verify(blobOf(one), '192.0.2.7'))).toContain('interrupted');
  });

  it('tells under which names the key is known', async () => {
    await writeFile(file, `elsewhere ${line(one)}\n`);
    const person = new ScriptedPrompter(['yes']);
    await (await verifier({}, person)).verify(blobOf(one), '192.0.2.7');
    expect(person.told).toContain(`${file}:1: elsewhere`);
  });

  it.each(['accept-new', 'no'] as const)(
    'is added in silence by %s, behind an unfinished line',
    async (mode) => {
      await writeFile(file, `elsewhere ${line(two)}`);
      const v = await verifier({ strictHostKeyChecking: mode });
      expect(await v.verify(blobOf(one), '192.0.2.7')).toBe(true);
      expect(await readFile(file, 'utf8')).toBe(`elsewhere ${line(two)}\nyourserver ${line(one)}\n`);
    },
  );

  it('makes the directory, for its owner alone', async () => {
    const deep = path.join(dir, '.ssh', 'known_hosts');
    const v = await verifier({ strictHostKeyChecking: 'accept-new', userKnownHostsFile: [deep] });
    expect(await v.verify(blobOf(one), '192.0.2.7')).toBe(true);
    expect((await stat(path.dirname(deep))).mode & 0o777).toBe(0o700);
  });

  it('is added hashed with HashKnownHosts, and found again', async () => {
    const changes = { strictHostKeyChecking: 'accept-new', hashKnownHosts: true } as const;
    await (await verifier(changes)).verify(blobOf(one), '192.0.2.7');
    expect(await readFile(file, 'utf8')).toMatch(/^\|1\|[^ ]+ ssh-ed25519 /);
    const again = await verifier({ strictHostKeyChecking: 'yes' });
    expect(await again.verify(blobOf(one), '192.0.2.7')).toBe(true);
  });

  it('is asked about once for two connections at a time', async () => {
    const person = new ScriptedPrompter(['yes']);
    const v = await verifier({}, person);
    expect(await Promise.all([v.verify(blobOf(one), null), v.verify(blobOf(one), null)])).toEqual([
      true,
      true,
    ]);
  });
});

describe('a changed host key', () => {
  it.each(['yes', 'ask', 'accept-new', 'no'] as const)('is refused by %s, loudly', async (mode) => {
    await writeFile(file, `# mine\nyourserver ${line(two)}\n`);
    const person = new ScriptedPrompter([]);
    const v = await verifier({ strictHostKeyChecking: mode }, person);
    const message = await refusal(v.verify(blobOf(one), '192.0.2.7'));
    for (const text of [person.told, message]) {
      expect(text).toContain(fingerprint(blobOf(one)));
      expect(text).toContain(fingerprint(blobOf(two)));
      expect(text).toContain(`${file}:2`);
      expect(text).toContain(`ssh-keygen -f "${file}" -R "yourserver"`);
    }
    expect(person.told).toContain('@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @');
    expect(message).not.toContain('\n');
    expect(await readFile(file, 'utf8')).toBe(`# mine\nyourserver ${line(two)}\n`);
  });

  it('is refused after the right one was accepted: a rekey must not bring another', async () => {
    await writeFile(file, `yourserver ${line(one)}\n`);
    const v = await verifier({});
    expect(await v.verify(blobOf(one), null)).toBe(true);
    expect(await v.verify(blobOf(two), null)).toBeInstanceOf(GatewayError);
  });
});

describe('a known host key', () => {
  it('is accepted in silence, again and again', async () => {
    await writeFile(file, `yourserver ${line(one)}\n`);
    const person = new ScriptedPrompter([]);
    const v = await verifier({ strictHostKeyChecking: 'yes' }, person);
    expect(await v.verify(blobOf(one), null)).toBe(true);
    expect(await v.verify(blobOf(one), null)).toBe(true);
    expect(person.told).toBe('');
  });

  it('is refused when any file revokes it, even with no', async () => {
    const global = path.join(dir, 'global');
    await writeFile(file, `yourserver ${line(one)}\n`);
    await writeFile(global, `@revoked * ${line(one)}\n`);
    const v = await verifier({ strictHostKeyChecking: 'no', globalKnownHostsFile: [global] });
    expect(await refusal(v.verify(blobOf(one), null))).toContain(`${global}:1`);
  });

  it('is looked up by HostName, or by HostKeyAlias instead', async () => {
    await writeFile(file, `10.0.0.9 ${line(one)}\nthe-box ${line(two)}\n`);
    const named = await verifier({ hostName: '10.0.0.9', strictHostKeyChecking: 'yes' });
    expect(await named.verify(blobOf(one), null)).toBe(true);
    const alias = await verifier({
      hostName: '10.0.0.9',
      hostKeyAlias: 'the-box',
      strictHostKeyChecking: 'yes',
    });
    expect(await alias.verify(blobOf(two), null)).toBe(true);
    expect(await alias.verify(blobOf(one), null)).toBeInstanceOf(GatewayError);
  });

  it('has its type offered first, unless the person set an order', async () => {
    await writeFile(file, `yourserver ${line(other)}\n`);
    expect((await verifier({})).algorithms[0]).toBe('ecdsa-sha2-nistp256');
    const set = ['ssh-ed25519', 'ecdsa-sha2-nistp256'];
    expect((await verifier({ hostKeyAlgorithms: set })).algorithms).toEqual(set);
  });
});

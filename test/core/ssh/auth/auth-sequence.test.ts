import pino from 'pino';
import ssh2, { type AnyAuthMethod, type KeyboardInteractiveAuthMethod } from 'ssh2';
import { describe, expect, it } from 'vitest';
import { createAuthHandler } from '../../../../src/core/ssh/auth/auth-sequence.ts';
import type { Identity } from '../../../../src/core/ssh/auth/identity.ts';
import type { SshOptions } from '../../../../src/core/ssh/options.ts';
import { newKeyPair } from '../../../support/key-pair.ts';
import { ScriptedPrompter, sshOptions } from '../../../support/ssh-person.ts';

const ALL = ['publickey', 'password', 'keyboard-interactive'];
const FAILED = new Error('All configured authentication methods failed');

function fileIdentity(label: string): Identity {
  const key = ssh2.utils.parseKey(newKeyPair().private);
  if (key instanceof Error) throw key;
  return { type: 'file', label, key };
}

function login(changes: Partial<SshOptions>, prompter: ScriptedPrompter, identities: Identity[] = []) {
  const auth = createAuthHandler({
    options: sshOptions(changes),
    identities,
    prompter,
    log: pino({ level: 'silent' }),
    signal: new AbortController().signal,
  });
  const handler = auth.handler as unknown as (
    left: string[] | null,
    partial: boolean | null,
    next: (method: AnyAuthMethod | false) => void,
  ) => void;
  const next = (left: string[] | null) =>
    new Promise<AnyAuthMethod | false>((resolve) => handler(left, left && false, resolve));
  /** What is tried against a server that takes `left` and never lets in. */
  const run = async (left: string[]) => {
    const tried: string[] = [];
    for (let method = await next(null); method; method = await next(left)) {
      tried.push(method.type);
      if (method.type === 'keyboard-interactive') await round(method);
    }
    return tried;
  };
  return { auth, next, run, message: () => auth.failure(FAILED).message };
}

function round(
  method: AnyAuthMethod | false,
  prompts = [{ prompt: 'Code: ', echo: false }],
  name = '',
  text = '',
) {
  return new Promise<string[]>((resolve) => {
    (method as KeyboardInteractiveAuthMethod).prompt(name, text, '', prompts, resolve);
  });
}

describe('createAuthHandler', () => {
  it('first tries none, then keys, prompts and passwords', async () => {
    const person = new ScriptedPrompter(['1', '2', '3', 'a', 'b', 'c']);
    const l = login({}, person, [fileIdentity('one'), fileIdentity('two')]);
    expect(await l.run(ALL)).toEqual([
      'none',
      ...Array(2).fill('publickey'),
      ...Array(3).fill('keyboard-interactive'),
      ...Array(3).fill('password'),
    ]);
    expect(person.asked[3]).toEqual({ question: "you@yourserver's password: ", echo: false });
    expect(person.told).toBe('Permission denied, please try again.\n'.repeat(2));
  });

  it.each<[string, Partial<SshOptions>, string[], string[]]>([
    ['what the server takes', {}, ['publickey'], ['none', 'publickey']],
    ['PreferredAuthentications', { preferredAuthentications: ['password'] }, ALL, ['none', 'password']],
    [
      'its order',
      { preferredAuthentications: ['password', 'publickey'] },
      ALL,
      ['none', 'password', 'publickey'],
    ],
    [
      'PubkeyAuthentication',
      { pubkeyAuthentication: false, passwordAuthentication: false },
      ['publickey'],
      ['none'],
    ],
    ['PasswordAuthentication', { passwordAuthentication: false }, ['password'], ['none']],
    [
      'KbdInteractiveAuthentication',
      { kbdInteractiveAuthentication: false },
      ['keyboard-interactive'],
      ['none'],
    ],
    ['BatchMode', { batchMode: true }, ALL, ['none', 'publickey']],
  ])('follows %s', async (_, changes, left, tried) => {
    const l = login({ numberOfPasswordPrompts: 1, ...changes }, new ScriptedPrompter(['x']), [
      fileIdentity('k'),
    ]);
    expect(await l.run(left)).toEqual(tried);
  });

  it('asks nothing without a terminal', async () => {
    const absent = new ScriptedPrompter(null);
    const l = login({}, absent, [fileIdentity('k')]);
    expect(await l.run(ALL)).toEqual(['none', 'publickey']);
    expect(absent.asked).toEqual([]);
  });

  it('continues with a second factor if the server requires one', async () => {
    const l = login({}, new ScriptedPrompter(['123456', 'pw']), [fileIdentity('k')]);
    await l.next(null);
    expect(await l.next(['publickey'])).toMatchObject({ type: 'publickey' });
    const second = await l.next(['keyboard-interactive']);
    expect(await round(second)).toEqual(['123456']);
    expect(await l.next(['password'])).toMatchObject({ type: 'password', password: 'pw' });
  });

  it('passes keyboard-interactive prompts on, without their control characters', async () => {
    const person = new ScriptedPrompter(['old', 'new']);
    const l = login({}, person);
    await l.next(null);
    const method = await l.next(['keyboard-interactive']);
    const prompts = [
      { prompt: 'User\x1b[2J: ', echo: true },
      { prompt: 'Token:\x07 ', echo: false },
    ];
    expect(await round(method, prompts, 'Two\x1b]0;x factor', 'Look at\nyour phone\r')).toEqual([
      'old',
      'new',
    ]);
    expect(person.asked).toEqual([
      { question: '(you@yourserver) User[2J: ', echo: true },
      { question: '(you@yourserver) Token: ', echo: false },
    ]);
    expect(person.told).toBe('(you@yourserver) Two]0;x factor\n(you@yourserver) Look at\nyour phone\n');
  });

  it('does not repeat a keyboard-interactive that asked nothing', async () => {
    const l = login({}, new ScriptedPrompter([]));
    await l.next(null);
    expect(await l.next(['keyboard-interactive'])).toMatchObject({ type: 'keyboard-interactive' });
    expect(await l.next(['keyboard-interactive'])).toBe(false);
  });

  it.each(['password', 'keyboard-interactive'])('ends when the person gives up at %s', async (method) => {
    const l = login({}, new ScriptedPrompter([new Error('interrupted')]));
    expect((await l.run([method])).filter((type) => type !== 'none').length).toBeLessThanOrEqual(1);
    expect(l.message()).toContain('cancelled');
  });
});

describe('the failure', () => {
  const cases: Array<[string, Partial<SshOptions>, string[] | null, string[], string[], RegExp]> = [
    [
      'names the keys',
      {},
      null,
      ['~/.ssh/id_ed25519', 'agent key me'],
      ['publickey'],
      /^you@yourserver: permission denied \(publickey\): tried key ~\/\.ssh\/id_ed25519, agent key me; .*authorized_keys/,
    ],
    ['names a port of its own', { port: 2401 }, null, [], ['publickey'], /^you@yourserver:2401: permission/],
    ['has no key', {}, null, [], ['publickey'], /tried nothing; .*-i.*ssh-add/],
    ['has no terminal', {}, null, [], ['password'], /no terminal/],
    ['is in BatchMode', { batchMode: true }, ['x'], [], ['password'], /BatchMode/],
    [
      'had a wrong password',
      { numberOfPasswordPrompts: 1 },
      ['secret'],
      [],
      ['password'],
      /tried 1 answer at a prompt; check the password/,
    ],
    ['meets an unknown method', {}, null, [], ['hostbased'], /no method that sshferry supports/],
    ['meets Kerberos alone', {}, null, [], ['gssapi-with-mic'], /accepts Kerberos: .*kinit, and use -K/],
  ];
  it.each(cases)('%s', async (_, changes, answers, keys, left, message) => {
    const l = login(changes, new ScriptedPrompter(answers), keys.map(fileIdentity));
    await l.run(left);
    expect(l.message()).toMatch(message);
    expect(l.message()).not.toContain('secret');
    expect(l.auth.failure(FAILED)).toMatchObject({ code: 'SSH_AUTH', retryable: false });
  });

  it('explains too many failures, with a remedy', async () => {
    const l = login({}, new ScriptedPrompter(null), [fileIdentity('a'), fileIdentity('b')]);
    await l.run(['publickey']);
    expect(l.auth.failure(new Error('Too many authentication failures')).message).toMatch(
      /gave up after key a, key b; .*IdentitiesOnly=yes/,
    );
  });
});

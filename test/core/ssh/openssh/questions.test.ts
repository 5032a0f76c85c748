import { expect, it, vi } from 'vitest';
import type { GatewayError } from '../../../../src/core/errors.ts';
import { Questions } from '../../../../src/core/ssh/openssh/questions.ts';
import { ScriptedPrompter } from '../../../support/ssh-person.ts';

const PASSPHRASE = "Enter passphrase for key '/home/you/.ssh/id': ";

function setUp(answers: (string | Error)[], over: { version?: number; hostUnknown?: boolean } = {}) {
  const person = new ScriptedPrompter(answers);
  const passphrases = new Map<string, string>();
  const cancelled = vi.fn();
  const needsPerson = vi.fn();
  const questions = () =>
    new Questions({
      prompter: person,
      version: over.version ?? 9.2,
      passphrases,
      needsPerson,
      hostUnknown: () => over.hostUnknown ?? false,
      cancelled,
    });
  return { person, passphrases, cancelled, needsPerson, questions };
}

const question = (text: string, hint = '') => ({ text, hint, signal: new AbortController().signal });

it('answers a passphrase question from memory, once for each login, after it was right', async () => {
  const { person, questions } = setUp(['wrong', 'right', 'new']);
  const first = questions();
  expect(await first.answer(question(PASSPHRASE))).toBe('wrong');
  expect(await first.answer(question(PASSPHRASE))).toBe('right');
  const failed = questions();
  expect(failed.answers).toBe(0);
  first.succeeded();
  const second = questions();
  expect(await second.answer(question(PASSPHRASE))).toBe('right');
  // It is wrong now: the key has changed.
  expect(await second.answer(question(PASSPHRASE))).toBe('new');
  expect(person.asked).toHaveLength(3);
});

it.each([
  ['of the server', `(you@yourserver) ${PASSPHRASE}`, 9.2],
  ['of the server, on a second line', `(you@yourserver) hello\n${PASSPHRASE}`, 9.2],
  ['that an old ssh does not mark as the server’s', PASSPHRASE, 8.4],
])('never answers a question %s from memory', async (_title, text, version) => {
  const { person, passphrases, questions } = setUp(['typed'], { version });
  passphrases.set(PASSPHRASE, 'sesame');
  expect(await questions().answer(question(text))).toBe('typed');
  expect(person.asked).toHaveLength(1);
});

it('shows what is typed only for the host key', async () => {
  const text = "The authenticity of host 'x' can't be established.\nAre you sure (yes/no/[fingerprint])? ";
  const before = setUp(['yes'], { hostUnknown: true });
  expect(await before.questions().answer(question(text))).toBe('yes');
  expect(before.person.asked).toEqual([{ question: 'Are you sure (yes/no/[fingerprint])? ', echo: true }]);
  expect(before.person.told).toContain('authenticity');
  const after = setUp(['secret']);
  await after.questions().answer(question(text));
  expect(after.person.asked[0]?.echo).toBe(false);
});

it.each([
  ['the host key', 'Are you sure (yes/no/[fingerprint])? ', true, false],
  ['a passphrase', PASSPHRASE, false, false],
  ['a password', "you@yourserver's password: ", false, true],
  ['a code', '(you@yourserver) Code: ', false, true],
])('a person who answered for %s may be needed again', async (_title, text, hostUnknown, needed) => {
  const { needsPerson, questions } = setUp(['typed'], { hostUnknown });
  const asked = questions();
  await asked.answer(question(text));
  expect(needsPerson).toHaveBeenCalledTimes(needed ? 1 : 0);
  expect(asked.askedHostKey).toBe(hostUnknown);
});

it('shows a request to touch a key until ssh withdraws it', async () => {
  const { person, needsPerson, questions } = setUp([]);
  const withdrawn = new AbortController();
  const shown = questions().answer({
    text: 'Confirm user presence for key ED25519-SK',
    hint: 'none',
    signal: withdrawn.signal,
  });
  expect(person.told).toBe('Confirm user presence for key ED25519-SK\n');
  expect(needsPerson).toHaveBeenCalled();
  withdrawn.abort();
  expect(await shown).toBeNull();
});

it.each([
  ['yes', 'yes'],
  ['no', null],
])('passes a permission on: %s', async (typed, answer) => {
  const { questions } = setUp([typed]);
  expect(await questions().answer(question('Allow it?', 'confirm'))).toBe(answer);
});

it('reports that the person has cancelled, by what was asked, and sends no answer', async () => {
  const withdrawn = new AbortController();
  const cancelledAt = async (text: string, hostUnknown: boolean) => {
    const { cancelled, questions } = setUp([new Error('interrupted')], { hostUnknown });
    const settled = vi.fn();
    const answered = questions().answer({ text, hint: '', signal: withdrawn.signal });
    void answered.then(settled);
    await vi.waitFor(() => expect(cancelled).toHaveBeenCalled());
    await new Promise(setImmediate);
    expect(settled).not.toHaveBeenCalled();
    return cancelled.mock.calls[0]?.[0] as GatewayError;
  };
  expect(await cancelledAt("you@x's password: ", false)).toMatchObject({ code: 'SSH_AUTH' });
  expect(await cancelledAt('Are you sure (yes/no)? ', true)).toMatchObject({ code: 'SSH_HOST_KEY' });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Askpass, type AskpassQuestion } from '../../../../src/core/ssh/openssh/askpass.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

async function setUp(answer: (question: AskpassQuestion) => Promise<string | null>, version = 9.2) {
  const folder = await tempFolder({ onTestFinished });
  const failed = vi.fn();
  const askpass = await Askpass.open(folder, version, { answer, failed });
  onTestFinished(() => askpass.close());
  const ask = (question: string) => {
    const child = spawn(askpass.env.SSH_ASKPASS ?? '', [question], { stdio: ['ignore', 'pipe', 'ignore'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const output = child.stdout.setEncoding('utf8').toArray();
    const ended = once(child, 'exit').then(async ([status]) => [status, (await output).join('')]);
    return { child, ended };
  };
  return { askpass, ask, failed };
}

it('prints the answer, and fails only for a refusal', async () => {
  const { ask } = await setUp(async ({ text }) => (text === 'May I?' ? null : `"${text}" heard`));
  expect(await ask('Who?').ended).toEqual([0, '"Who?" heard\n']);
  expect(await ask('May I?').ended).toEqual([1, '']);
});

it('answers nothing when it is closed: an empty answer would go to the server', async () => {
  let asked = () => {};
  const open = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const first = await setUp(() => new Promise(() => asked()));
  const { child } = first.ask('Password: ');
  await open;
  first.askpass.close();
  // A whole program starts and ends meanwhile.
  const second = await setUp(async () => 'yes');
  await second.ask('Yes?').ended;
  expect(child.exitCode).toBeNull();
});

it('reports a question that is too long', async () => {
  const { ask, failed } = await setUp(async () => 'never asked');
  const reported = new Promise((resolve) => failed.mockImplementation(resolve));
  ask('?'.repeat(100_000));
  expect(await reported).toMatchObject({ code: 'SSH_CONNECT' });
});

it('cannot be used before OpenSSH 8.4, which would send empty passwords', async () => {
  await expect(setUp(async () => 'x', 8.3)).rejects.toMatchObject({
    code: 'SSH_UNSUPPORTED',
    message: expect.stringMatching(/OpenSSH 8\.3 cannot ask .*8\.4 or later/),
  });
});

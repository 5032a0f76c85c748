import { EventEmitter } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { FromBackground } from '../../src/cli/background/messages.ts';
import { startInBackground } from '../../src/cli/background/start.ts';
import type { Prompter } from '../../src/core/ssh/options.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** Starts a script in place of sshferry. Returns how that ended and what was shown. */
async function start(script: string, signals: EventEmitter, ask: Prompter['ask']) {
  const file = path.join(await tempFolder({ onTestFinished }), 'child.mjs');
  await writeFile(file, script);
  const written: string[] = [];
  const output = { write: (text: string) => void written.push(text) };
  const prompter: Prompter = { interactive: true, ask, tell: output.write };
  const { env } = process;
  const status = await startInBackground({
    argv: [file],
    env,
    prompter,
    process: signals,
    stdout: output,
    stderr: output,
  });
  return { status, shown: written.join('') };
}

const QUESTION: FromBackground = { type: 'ask', id: 1, question: 'Password: ', echo: false };
const ask = `process.send(${JSON.stringify(QUESTION)});`;

describe('a signal at a question', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'])(
    '%s comes before the failure of the question',
    async (signal) => {
      const signals = new EventEmitter();
      // It gets the signal late, as on a busy machine.
      const script = `
      for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => setTimeout(() => process.exit(0), 300));
      process.on('message', () => { process.send({ type: 'write', to: 'stderr', text: 'failed' }, () => process.exit(255)); });
      ${ask}`;
      const interrupted = async () => {
        signals.emit(signal);
        throw new Error('interrupted');
      };
      expect(await start(script, signals, interrupted)).toEqual({ status: 130, shown: '' });
      expect(signals.eventNames()).toEqual([]);
    },
  );

  test('ends a process that has no handlers yet, with status 130', async () => {
    const signals = new EventEmitter();
    const interrupted = async () => {
      signals.emit('SIGINT');
      throw new Error('interrupted');
    };
    const result = await start(`process.on('message', () => {}); ${ask}`, signals, interrupted);
    expect(result).toEqual({ status: 130, shown: '' });
  });
});

test('a question without an answer fails, and its reason reaches the other process', async () => {
  const script = `
    process.on('message', ({ why }) => { process.send({ type: 'write', to: 'stderr', text: why }, () => process.exit(255)); });
    ${ask}`;
  const noAnswer = async () => {
    throw new Error('no answer was given');
  };
  expect(await start(script, new EventEmitter(), noAnswer)).toEqual({
    status: 255,
    shown: 'no answer was given',
  });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chooseAsk } from '../../../src/core/ssh/prompt/prompter.ts';
import { describeWith } from '../../support/openssh.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-ask-'));
});
afterAll(() => rm(dir, { recursive: true }));

describeWith(['script', 'stty'], 'a question on the terminal', () => {
  /**
   * Runs the child on a terminal of its own, typing each answer when its question shows; returns
   * what the screen got.
   */
  async function type(result: string, answers: ReadonlyArray<readonly [question: string, answer: string]>) {
    const child = fileURLToPath(new URL('./ask-child.ts', import.meta.url));
    const command = `${process.execPath} --import tsx ${child} ${result} </dev/null; stty -a`;
    const terminal = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
    let screen = '';
    const left = [...answers];
    terminal.stdout.on('data', (bytes: Buffer) => {
      screen += bytes.toString();
      const next = left[0];
      if (next && screen.includes(next[0])) {
        left.shift();
        terminal.stdin.write(next[1]);
      }
    });
    await once(terminal, 'close');
    return screen;
  }

  it('shows or hides typed text, even if stdin is elsewhere, and restores the terminal', async () => {
    const result = path.join(dir, 'answers');
    const screen = await type(result, [
      ['Hidden? ', 'sesamé\r'],
      ['Shown? ', 'yex\x7fs\r'],
    ]);
    expect(JSON.parse(await readFile(result, 'utf8'))).toEqual(['sesamé', 'yes']);
    expect(screen).not.toContain('sesam');
    expect(screen).toContain('Shown? yex\b \bs');
    expect(screen).toContain('told');
    expect(screen).toMatch(/ icanon .* echo /s);
  });

  it('ends on Ctrl-C after SIGINT was raised, and restores the terminal', async () => {
    const result = path.join(dir, 'interrupted');
    const screen = await type(result, [['Hidden? ', 'half\x03']]);
    expect(JSON.parse(await readFile(result, 'utf8'))).toBe('interrupted after 1 SIGINT');
    expect(screen).toMatch(/ icanon .* echo /s);
  });
});

describe('SSH_ASKPASS', () => {
  it('is run when ssh would run it, and answers in its first line', async () => {
    const program = path.join(dir, 'askpass');
    await writeFile(program, '#!/bin/sh\necho "answer to $1"\necho more\n');
    await chmod(program, 0o700);
    const path_ = process.env.PATH;
    const ask = chooseAsk({ PATH: path_, SSH_ASKPASS: program, SSH_ASKPASS_REQUIRE: 'force' }, true);
    expect(await ask?.('Password: ', { echo: false })).toBe('answer to Password: ');
    expect(chooseAsk({ SSH_ASKPASS: program }, false)).toBeNull();
    expect(chooseAsk({ SSH_ASKPASS: program, DISPLAY: ':0' }, false)).not.toBeNull();
    expect(
      chooseAsk({ SSH_ASKPASS: program, DISPLAY: ':0', SSH_ASKPASS_REQUIRE: 'never' }, false),
    ).toBeNull();
    const onTerminal = chooseAsk({}, true);
    expect(chooseAsk({ SSH_ASKPASS: program, DISPLAY: ':0' }, true)).toBe(onTerminal);
    expect(chooseAsk({ SSH_ASKPASS: program, DISPLAY: ':0', SSH_ASKPASS_REQUIRE: 'prefer' }, true)).not.toBe(
      onTerminal,
    );
  });

  it('that fails returns no answer', async () => {
    const ask = chooseAsk({ SSH_ASKPASS: '/bin/false', SSH_ASKPASS_REQUIRE: 'force' }, false);
    await expect(ask?.('Password: ', { echo: false })).rejects.toThrow('gave no answer');
  });
});

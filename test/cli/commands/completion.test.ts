import { describe, expect, test } from 'vitest';
import { SUBCOMMANDS } from '../../../src/cli/commands/subcommands.ts';
import { Run } from '../fakes.ts';

async function script(shell: string): Promise<string> {
  const run = new Run(['completion', shell]);
  expect(await run.status).toBe(0);
  return run.stdout.text;
}

describe('sshferry completion', () => {
  test.each(['bash', 'zsh', 'fish'])(
    '%s completes every subcommand and the flags of --help',
    async (shell) => {
      const text = await script(shell);
      for (const { name } of SUBCOMMANDS) expect(text).toMatch(new RegExp(`\\b${name}\\b`));
      expect(text).toContain('log-format');
      expect(text).toMatch(/zsh/);
    },
  );

  test('flags that --help hides are not completed', async () => {
    expect(await script('bash')).not.toMatch(/ -X| -6/);
  });

  test('descriptions are quoted for the shell', async () => {
    expect(await script('zsh')).toContain("the SSH server'\\''s port");
    expect(await script('fish')).toContain("the SSH server\\'s port");
  });

  test.each([
    [['completion'], /missing required argument 'shell'/],
    [['completion', 'ksh'], /'ksh' is invalid .*bash, zsh, fish/],
  ])('%j names what was expected', async (argv, words) => {
    const run = new Run(argv);
    expect(await run.status).toBe(2);
    expect(run.stderr.text).toMatch(words);
  });
});

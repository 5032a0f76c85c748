import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, it } from 'vitest';
import { describeWith } from '../support/openssh.ts';
import { Tmux } from '../support/tmux.ts';

const CLI = path.join(import.meta.dirname, '../../dist/cli.js');

/** How each shell is started with nothing of its person's, and made to load the script. */
const SHELLS = {
  bash: ['bash --norc --noprofile', 'source <(sshferry completion bash)'],
  zsh: ['zsh -f', 'autoload -Uz compinit && compinit -D -u && source <(sshferry completion zsh)'],
  fish: ['fish --no-config --private', 'sshferry completion fish | source'],
} as const;

describeWith(['tmux', 'bash', 'zsh', 'fish'], 'Tab in a shell', () => {
  let dir: string;
  let tmux: Tmux;

  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-tab-'));
    const script = `#!/bin/sh\nexec '${process.execPath}' '${CLI}' "$@"\n`;
    await writeFile(path.join(dir, 'sshferry'), script, { mode: 0o755 });
    await writeFile(path.join(dir, 'office.yaml'), '');
    tmux = new Tmux(path.join(dir, 'tmux'), {
      PATH: `${dir}:${process.env.PATH}`,
      HOME: dir,
      LANG: 'C.UTF-8',
    });
  });
  afterAll(async () => {
    await tmux?.kill();
    // A shell may still be writing its history there.
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  });

  it.each(Object.entries(SHELLS))(
    '%s completes subcommands, flags, words and files',
    { timeout: 60_000 },
    async (shell, [start, load]) => {
      const screen = await tmux.open(shell, `cd ${dir} && ${start}`);
      await screen.shows(/[$%#>]/);
      await screen.press(`${load} && echo loa''ded`, 'Enter');
      await screen.shows(/^loaded/m);
      for (const [typed, whole] of [
        ['sshferry sta', 'sshferry status '],
        ['sshferry sto', 'sshferry stop '],
        ['sshferry status --wa', 'sshferry status --watch '],
        ['sshferry up -c off', 'sshferry up -c office.yaml '],
        ['sshferry completion zs', 'sshferry completion zsh '],
        ['sshferry --log-fo', 'sshferry --log-format '],
      ] as const) {
        await screen.press('C-l');
        await screen.press(typed, 'Tab', 'X');
        await screen.shows(new RegExp(`${whole}X`));
        await screen.press('C-u');
      }
    },
  );
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Screen, Tmux } from '../../support/tmux.ts';
import { docker, lines, mustRun } from './docker.ts';
import { exec, mustExec } from './exec.ts';
import { buildSshferry } from './images.ts';
import type { Hosts } from './topology.ts';
import { joining } from './topology.ts';
import { ferry } from './users.ts';

/** How long a command may take, in milliseconds; the longest are npm's and a transfer. */
const PATIENCE = 300_000;
const PROMPT = /\n[$#]$/;

/** One line to type, and what is answered to each question that comes of it. */
export interface Typed {
  readonly command: string;
  readonly answers?: readonly (readonly [question: RegExp, answer: string])[];
  /** Stands on the screen when it has done what was wanted; left out, it has ended. */
  readonly until?: RegExp;
}

/**
 * A machine with Debian, Node.js, npm, curl and OpenSSH's client, whose person can log in to
 * yourserver with a key but has never been there; nothing of the project is on it but the package.
 */
export class Newcomer {
  readonly #image: string;
  readonly #container: string;
  readonly #tmux: Tmux;

  private constructor(image: string, container: string, tmux: Tmux) {
    this.#image = image;
    this.#container = container;
    this.#tmux = tmux;
  }

  /**
   * Sets the machine up, installs the package by `install`, typed by root, and returns what the
   * screen then showed.
   */
  static async create(
    project: string,
    hosts: Hosts,
    tmux: Tmux,
    install: (tarball: string) => Typed,
  ): Promise<{ newcomer: Newcomer; screen: string[] }> {
    const folder = mkdtempSync(join(tmpdir(), 'sshferry-newcomer-'));
    const image = `sshferry-lab/newcomer:${hosts.run}`;
    // The registry is reached by the host's network alone, yourserver only by the lab's.
    const outside = `${hosts.run}-outside`;
    try {
      const node = await buildSshferry(project, 'node');
      await docker(
        'run',
        '--detach',
        '--rm',
        '--network',
        'host',
        '--name',
        outside,
        node,
        'sleep',
        'infinity',
      );
      await mustRun(['npm', 'pack', '--ignore-scripts', '--pack-destination', folder], { cwd: project });
      const [tarball = ''] = lines(await mustRun(['ls', folder]));
      const prepare =
        'apt-get update && apt-get install -y --no-install-recommends curl openssh-client && useradd --create-home --shell /bin/bash you';
      await mustExec(outside, ['sh', '-c', prepare], { timeout: 300 });
      await docker('cp', join(folder, tarball), `${outside}:/home/you/${tarball}`);
      const terminal = await open(tmux, 'install', outside, 'root');
      const screen = await type(terminal, install(tarball));
      await docker('commit', outside, image);
      const container = await docker(
        'run',
        '--detach',
        '--init',
        ...joining(hosts, 'laptop'),
        image,
        'sleep',
        'infinity',
      );
      await exec(
        container,
        ['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', '/home/you/.ssh/id_ed25519'],
        {
          user: 'you',
        },
      );
      const key = await mustExec(container, ['cat', '/home/you/.ssh/id_ed25519.pub']);
      await mustExec(hosts.b.container, ['tee', '-a', `/home/${ferry.name}/.ssh/authorized_keys`], {
        stdin: key,
      });
      return { newcomer: new Newcomer(image, container, tmux), screen };
    } finally {
      rmSync(folder, { recursive: true });
      await docker('rm', '--force', outside).catch(() => {});
    }
  }

  /** A terminal with a shell. */
  terminal(name: string): Promise<Screen> {
    return open(this.#tmux, name, this.#container, 'you');
  }

  run(...argv: string[]): Promise<string> {
    return mustExec(this.#container, argv, { user: 'you', cwd: '/home/you' });
  }

  async remove(): Promise<void> {
    await docker('rm', '--force', this.#container);
    await docker('rmi', this.#image);
  }
}

async function open(tmux: Tmux, name: string, container: string, user: 'root' | 'you'): Promise<Screen> {
  const prompt = user === 'root' ? '# ' : '$ ';
  const env = [
    `PS1=${prompt}`,
    'LANG=C.UTF-8',
    'TERM=screen-256color',
    'HOME=/home/you',
    'npm_config_update_notifier=false',
  ];
  const flags = env.map((variable) => `--env '${variable}'`).join(' ');
  const shell = `docker exec -it --user ${user} --workdir /home/you ${flags} ${container} bash --norc`;
  const screen = await tmux.open(name, shell, { columns: 100, rows: 60 });
  await screen.shows(/^[$#]$/m);
  return screen;
}

/** Types it and returns what the screen shows in the end, without the last prompt. */
export async function type(screen: Screen, { command, answers = [], until }: Typed): Promise<string[]> {
  await screen.press(command, 'Enter');
  for (const [question, answer] of answers) {
    await screen.shows(question);
    await screen.press(...(answer === '' ? [] : [answer]), 'Enter');
  }
  const rows = await screen.shows(until ?? PROMPT, PATIENCE);
  return until === undefined ? rows.slice(0, -1) : rows;
}

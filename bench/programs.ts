import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onInterrupt } from './interrupt.ts';

/** A program and its arguments. */
export type Command = readonly [program: string, ...argv: string[]];

/**
 * Returns the path of a program, or null if it is not installed. Also searches the directories of
 * sshd and vsftpd, which are often not in PATH.
 */
export function find(program: string): string | null {
  for (const directory of [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin']) {
    const file = path.join(directory, program);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {}
  }
  return null;
}

/** Runs a program to its end and returns its output. Rejects with its error message. */
export function run(program: string, argv: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, argv, { maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      forget();
      if (error)
        reject(new Error(`${program} ${argv.join(' ').slice(-300)}: ${stderr.trim() || error.message}`));
      else resolve(stdout);
    });
    const forget = onInterrupt(() => child.kill());
  });
}

/** Programs that run during a measurement and end together. */
export class Programs {
  readonly #children = new Set<ChildProcess>();

  /**
   * Starts one and waits until `host:port` accepts connections. Rejects with its output if it ends
   * earlier.
   */
  start(
    command: Command,
    host: string,
    port: number,
    env: Record<string, string> = {},
  ): Promise<ChildProcess> {
    return this.#start(command, `does not listen on ${host}:${port}`, () => accepts(host, port), env);
  }

  /**
   * Starts one and waits until its output matches `pattern`. Rejects with its output if it ends
   * earlier.
   */
  async startSaying(command: Command, pattern: RegExp): Promise<{ child: ChildProcess; said: string }> {
    let said = '';
    const child = await this.#start(command, `does not say ${pattern}`, async (words) => {
      said = pattern.exec(words)?.[0] ?? '';
      return said !== '';
    });
    return { child, said };
  }

  async #start(
    [program, ...argv]: Command,
    failure: string,
    ready: (words: string) => Promise<boolean>,
    env: Record<string, string> = {},
  ): Promise<ChildProcess> {
    const child = spawn(program, argv, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    let words = '';
    const hear = (chunk: Buffer) => {
      words = (words + chunk).slice(-4096);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('error', (error) => {
      words += error.message;
    });
    this.#children.add(child);
    for (let tries = 0; !(await ready(words)); tries++) {
      if (ended(child) || child.pid === undefined || tries === 600) {
        throw new Error(`${path.basename(program)} ${failure}: ${words}`);
      }
      await sleep(50);
    }
    return child;
  }

  /** Ends one of them. */
  async end(child: ChildProcess): Promise<void> {
    this.#children.delete(child);
    if (ended(child) || child.pid === undefined) return;
    const over = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
    await over;
    clearTimeout(timer);
  }

  /** Ends them all, the latest first. */
  async stop(): Promise<void> {
    for (const child of [...this.#children].reverse()) await this.end(child);
  }
}

function ended(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, host);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Where a program is; null when it is not installed. Looks where sshd and vsftpd are too, which few people have in PATH. */
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

/** Runs a program to its end and gives what it wrote; rejects with its complaint. */
export function run(program: string, argv: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, argv, { maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${program} ${argv.join(' ')}: ${stderr.trim() || error.message}`));
      else resolve(stdout);
    });
  });
}

/** Programs that run while something is measured; they end together. */
export class Programs {
  readonly #children = new Set<ChildProcess>();

  /** Starts one and waits until `host:port` accepts connections. Rejects with its words when it ends before that. */
  async start(program: string, argv: readonly string[], host: string, port: number): Promise<ChildProcess> {
    const child = spawn(program, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
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
    for (let tries = 0; !(await accepts(host, port)); tries++) {
      if (child.exitCode !== null || child.pid === undefined || tries === 600) {
        throw new Error(`${program} ${argv.join(' ')} does not listen on ${host}:${port}: ${words}`);
      }
      await sleep(50);
    }
    return child;
  }

  async stop(): Promise<void> {
    const ended = [...this.#children].map((child) => {
      if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
      const over = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
      return over.finally(() => clearTimeout(timer));
    });
    this.#children.clear();
    await Promise.all(ended);
  }
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

import { type ChildProcess, spawn } from 'node:child_process';
import { Duplex } from 'node:stream';
import { GatewayError } from '../../errors.ts';
import { processEnd } from '../../text/process-end.ts';

/**
 * How long after SIGHUP a program is killed, and how long its exit status may take, in
 * milliseconds.
 */
const KILL_AFTER = 2000;
const STATUS_WITHIN = 500;

/** A running ProxyCommand. */
export interface ProxyProcess {
  /** Its standard input and output. Destroying the stream ends the program. */
  readonly stream: Duplex;
  /** Returns why the program ended by itself (`SSH_CONNECT`); null while it runs. */
  failure(): Promise<GatewayError | null>;
}

/**
 * Runs a ProxyCommand with expanded tokens, as ssh does (sshconnect.c): by the user's shell, which
 * it replaces. Inherits standard error. A failure ends the stream and is returned by `failure`.
 * Throws `SSH_CONNECT` if no file descriptor is left.
 */
export function runProxyCommand(command: string, env: NodeJS.ProcessEnv = process.env): ProxyProcess {
  const child = spawn(env.SHELL || '/bin/sh', ['-c', `exec ${command}`], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let ended: string | null = null;
  const end = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      ended = error.message;
      resolve();
    });
    child.once('exit', (status, signal) => {
      ended ??= processEnd(status, signal);
      resolve();
    });
  });
  // On EMFILE Node creates no pipes, contrary to its types.
  if (!child.stdin || !child.stdout)
    throw new GatewayError('SSH_CONNECT', `ProxyCommand cannot be run: too many open files: ${command}`);
  // After a broken pipe, the other pipe ends too.
  child.stdin.on('error', () => {});
  const stream = Duplex.from({ readable: child.stdout, writable: child.stdin });
  stream.once('close', () => hangUp(child));
  return {
    stream,
    async failure() {
      if (!stream.destroyed && !stream.readableEnded) return null;
      const killed = child.killed && ended === null;
      await Promise.race([end, new Promise((resolve) => setTimeout(resolve, STATUS_WITHIN).unref())]);
      if (ended === null || (killed && ended === 'ended by SIGHUP')) return null;
      return new GatewayError('SSH_CONNECT', `ProxyCommand ended before the login (${ended}): ${command}`);
    },
  };
}

function hangUp(child: ChildProcess): void {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGHUP');
  const timer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER);
  timer.unref();
  child.once('exit', () => clearTimeout(timer));
}

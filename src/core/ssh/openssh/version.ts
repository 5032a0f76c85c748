import { type ExecFileException, execFile } from 'node:child_process';
import { GatewayError } from '../../errors.ts';

/** Proxy mode of the control socket, and accept-new. */
const NEEDED = 7.6;
/** How long `ssh -V` may take, in milliseconds. */
const ANSWER_WITHIN = 10_000;

/**
 * Returns the version of the installed ssh, such as 9.2. Rejects with `SSH_UNSUPPORTED` if there is
 * no ssh that can be the engine, and with `SSH_CONNECT` if it cannot be run at the moment.
 */
export async function opensshVersion(env: NodeJS.ProcessEnv = process.env): Promise<number> {
  if (process.platform === 'win32') throw unusable('on Windows, ssh has no ControlMaster');
  const words = await new Promise<string>((resolve, reject) => {
    const limits = { timeout: ANSWER_WITHIN, killSignal: 'SIGKILL' } as const;
    execFile('ssh', ['-V'], { env, ...limits }, (error, _stdout, stderr) => {
      if (error === null) resolve(stderr);
      else reject(notRun(error));
    });
  });
  const version = Number(/^OpenSSH_(\d+\.\d+)/.exec(words)?.[1] ?? Number.NaN);
  if (Number.isNaN(version)) throw unusable(`the installed ssh is not OpenSSH's (${words.trim()})`);
  if (version < NEEDED) throw unusable(`OpenSSH ${version} is too old`);
  return version;
}

function notRun(error: ExecFileException): GatewayError {
  if (error.code === 'ENOENT') return unusable('ssh is not installed', error);
  if (error.killed) {
    const why = `ssh -V did not answer within ${ANSWER_WITHIN / 1000} s`;
    return new GatewayError('SSH_CONNECT', why, { cause: error });
  }
  // The system lacks descriptors, processes or memory, for a while.
  if (/^(EMFILE|ENFILE|EAGAIN|ENOMEM)$/.test(String(error.code)))
    return new GatewayError('SSH_CONNECT', `ssh cannot be run: ${error.message}`, { cause: error });
  return unusable(error.message, error);
}

function unusable(why: string, cause?: unknown): GatewayError {
  return new GatewayError('SSH_UNSUPPORTED', `the OpenSSH engine cannot be used: ${why}`, {
    hint: `install OpenSSH ${NEEDED} or later, or use -o SshEngine=ssh2`,
    cause,
  });
}

import { execFile } from 'node:child_process';
import { GatewayError } from '../../errors.ts';

/** Proxy mode of the control socket, and accept-new. */
const NEEDED = 7.6;

/**
 * Returns the version of the installed ssh, such as 9.2. Rejects with `SSH_UNSUPPORTED` if there is
 * no ssh that can be the engine.
 */
export async function opensshVersion(env: NodeJS.ProcessEnv = process.env): Promise<number> {
  if (process.platform === 'win32') throw unusable('on Windows, ssh has no ControlMaster');
  const words = await new Promise<string>((resolve, reject) => {
    execFile('ssh', ['-V'], { env }, (error, _stdout, stderr) => {
      if (error === null) resolve(stderr);
      else reject(unusable(error.code === 'ENOENT' ? 'ssh is not installed' : error.message, error));
    });
  });
  const version = Number(/^OpenSSH_(\d+\.\d+)/.exec(words)?.[1] ?? Number.NaN);
  if (Number.isNaN(version)) throw unusable(`the installed ssh is not OpenSSH's (${words.trim()})`);
  if (version < NEEDED) throw unusable(`OpenSSH ${version} is too old`);
  return version;
}

function unusable(why: string, cause?: unknown): GatewayError {
  return new GatewayError('SSH_UNSUPPORTED', `the OpenSSH engine cannot be used: ${why}`, {
    hint: `install OpenSSH ${NEEDED} or later, or use -o SshEngine=ssh2`,
    cause,
  });
}

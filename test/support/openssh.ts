import { execFile, execFileSync } from 'node:child_process';
import { describe } from 'vitest';

/** Runs one of OpenSSH's programs to its end; rejects with its words when it fails. */
export function run(
  program: string,
  argv: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, argv, { env }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${program} ${argv.join(' ')}: ${stderr || error.message}`));
      else resolve(stdout);
    });
  });
}

/** Makes a key pair of ssh-keygen's at `file` and `file.pub`. */
export async function makeKey(
  file: string,
  options: { type?: string; passphrase?: string; pem?: boolean } = {},
): Promise<void> {
  const { type = 'ed25519', passphrase = '', pem = false } = options;
  // Few KDF rounds: the tests try no passphrase by force.
  await run('ssh-keygen', [
    '-q',
    '-t',
    type,
    '-a',
    '4',
    ...(pem ? ['-m', 'PEM'] : []),
    '-N',
    passphrase,
    '-f',
    file,
  ]);
}

/** A suite that needs these programs: without them it is skipped, loudly, and in CI it fails. */
export function describeWith(programs: readonly string[], name: string, suite: () => void): void {
  const absent = programs.filter((program) => !installed(program));
  if (absent.length === 0 || process.env.CI === 'true') return void describe(name, suite);
  process.stderr.write(`\n!! SKIPPED: ${name}: not installed: ${absent.join(', ')}\n`);
  describe.skip(name, suite);
}

function installed(program: string): boolean {
  try {
    execFileSync('sh', ['-c', 'command -v "$1"', 'sh', program], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

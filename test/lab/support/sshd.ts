import { Program } from './program.ts';
import type { Host } from './topology.ts';

/**
 * Starts another sshd on yourserver beside the one on port 22, with sshd_config lines of the test's
 * own: they come first and so win over the image's. Settles when it listens; stop it with `stop()`.
 * @param settings such as `{ AllowTcpForwarding: 'no' }`
 */
export async function startSshd(
  { container }: Host,
  port: number,
  settings: Readonly<Record<string, string>>,
): Promise<Program> {
  const options = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key} ${value}`]);
  const sshd = await Program.start(
    container,
    ['/usr/sbin/sshd', '-D', '-e', '-p', String(port), '-o', 'PidFile none', ...options],
    { user: 'root' },
  );
  await sshd.waitFor(/Server listening on ::/);
  return sshd;
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';

/** OpenSSH's server, which seldom is on the PATH. */
export const SSHD = ['/usr/sbin/sshd', '/usr/bin/sshd', '/usr/local/sbin/sshd'].find(existsSync) ?? 'sshd';

/**
 * Starts an sshd on a free port of 127.0.0.1, with `host` and `authorized_keys` of `directory`; the
 * caller kills it. `settings` are further lines of its sshd_config.
 */
export async function startSshd(
  directory: string,
  settings: readonly string[] = [],
): Promise<{ port: number; server: ChildProcess }> {
  if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true });
  const port = await freePort();
  const config = path.join(directory, `sshd_config.${port}`);
  await writeFile(
    config,
    [
      'ListenAddress 127.0.0.1',
      `Port ${port}`,
      `HostKey ${path.join(directory, 'host')}`,
      `AuthorizedKeysFile ${path.join(directory, 'authorized_keys')}`,
      'StrictModes no',
      'PidFile none',
      'PermitRootLogin yes',
      'UsePAM no',
      ...settings,
    ].join('\n'),
  );
  const server = spawn(SSHD, ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  for await (const line of createInterface({ input: server.stderr })) {
    if (line.includes('Server listening')) break;
  }
  server.stderr.resume();
  return { port, server };
}

/** A free port of 127.0.0.1. */
export async function freePort(): Promise<number> {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as net.AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

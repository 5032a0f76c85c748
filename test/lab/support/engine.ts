import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { installMissing } from '../../support/packages.ts';
import { docker, lines, run } from './docker.ts';

/**
 * A docker engine that answers. `release` stops it if it was started here and is not used by
 * another run.
 */
export interface Engine {
  release(): Promise<void>;
}

/** Why there can be no lab on this machine, in words. */
export class LabUnavailable extends Error {}

/**
 * Finds the docker engine, or installs and starts one where that is possible: as root on Debian.
 * Throws LabUnavailable elsewhere.
 */
export async function ensureEngine(say: (line: string) => void): Promise<Engine> {
  const trouble = await engineTrouble();
  if (trouble === null) return { release: async () => {} };
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
    throw new LabUnavailable(
      `no docker engine answers (${trouble}), and one is installed only as root on Debian`,
    );
  }
  await installMissing({ dockerd: 'docker.io', docker: 'docker.io', iptables: 'iptables' }, say);
  if ((await engineTrouble()) === null) return { release: async () => {} };
  return startEngine(say);
}

/** null when the engine answers, else the docker client's complaint. */
async function engineTrouble(): Promise<string | null> {
  try {
    const result = await run(['docker', 'version', '--format', '{{.Server.Version}}']);
    return result.code === 0 ? null : (lines(result.stderr).at(-1) ?? 'no reason given');
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function startEngine(say: (line: string) => void): Promise<Engine> {
  const log = join(tmpdir(), 'sshferry-lab-dockerd.log');
  say(`starting dockerd, which logs to ${log}`);
  const out = openSync(log, 'a');
  const daemon = spawn('dockerd', [], { detached: true, stdio: ['ignore', out, out] });
  closeSync(out);
  let ended: string | null = null;
  daemon.once('error', (error) => {
    ended = error.message;
  });
  daemon.once('exit', (code, signal) => {
    ended = `exit status ${code ?? signal}`;
  });
  const deadline = Date.now() + 60_000;
  for (let trouble = await engineTrouble(); trouble !== null; trouble = await engineTrouble()) {
    if (ended !== null) throw new LabUnavailable(`dockerd did not start (${ended}); see ${log}`);
    if (Date.now() > deadline) throw new LabUnavailable(`dockerd does not answer: ${trouble}; see ${log}`);
    await delay(200);
  }
  daemon.unref();
  return {
    release: async () => {
      if ((await docker('ps', '--quiet')) !== '') return;
      const gone = new Promise((resolve) => daemon.once('exit', resolve));
      daemon.ref();
      if (ended === null && daemon.kill('SIGTERM')) await gone;
    },
  };
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { findConfigFile, loadConfigFile } from '../../src/config/file.ts';
import { plugins } from '../config/plugins.ts';

const file = (command: string) => `servers:
  office: { host: you@yourserver.example.com, options: { ProxyCommand: ${command} } }
forwards:
  files: { listen: 8021, server: office, to: localhost:21 }
`;
/** Exchanges the two names for ever, each time in one step. */
const SWAP = `
const { renameSync, symlinkSync } = require('node:fs');
process.send('ready');
for (;;) for (const target of ['own', 'strange']) {
  symlinkSync(target, 'next');
  renameSync('next', 'sshferry.yaml');
}`;

it.skipIf(process.getuid?.() !== 0)(
  "another user's file never counts, however its name is exchanged while it is read",
  { timeout: 60_000 },
  async (test) => {
    const dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-race-'));
    test.onTestFinished(() => rm(dir, { recursive: true, force: true }));
    await writeFile(path.join(dir, 'own'), file('own'), { mode: 0o600 });
    await writeFile(path.join(dir, 'strange'), file('strange'));
    await chmod(path.join(dir, 'strange'), 0o644);
    await chown(path.join(dir, 'strange'), 65_534, 65_534);
    await symlink('own', path.join(dir, 'sshferry.yaml'));
    const attacker = spawn(process.execPath, ['-e', SWAP], {
      cwd: dir,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    test.onTestFinished(() => void attacker.kill('SIGKILL'));
    await once(attacker, 'message');
    const seen = { own: 0, refused: 0 };
    for (let i = 0; i < 1000; i++) {
      const place = await findConfigFile(undefined, { cwd: dir, env: { HOME: '/nonexistent' } });
      const loaded = await loadConfigFile(place, plugins).catch((error: Error) => error);
      if (loaded instanceof Error) {
        expect(loaded.message).toContain('belongs to another user');
        seen.refused += 1;
      } else {
        expect(loaded.config.servers.office?.options).toEqual([['ProxyCommand', 'own']]);
        seen.own += 1;
      }
    }
    // Otherwise nothing was exchanged in time.
    expect(Math.min(seen.own, seen.refused)).toBeGreaterThan(10);
  },
);

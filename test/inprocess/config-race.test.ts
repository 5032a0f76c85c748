import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { loadSource } from '../../src/app/run-request.ts';
import type { Environment } from '../../src/cli/environment.ts';
import { findConfigFile, type LoadedFile, loadConfigFile } from '../../src/config/file.ts';
import { silentLogger } from '../../src/core/log.ts';
import { prepareIdentities } from '../../src/core/ssh/auth/identity.ts';
import { configFiles } from '../../src/core/ssh/config/files.ts';
import { findNetrc } from '../../src/ftp/probe/netrc.ts';
import { plugins } from '../config/plugins.ts';
import { newKeyPair } from '../support/key-pair.ts';
import { sshOptions } from '../support/ssh-person.ts';

const file = (command: string) => `servers:
  office: { host: you@yourserver.example.com, options: { ProxyCommand: ${command} } }
forwards:
  files: { listen: 8021, server: office, to: localhost:21 }
`;
/** Exchanges the two names for ever, each time in one step. */
const SWAP = `
const { renameSync, symlinkSync } = require('node:fs');
const [name] = process.argv.slice(1);
process.send('ready');
for (;;) for (const target of ['own', 'strange']) {
  symlinkSync(target, 'next');
  renameSync('next', name);
}`;
const NOBODY = 65_534;

const config = { own: file('own'), strange: file('strange') };
const command = ({ config }: LoadedFile) => new Map(config.servers.office?.options).get('ProxyCommand');
const environment = (dir: string) => ({ cwd: dir, env: { HOME: '/nonexistent' }, plugins });
const [own, strange] = [newKeyPair(), newKeyPair()];

/** A file that is read, and the use of it. `read` resolves with `own` or `strange`, or rejects. */
interface Reader {
  readonly name: string;
  readonly own: string;
  readonly strange: string;
  /** The mode of the strange file. */
  readonly mode: number;
  read(dir: string): Promise<string | undefined>;
}

const READERS: readonly Reader[] = [
  {
    name: 'sshferry.yaml',
    ...config,
    mode: 0o644,
    read: async (dir) =>
      command(await loadConfigFile(await findConfigFile(undefined, environment(dir)), plugins)),
  },
  {
    name: 'sshferry.yaml',
    ...config,
    mode: 0o644,
    // What a reload does: the file was found at the start.
    read: async (dir) => {
      const source = { kind: 'file', file: { path: path.join(dir, 'sshferry.yaml'), named: false } } as const;
      return command(await loadSource({ ...source, names: [] }, environment(dir) as unknown as Environment));
    },
  },
  {
    name: '.netrc',
    own: 'machine h login you password own\n',
    strange: 'machine h login you password strange\n',
    mode: 0o600,
    read: async (dir) => (await findNetrc(path.join(dir, '.netrc'), ['h'], null))?.password ?? undefined,
  },
  {
    name: 'ssh_config',
    own: 'own',
    strange: 'strange',
    mode: 0o644,
    read: (dir) => configFiles.text(path.join(dir, 'ssh_config'), { checked: true, named: true, user: true }),
  },
  {
    name: 'id_ed25519',
    own: own.private,
    strange: strange.private,
    // As for ssh, another user's key may be used, but not one that is open to others.
    mode: 0o644,
    read: async (dir) => {
      const options = sshOptions({ identityFile: [path.join(dir, 'id_ed25519')], identityAgent: null });
      const [identity] = await prepareIdentities(options, silentLogger);
      if (identity?.type !== 'file') throw new Error('not used');
      return identity.key.getPublicSSH().equals(publicKey(own)) ? 'own' : 'strange';
    },
  },
];

function publicKey({ public: text }: { public: string }): Buffer {
  return Buffer.from(text.split(' ')[1] ?? '', 'base64');
}

it
  .skipIf(process.getuid?.() !== 0)
  .for(READERS.map((reader, index) => ({ reader, index, name: reader.name })))(
  "never uses another user's $name, even if the file is swapped while it is read ($index)",
  { timeout: 120_000 },
  async ({ reader }, test) => {
    const dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-race-'));
    test.onTestFinished(() => rm(dir, { recursive: true, force: true }));
    await writeFile(path.join(dir, 'own'), reader.own, { mode: 0o600 });
    await writeFile(path.join(dir, 'strange'), reader.strange);
    await chmod(path.join(dir, 'strange'), reader.mode);
    if (reader.name !== 'id_ed25519') await chown(path.join(dir, 'strange'), NOBODY, NOBODY);
    await symlink('own', path.join(dir, reader.name));
    const attacker = spawn(process.execPath, ['-e', SWAP, reader.name], {
      cwd: dir,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    test.onTestFinished(() => void attacker.kill('SIGKILL'));
    await once(attacker, 'message');
    const seen = { own: 0, refused: 0 };
    // Until both have been met often: otherwise nothing was exchanged in time.
    while (Math.min(seen.own, seen.refused) < 20 || seen.own + seen.refused < 300) {
      const used = await reader.read(dir).catch(() => null);
      if (used === null) seen.refused += 1;
      else {
        expect(used).toBe('own');
        seen.own += 1;
      }
    }
  },
);

import { execFileSync } from 'node:child_process';
import { truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { silentLogger } from '../../../../src/core/log.ts';
import { connectHop, type Hop } from '../../../../src/core/ssh/link/connect-hop.ts';
import { chooseEngine } from '../../../../src/core/ssh/link/engine.ts';
import { HopMemory } from '../../../../src/core/ssh/link/hop-memory.ts';
import { ScriptedPrompter, sshOptions } from '../../../support/ssh-person.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const choose = (file: string) => chooseEngine(sshOptions({ identityFile: [file] }), silentLogger);

it.skipIf(process.platform === 'win32')('a pipe in place of a key does not hold up the login', async () => {
  const pipe = path.join(await tempFolder({ onTestFinished }), 'pipe');
  execFileSync('mkfifo', [pipe]);
  expect(await choose(pipe)).toEqual({ name: 'ssh2' });
});

it('a file too large for a key is not read whole', async () => {
  const file = path.join(await tempFolder({ onTestFinished }), 'huge');
  await writeFile(file, 'sk-ssh-ed25519@openssh.com');
  await truncate(file, 3 * 2 ** 30);
  expect(await choose(file)).toEqual({ name: 'ssh2' });
});

it('the choice of the engine ends with the attempt to connect', async () => {
  const owner = new AbortController();
  const hop = { options: sshOptions(), engine: () => new Promise(() => {}) } as unknown as Hop;
  const login = connectHop(hop, { log: silentLogger, signal: owner.signal, dial: null });
  const reason = new Error('called off');
  owner.abort(reason);
  await expect(login).rejects.toBe(reason);
});

it('further logins to a host use the engine that has reached it, and no other', async () => {
  const options = sshOptions({ engine: 'openssh' });
  const memory = new HopMemory(options, new ScriptedPrompter(null), silentLogger, () => {});
  memory.succeeded({ name: 'ssh2' }, false);
  const again = memory.again();
  expect(await again.engine()).toEqual({ name: 'ssh2' });
  expect(again.mayFallBack).toBe(false);
  memory.succeeded({ name: 'openssh', version: 9.2 }, false);
  expect(await memory.again().engine()).toEqual({ name: 'openssh', version: 9.2 });
});

import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const ROOT = path.join(import.meta.dirname, '../..');
const CONFIG = '.dependency-cruiser.json';
const run = promisify(execFile);

/** Files that keep to the rule, and then one for each way to break it. */
const FILES: Readonly<Record<string, string>> = {
  'src/core/endpoint.ts': 'export const a = 1;',
  'src/core/ssh/transport.ts': "export { a } from '../endpoint.ts';",
  'src/protocols/tcp.ts': "export { a } from '../core/endpoint.ts';",
  'src/ftp/plugin.ts': "export { a } from '../protocols/tcp.ts';",
  'src/app/compose.ts': "export { a } from '../ftp/plugin.ts';",
  'src/cli/run.ts': "export { a } from '../app/compose.ts';",
};
const VIOLATIONS: Readonly<Record<string, readonly [file: string, text: string]>> = {
  'no-circles': ['src/core/circle.ts', "export { a } from './circle.ts';"],
  'ssh2-in-one-folder': ['src/core/ssh/auth/key.ts', "export { Client } from 'ssh2';"],
  'decisions-without-io': ['src/ftp/rewrite/control.ts', "export { connect } from 'node:net';"],
  'core-is-the-centre': ['src/core/gateway.ts', "export { a } from '../ftp/plugin.ts';"],
  'core-without-ssh': ['src/core/session.ts', "export { a } from './ssh/transport.ts';"],
  'protocols-know-core': ['src/protocols/mail.ts', "export { a } from '../ftp/plugin.ts';"],
  'ftp-knows-core-protocols-and-sftp': ['src/ftp/data/leg.ts', "export { a } from '../../app/compose.ts';"],
  'sftp-knows-core': ['src/sftp/client.ts', "export { a } from '../ftp/plugin.ts';"],
  'server-decides-without-io': ['src/ftp/server/login.ts', "export { a } from '../plugin.ts';"],
  'rewriter-without-data': ['src/ftp/wire/reply.ts', "export { a } from '../plugin.ts';"],
  'check-knows-core': ['src/check/forward.ts', "export { a } from '../ftp/plugin.ts';"],
  'nothing-imports-app': ['src/status/server.ts', "export { a } from '../app/compose.ts';"],
  'nothing-imports-cli': ['src/log/logger.ts', "export { a } from '../cli/run.ts';"],
  resolvable: ['src/core/lost.ts', "export { a } from './nowhere.ts';"],
};

test('npm run check fails on each file that imports against the rule', { timeout: 60_000 }, async (test) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'sshferry-imports-'));
  test.onTestFinished(() => rm(folder, { recursive: true }));
  for (const name of [CONFIG, 'tsconfig.json', 'package.json'])
    await cp(path.join(ROOT, name), path.join(folder, name));
  await cp(path.join(ROOT, 'node_modules/ssh2'), path.join(folder, 'node_modules/ssh2'), { recursive: true });
  const write = async (name: string, text: string) => {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), text);
  };
  /** Resolves with what the rule says of each file, as `rule file`. */
  const violations = async () => {
    const depcruise = path.join(ROOT, 'node_modules/.bin/depcruise');
    const { stdout } = await run(depcruise, ['src', '--output-type', 'json'], { cwd: folder }).catch(
      (failed) => failed,
    );
    const { summary } = JSON.parse(stdout);
    return summary.violations.map(
      ({ rule, from }: { rule: { name: string }; from: string }) => `${rule.name} ${from}`,
    );
  };

  for (const [name, text] of Object.entries(FILES)) await write(name, text);
  expect(await violations()).toEqual([]);
  for (const [name, text] of Object.values(VIOLATIONS)) await write(name, text);
  const expected = Object.entries(VIOLATIONS).map(([rule, [file]]) => `${rule} ${file}`);
  expect(await violations()).toEqual(expect.arrayContaining(expected));
  const { forbidden } = JSON.parse(await readFile(path.join(ROOT, CONFIG), 'utf8'));
  expect(forbidden.map(({ name }: { name: string }) => name).sort()).toEqual(Object.keys(VIOLATIONS).sort());
});

import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findConfigFile, loadConfigFile } from '../../src/config/file.ts';
import { plugins } from './plugins.ts';

const GOOD = `servers:
  office: { host: you@yourserver.example.com, identityFile: ~/.ssh/id, options: { Compression: true, SendEnv: [A, B] } }
forwards:
  files: { listen: 8021, server: office, to: localhost:21 }
`;

async function folder(): Promise<string> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function load(content: string | Uint8Array, mode = 0o600) {
  const file = path.join(await folder(), 'sshferry.yaml');
  await writeFile(file, content);
  await chmod(file, mode);
  return loadConfigFile({ path: file, named: true }, plugins, 'sshferry.yaml');
}

test('a file becomes a Config', async () => {
  const { config } = await load(GOOD);
  expect(config.servers.office).toMatchObject({
    host: 'you@yourserver.example.com',
    identityFile: ['~/.ssh/id'],
    options: [
      ['Compression', 'yes'],
      ['SendEnv', 'A'],
      ['SendEnv', 'B'],
    ],
  });
  expect(config.forwards.files).toMatchObject({ type: 'ftp', to: { host: 'localhost', port: 21 } });
});

test('accepts a byte order mark, Windows line ends, anchors and a missing last line end', async () => {
  const { config } = await load(`\uFEFF${GOOD.replaceAll('\n', '\r\n').trimEnd()}`);
  expect(Object.keys(config.forwards)).toEqual(['files']);
});

test.each([
  ['written by everybody', GOOD, 0o602, 'sshferry.yaml is writable by other users'],
  ['written by its group', GOOD, 0o620, 'chmod go-w sshferry.yaml'],
  ['not text', Buffer.from([0xff, 0xfe, 0x41]), 0o600, 'sshferry.yaml is not UTF-8 text; save it as UTF-8'],
  ['huge', `#${'x'.repeat(1 << 20)}`, 0o600, 'sshferry.yaml is larger than 1 MB'],
  ['wrong', 'a: 1\n', 0o600, /^sshferry\.yaml:1:1: /],
])('%s', async (_name, content, mode, message) => {
  await expect(load(content, mode)).rejects.toThrow(message);
  await expect(load(content, mode)).rejects.toMatchObject({ code: 'CONFIG_FILE' });
});

test('refuses a missing file and a directory', async () => {
  const dir = await folder();
  await expect(loadConfigFile({ path: path.join(dir, 'a'), named: true }, plugins, 'a')).rejects.toThrow(
    'a: no such file; ',
  );
  await expect(loadConfigFile({ path: dir, named: true }, plugins, 'a')).rejects.toThrow(
    'a is a directory; expected a YAML file',
  );
});

test.skipIf(process.platform === 'win32')('stops reading a file that never ends', async () => {
  await expect(loadConfigFile({ path: '/dev/zero', named: true }, plugins)).rejects.toThrow(
    '/dev/zero is larger than 1 MB',
  );
});

test('finds the file at the default paths, and ignores a relative XDG_CONFIG_HOME, as XDG requires', async () => {
  const home = await folder();
  const file = path.join(home, '.config/sshferry/sshferry.yaml');
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, GOOD);
  expect(
    await findConfigFile(undefined, { cwd: '/nonexistent', env: { HOME: home, XDG_CONFIG_HOME: 'x' } }),
  ).toEqual({ path: file, named: false });
});

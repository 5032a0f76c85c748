import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { expect, onTestFinished, test } from 'vitest';
import { parse } from '../../../src/cli/args/parse.ts';
import { addSourceArguments, readSource } from '../../../src/cli/args/source.ts';
import { environment } from '../fakes.ts';

const FILE = `
servers:
  office: { host: yourserver.example.com }
  home: { host: home.example.com }
forwards:
  mail-in: { listen: 8110, server: office, to: localhost:110 }
  mail-out: { listen: 8025, server: office, to: localhost:25 }
  files: { listen: 8021, server: home, to: localhost:21 }
groups:
  mail: [mail-in, mail-out]
`;

/** Makes a working directory with these files. */
async function place(files: Record<string, string>) {
  const cwd = await mkdtemp(path.join(os.tmpdir(), 'sshferry-'));
  onTestFinished(() => rm(cwd, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(cwd, name)), { recursive: true });
    await writeFile(path.join(cwd, name), text, { mode: 0o600 });
  }
  return environment({ cwd, env: { HOME: cwd, XDG_CONFIG_HOME: path.join(cwd, 'xdg') } });
}

async function read(argv: string[], files: Record<string, string>) {
  const command = addSourceArguments(new Command('check'));
  parse(command, argv);
  const { config, source } = await readSource(command, await place(files));
  return {
    kind: source.kind,
    forwards: Object.keys(config.forwards).join(' '),
    servers: Object.keys(config.servers).join(' '),
    level: config.log.level,
  };
}

const all = 'mail-in mail-out files';
test.each([
  [
    'a tunnel',
    ['-L', '8021:localhost:21', 'you@h'],
    { kind: 'arguments', forwards: 'ftp-8021', servers: 'you@h' },
  ],
  ['a host alone, for ssh_config to name forwards', ['you@h'], { kind: 'arguments', forwards: '' }],
  ['a host like a name', ['ssh://files'], { kind: 'arguments', servers: 'ssh://files' }],
  ['nothing', [], { kind: 'file', forwards: all, servers: 'office home' }],
  ['names', ['files'], { kind: 'file', forwards: 'files', servers: 'home' }],
  ['a group and a name', ['mail', 'files'], { kind: 'file', forwards: all }],
  [
    'a group',
    ['mail', '-v'],
    { kind: 'file', forwards: 'mail-in mail-out', servers: 'office', level: 'debug' },
  ],
  ['a name with a flag of ssh', ['-N', 'files'], { kind: 'arguments', servers: 'files' }],
])('%s', async (_name, argv, expected) => {
  expect(await read(argv, { 'sshferry.yaml': FILE })).toMatchObject(expected);
});

test('a word is a host if there is no config file', async () => {
  expect(await read(['files'], {})).toMatchObject({ kind: 'arguments', servers: 'files' });
});

test('-c is relative to the working directory', async () => {
  expect(await read(['-c', 'a/b.yaml', 'mail'], { 'a/b.yaml': FILE })).toMatchObject({ servers: 'office' });
});

test('the config file is searched for in the working directory, then in XDG_CONFIG_HOME', async () => {
  const other = FILE.replace('mail-in:', 'mail-there:').replace('[mail-in', '[mail-there');
  expect(await read([], { 'xdg/sshferry/sshferry.yaml': other })).toMatchObject({
    forwards: 'mail-there mail-out files',
  });
  expect(await read([], { 'xdg/sshferry/sshferry.yaml': other, 'sshferry.yaml': FILE })).toMatchObject({
    forwards: all,
  });
});

test.each([
  [
    ['fils'],
    { 'sshferry.yaml': FILE },
    /has no forward or group 'fils' \(did you mean files\?\); expected one of/,
  ],
  [
    [],
    {},
    /no config file found: looked for .*\/sshferry.yaml and .*xdg\/sshferry\/sshferry.yaml; create one with/,
  ],
  [
    ['-c', 'a.yaml', '-p', '22', 'h'],
    {},
    /-c a.yaml names a config file, .*for ciphers without a file: -o Ciphers/,
  ],
])('%j is refused', async (argv, files, message) => {
  await expect(read(argv, files)).rejects.toThrow(message);
});

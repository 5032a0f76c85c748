import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { PLUGINS } from '../../../src/app/plugins.ts';
import { readConfigText } from '../../../src/config/diagnose.ts';
import { portOf } from '../../../src/core/target.ts';
import { Run } from '../fakes.ts';

async function folder(): Promise<string> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-init-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  return dir;
}

/** A person at a terminal who types these answers, then aborts; records the questions. */
function person(answers: string[]) {
  const asked: string[] = [];
  return {
    asked,
    prompter: () => ({
      interactive: true,
      ask: async (question: string) => {
        asked.push(question);
        const answer = answers.shift();
        if (answer === undefined) throw new Error('interrupted');
        return answer;
      },
      tell: (text: string) => void asked.push(text),
    }),
  };
}

async function init(cwd: string, argv: string[], over: ConstructorParameters<typeof Run>[1] = {}) {
  const run = new Run(['init', ...argv], { cwd, plugins: PLUGINS, ...over });
  const status = await run.status;
  return { status, told: run.stderr.text, said: run.stdout.text };
}

async function configIn(dir: string, name = 'sshferry.yaml') {
  const text = await readFile(path.join(dir, name), 'utf8');
  const reading = readConfigText(text, PLUGINS);
  if (!('config' in reading)) throw new Error(text);
  return { text, config: reading.config };
}

test('arguments become an equivalent file with comments, readable by the own user only', async () => {
  const dir = await folder();
  const argv = [
    '-L',
    '8021:localhost:21',
    '-L',
    '*:8022:b:2121',
    '-L',
    'ftp/8023:[::1]:2121',
    '-p',
    '2222',
    '-i',
    'a',
  ];
  const { status, said } = await init(dir, [
    ...argv,
    '-o',
    'Ciphers=x',
    '-o',
    'FtpActive=refuse',
    'me@office.example.com',
  ]);
  expect([status, said]).toEqual([0, 'sshferry.yaml is written. Try it: sshferry check, then sshferry up\n']);
  const { text, config } = await configIn(dir);
  expect(text.split('\n')[0]).toBe('# yaml-language-server: $schema=/nonexistent/schema.json');
  expect(config.servers).toMatchObject({
    office: {
      host: 'office.example.com',
      user: 'me',
      port: 2222,
      identityFile: ['a'],
      options: [['Ciphers', 'x']],
    },
  });
  expect(Object.values(config.forwards)).toMatchObject([
    { type: 'ftp', listen: { host: null, port: 8021 }, to: { port: 21 }, options: { active: 'refuse' } },
    { type: 'tcp', listen: { host: '*', port: 8022 }, to: { host: 'b', port: 2121 } },
    { type: 'ftp', to: { host: '::1', port: 2121 } },
  ]);
  expect((await stat(path.join(dir, 'sshferry.yaml'))).mode & 0o777).toBe(0o600);
  expect(await readdir(dir)).toEqual(['sshferry.yaml']);
});

test('SOCKS and Unix sockets become a file that means the same', async () => {
  const dir = await folder();
  const argv = ['-D', '1080', '-L', '/run/near.sock:/run/far.sock', '-L', 'pop3/8110:/run/pop3.sock'];
  const { status } = await init(dir, [...argv, '-R', '1081', 'me@office.example.com']);
  expect(status).toBe(0);
  const { text, config } = await configIn(dir);
  expect(text).toContain('socks-1080: { listen: 1080, server: office, type: socks }');
  expect(config.forwards).toMatchObject({
    'tcp-near.sock': { type: 'tcp', listen: { host: '/run/near.sock' }, to: { unix: '/run/far.sock' } },
    'pop3-8110': { type: 'pop3', to: { unix: '/run/pop3.sock' } },
    'remote-socks-1081': { type: 'socks', direction: 'remote', to: { dynamic: true } },
    'socks-1080': { type: 'socks', direction: 'local', to: { dynamic: true } },
  });
});

test('an existing file is overwritten only with --force', async () => {
  const dir = await folder();
  await writeFile(path.join(dir, 'sshferry.yaml'), 'mine');
  const argv = ['-L', '8021:localhost:21', 'h'];
  const { status, told } = await init(dir, argv);
  expect([status, told.split('\n')[0]]).toEqual([
    2,
    'sshferry: cannot write sshferry.yaml: the file exists; --force overwrites it, -c FILE names another',
  ]);
  expect(await readFile(path.join(dir, 'sshferry.yaml'), 'utf8')).toBe('mine');
  expect((await init(dir, [...argv, '--force'])).status).toBe(0);
  expect((await init(dir, [...argv, '-c', 'other.yaml'])).said).toContain('sshferry up -c other.yaml');
  expect((await readdir(dir)).sort()).toEqual(['other.yaml', 'sshferry.yaml']);
  await configIn(dir);
});

test('asks four questions, each with a default', async () => {
  const dir = await folder();
  const { asked, prompter } = person(['you@yourserver.example.com', 'ftp pop3, SMTP', '', '']);
  expect((await init(dir, [], { prompter })).status).toBe(0);
  expect(asked).toEqual([
    'SSH server, as you@yourserver.example.com: ',
    'Which services of ftp, pop3, smtp, imap [ftp]: ',
    'Where they run, as the SSH server sees it [localhost]: ',
    'Local ports for them [8021, 8110, 8025]: ',
  ]);
  const { config } = await configIn(dir);
  expect(
    Object.entries(config.forwards).map(([name, { listen, to }]) => [name, listen.port, portOf(to)]),
  ).toEqual([
    ['ftp-8021', 8021, 21],
    ['pop3-8110', 8110, 110],
    ['smtp-8025', 8025, 25],
  ]);
});

test('asks again after an invalid answer, with the reason', async () => {
  const dir = await folder();
  const { asked, prompter } = person(['', 'h', 'fpt', 'ftp', '::1', '80,81', '8021']);
  expect((await init(dir, [], { prompter })).status).toBe(0);
  const told = asked.filter((text) => text.endsWith('\n')).join('');
  expect(told).toContain('not an SSH destination');
  expect(told).toContain("unknown service 'fpt' (did you mean ftp?); expected ftp, pop3, smtp, imap");
  expect(told).toContain('enter one port for each service: ftp');
  expect((await configIn(dir)).config.forwards['ftp-8021']?.to).toEqual({ host: '::1', port: 21 });
});

test('a service named twice counts once, and no port serves two', async () => {
  const dir = await folder();
  const { asked, prompter } = person(['h', 'ftp FTP pop3', '', '8021 8021', '8021 8110']);
  expect((await init(dir, [], { prompter })).status).toBe(0);
  expect(asked.join('')).toContain('[8021, 8110]: each service needs its own port\n');
  expect(Object.keys((await configIn(dir)).config.forwards)).toEqual(['ftp-8021', 'pop3-8110']);
});

test('asks nothing if the file exists', async () => {
  const dir = await folder();
  await writeFile(path.join(dir, 'sshferry.yaml'), 'mine');
  const { asked, prompter } = person([]);
  expect(await init(dir, [], { prompter })).toMatchObject({
    status: 2,
    told: expect.stringContaining('the file exists'),
  });
  expect(asked).toEqual([]);
});

test.each([
  [
    'no/folder/x.yaml',
    'cannot write no/folder/x.yaml: the folder no/folder does not exist; create it with mkdir -p no/folder\n',
  ],
  ['.', 'cannot write .: it is a directory; -c FILE names the file\n'],
])('a file that cannot be written: %s', async (file, told) => {
  const dir = await folder();
  const argv = ['--force', '-c', file, '-L', '8021:localhost:21', 'h'];
  expect(await init(dir, argv)).toMatchObject({ status: 2, told: expect.stringContaining(told) });
  expect(await readdir(dir)).toEqual([]);
});

test.each([
  [
    'no terminal',
    [],
    {},
    /cannot ask questions without a terminal; pass the arguments of a tunnel, such as sshferry init -L/,
  ],
  ['given up', [], person(['h']), /nothing was written: the questions were not answered/],
  ['no forward', ['h'], {}, /nothing to forward; add -L/],
  ['no host', ['-L', '8021:localhost:21'], {}, /missing host/],
])('writes nothing: %s', async (_what, argv, over, message) => {
  const dir = await folder();
  const { status, told } = await init(dir, argv, over);
  expect([status, told]).toEqual([2, expect.stringMatching(message)]);
  expect(await readdir(dir)).toEqual([]);
});

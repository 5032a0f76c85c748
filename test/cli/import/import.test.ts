import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { PLUGINS } from '../../../src/app/plugins.ts';
import { readConfigText } from '../../../src/config/diagnose.ts';
import type { Config } from '../../../src/config/schema.ts';
import { formatEndpoint } from '../../../src/core/endpoint.ts';
import { resolveSshOptions } from '../../../src/core/ssh/config/ssh-config.ts';
import { formatTarget, isDynamic } from '../../../src/core/target.ts';
import { Run } from '../fakes.ts';
import {
  type ImportCase,
  PUTTY_REGISTRY,
  PUTTY_UNIX,
  SSH_COMMAND_FAULTS,
  SSH_COMMANDS,
  SSH_CONFIG,
  TERA_TERM,
  WINSCP,
} from './import-cases.ts';

async function imported({ file, text, utf16 = false, destination }: ImportCase) {
  const cwd = await mkdtemp(path.join(os.tmpdir(), 'sshferry-import-'));
  onTestFinished(() => rm(cwd, { recursive: true }));
  const bytes = utf16 ? Buffer.from(`\ufeff${text}`, 'utf16le') : Buffer.from(text);
  await writeFile(path.join(cwd, file), bytes);
  const argv = ['init', '--from', file, ...(destination === undefined ? [] : [destination])];
  const run = new Run(argv, { cwd, plugins: PLUGINS, resolve: resolveSshOptions });
  const status = await run.status;
  const written = await readFile(path.join(cwd, 'sshferry.yaml'), 'utf8').catch(() => null);
  return { status, written, told: run.stderr.text, cwd };
}

/** `listen → type target, by server`. */
function told(config: Config): string[] {
  return Object.values(config.forwards).map(({ listen, type, server, to, direction, tls }) => {
    const { host, port } = listen;
    const address = host === null ? `${port}` : formatEndpoint({ host, port });
    const target = isDynamic(to) ? '' : ` ${formatTarget(to)}`;
    const secured = tls === null ? '' : ` with TLS (${tls.mode})`;
    return `${direction === 'remote' ? 'remote ' : ''}${address} → ${type}${secured}${target}, by ${server}`;
  });
}

describe.each([
  ['an export of the registry with sessions of PuTTY', PUTTY_REGISTRY],
  ['a session of PuTTY on Unix', PUTTY_UNIX],
  ['a TERATERM.INI', TERA_TERM],
  ['a WinSCP.ini', WINSCP],
  ['lines that run ssh', SSH_COMMANDS],
  ['lines that run ssh, and broke once', SSH_COMMAND_FAULTS],
  ['an ssh_config', SSH_CONFIG],
])('%s', (_kind, cases) => {
  test.each(cases)('$what', async (given) => {
    const { status, written, told: said } = await imported(given);
    expect([status, said.replace(/^skipped: .*\n/gm, '')]).toEqual([0, '']);
    const reading = readConfigText(written ?? '', PLUGINS);
    if (!('config' in reading)) throw new Error(written ?? '');
    expect(told(reading.config)).toEqual(given.forwards);
    expect(Object.keys(reading.config.servers)).toEqual(Object.keys(given.servers));
    expect(reading.config.servers).toMatchObject(given.servers);
    const skipped = [...said.matchAll(/^skipped: (.*)$/gm)].map(([, text]) => text);
    expect(skipped).toHaveLength(given.skipped?.length ?? 0);
    for (const [i, part] of (given.skipped ?? []).entries()) expect(skipped[i]).toMatch(part);
  });
});

test.each([
  ['a file that is not there', 'missing.ini', null, /cannot read missing\.ini: ENOENT/],
  [
    'a file without forwards',
    'letter.txt',
    'Dear ssh,\n',
    /letter\.txt: no forwards found in a known format/,
  ],
  [
    'settings without the server',
    'T.INI',
    '[TTSSH]\nDefaultForwarding=L1:a:2\n',
    /T\.INI: nothing left to forward/,
  ],
])('%s is an error, and writes nothing', async (_what, file, text, message) => {
  const cwd = await mkdtemp(path.join(os.tmpdir(), 'sshferry-import-'));
  onTestFinished(() => rm(cwd, { recursive: true }));
  if (text !== null) await writeFile(path.join(cwd, file), text);
  const run = new Run(['init', '--from', file], { cwd, plugins: PLUGINS, resolve: resolveSshOptions });
  expect(await run.status).not.toBe(0);
  expect(run.stderr.text).toMatch(message);
  await expect(readFile(path.join(cwd, 'sshferry.yaml'))).rejects.toThrow('ENOENT');
});

test.each([
  [['-L', '8021:localhost:21'], /--from takes no options of ssh and no command/],
  [['you@h'], /putty\.reg: its settings name their SSH servers; omit you@h/],
])('init --from refuses what it would ignore: %j', async (more, message) => {
  const cwd = await mkdtemp(path.join(os.tmpdir(), 'sshferry-import-'));
  onTestFinished(() => rm(cwd, { recursive: true }));
  await writeFile(path.join(cwd, 'putty.reg'), PUTTY_REGISTRY[0]?.text ?? '');
  const argv = ['init', '--from', 'putty.reg', ...more];
  const run = new Run(argv, { cwd, plugins: PLUGINS, resolve: resolveSshOptions });
  expect(await run.status).toBe(2);
  expect(run.stderr.text).toMatch(message);
});

test('a name with control characters reaches the terminal escaped', async () => {
  const name = '%1B]0;owned%07%0Askipped: nothing';
  const text = `REGEDIT4\n[HKEY_CURRENT_USER\\Software\\SimonTatham\\PuTTY\\Sessions\\${name}]\n"HostName"="h"\n`;
  const { told: said } = await imported({ what: '', file: 'evil.reg', text, servers: {}, forwards: [] });
  expect(said.split('\n')[0]).toBe('skipped: \\x1b]0;owned\\x07\\x0askipped: nothing: it has no forwards');
});

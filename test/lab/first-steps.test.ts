import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { installMissing } from '../support/packages.ts';
import { type Screen, Tmux } from '../support/tmux.ts';
import { docker } from './support/docker.ts';
import { makeFile } from './support/files.ts';
import { describeLab, lab } from './support/lab.ts';
import { Newcomer, type } from './support/newcomer.ts';
import { ferry } from './support/users.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
const FILE = 'photos.zip';

// The "First steps" of docs/guide.md. SSHFERRY_TRANSCRIPT=FILE writes what the screens showed.
describeLab('the first steps of the guide, with the package on a clean machine', () => {
  const transcript: string[][] = [];
  let folder: string;
  let tmux: Tmux;
  let newcomer: Newcomer;
  let tunnel: Screen;
  let client: Screen;
  let sha256: string;

  beforeAll(async () => {
    await installMissing({ tmux: 'tmux' }, (line) => process.stderr.write(`lab: ${line}\n`));
    folder = mkdtempSync(join(tmpdir(), 'sshferry-steps-'));
    tmux = new Tmux(join(folder, 'tmux'));
    ({ sha256 } = makeFile(lab().pub, FILE, 140_000_000));
    const install = (tarball: string) => ({
      command: `npm install --global --allow-scripts=ssh2,cpu-features ./${tarball}`,
    });
    const { newcomer: made, screen } = await Newcomer.create(PROJECT, lab().hosts, tmux, install);
    newcomer = made;
    transcript.push(screen);
    tunnel = await newcomer.terminal('tunnel');
  });

  afterAll(async () => {
    await tmux?.kill();
    await newcomer?.remove();
    rmSync(folder, { recursive: true, force: true });
    const file = process.env.SSHFERRY_TRANSCRIPT;
    if (file !== undefined)
      writeFileSync(file, `${transcript.map((rows) => rows.join('\n')).join('\n\n')}\n`);
  });

  it('install', () => {
    expect(transcript[0]?.join('\n')).toMatch(/\nadded \d+ packages in \S+$/);
  });

  it('init asks four questions', async () => {
    await type(tunnel, {
      command: 'sshferry init',
      answers: [
        [/SSH server, .*:$/, `${ferry.name}@yourserver.example.com`],
        [/Which services .*:$/, 'ftp pop3 smtp'],
        [/Where they run.*:$/, ''],
        [/Local ports.*:$/, ''],
      ],
    });
    expect(await newcomer.run('cat', 'sshferry.yaml')).toMatch(/^# yaml-language-server: \$schema=\/.*\n/);
    const schema = (await newcomer.run('head', '-n', '1', 'sshferry.yaml')).trim().replace(/^.*schema=/, '');
    expect(JSON.parse(await newcomer.run('cat', schema))).toHaveProperty('properties.servers');
  });

  it('check finds that all works', async () => {
    const rows = await type(tunnel, {
      command: `sshferry check --ftp-login ${ferry.name}`,
      answers: [
        [/continue connecting.*\?$/, 'yes'],
        [/assword.*:$/, ferry.password],
      ],
    });
    expect(rows.at(-1)).toBe('All 3 forwards work.');
    expect(rows.join('\n')).toMatch(/✓ listing /);
    expect(rows.join('\n')).not.toMatch(/[✗–] /);
  });

  it('up listens', async () => {
    await type(tunnel, { command: 'sshferry up', until: /smtp +localhost:8025 →/ });
  });

  it('a transfer, and the status meanwhile', async () => {
    client = await newcomer.terminal('client');
    const command = `curl --user ${ferry.name} --limit-rate 10M -O ftp://localhost:8021/pub/${FILE}`;
    const running = type(client, { command, answers: [[/password.*:$/, ferry.password]] });
    const other = await newcomer.terminal('other');
    const yourserver = lab().hosts.b.container;
    // The rate covers 5 s. In the first ones the kernel buffers of the connection fill, faster than
    // curl reads.
    await tunnel.shows(/RETR .* [5-9]\d%/, 60_000);
    // On a busy machine the transfer could end before the status is there.
    await docker('pause', yourserver);
    const status = await type(other, { command: 'sshferry status' });
    await docker('unpause', yourserver);
    expect(status.join('\n')).toMatch(/ferry@yourserver\.example\.com ready for .*\n[\s\S]*RETR .*\d+%/);
    transcript.push(await running, status);
    expect(await newcomer.run('sha256sum', FILE)).toContain(sha256);
  });

  it('Ctrl-C ends it', async () => {
    const rows = await tunnel.shows(/RETR .* complete$/m);
    await tunnel.press('C-c');
    await tunnel.shows(/\^C\s*\$$/);
    transcript.splice(1, 0, rows);
    expect(rows.join('\n')).not.toContain(ferry.password);
  });

  it('are those of the guide', () => {
    const guide = readFileSync(join(PROJECT, 'docs/guide.md'), 'utf8');
    const typed = (text: string) =>
      text.split('\n').flatMap((line) => /^(?: {4})?([$#] \w.*)$/.exec(line)?.[1] ?? []);
    const section = /\n## First steps\n([\s\S]*?)\n## /.exec(guide)?.[1] ?? '';
    expect(typed(section)).toEqual(typed(transcript.flat().join('\n')));
  });
});

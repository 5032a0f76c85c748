import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { mainCommand } from '../../src/cli/commands/main-command.ts';
import { SUBCOMMANDS } from '../../src/cli/commands/subcommands.ts';
import { manPage } from '../../src/cli/man-page.ts';
import { checkOption } from '../../src/core/ssh/config/keys.ts';

const page = (over: Partial<Parameters<typeof manPage>[0]> = {}) =>
  manPage({
    version: '1.2.3',
    date: '2026-01-02',
    tunnel: mainCommand('1.2.3', SUBCOMMANDS),
    subcommands: SUBCOMMANDS.map(({ name, define }) => ({ name, command: define() })),
    options: [{ key: 'FtpDataPorts', description: 'Local ports, such as 50000-50100' }],
    ...over,
  });

describe('sshferry(1)', () => {
  test('contains what --help contains', () => {
    const text = page();
    expect(text).toMatch(/^\.TH SSHFERRY 1 "2026\\-01\\-02"|^\.TH SSHFERRY 1 "2026-01-02"/);
    expect(text).toContain('.B \\-L <forward>\n[type/][bind:]port:host:hostport or port:sftp:[folder]');
    for (const { name } of SUBCOMMANDS) expect(text).toContain(`.SS "sshferry ${name}"`);
  });

  test("contains sshferry's own options, with hyphens that can be copied", () => {
    expect(page()).toContain('.B FtpDataPorts\nLocal ports, such as 50000\\-50100');
  });

  test('says what happens to keys of ssh_config that sshferry does not implement', () => {
    expect(checkOption('LogLevel', 'DEBUG')).toBe('LogLevel has no effect here');
    expect(() => checkOption('HostbasedAuthentication', 'yes')).toThrow('is not supported');
    expect(page()).toContain('Keys that have no effect on forwarding are accepted');
    expect(page()).toContain('Keys that request something that sshferry does not support are an error');
  });

  test('escapes words that roff would interpret', () => {
    const command = new Command('x').description('d').option('-z', ".hidden 'quoted' a\\b ~");
    const text = page({ subcommands: [{ name: 'x', command }] });
    expect(text).toContain('.B \\-z\n\\&.hidden \\(aqquoted\\(aq a\\eb \\(ti');
  });
});

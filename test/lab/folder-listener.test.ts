import { afterAll, beforeAll, expect, it } from 'vitest';
import { hashPassword } from '../../src/ftp/server/io/password.ts';
import { docker } from './support/docker.ts';
import { exec, mustExec } from './support/exec.ts';
import { writeFile } from './support/keys.ts';
import { describeLab, lab } from './support/lab.ts';
import { Program } from './support/program.ts';
import { type Addresses, joining } from './support/topology.ts';
import { ferry, YOU } from './support/users.ts';

const PORT = 8021;
const CONFIG = '/home/you/listener.json';
const PASSWORD = 'Paper-3381-tray';
const SCANS = `/home/${ferry.name}/incoming/scans`;

let sshferry: Program;
let scanner: string;
let gateway: Addresses;

/** curl on the scanner; the last argument is the path. */
function curl(user: string, host: string, ...args: string[]) {
  const url = `ftp://${host}:${PORT}/${args.at(-1)}`;
  const argv = ['curl', '--silent', '--show-error', '--max-time', '40', '--user', user];
  return exec(scanner, [...argv, ...args.slice(0, -1), url]);
}

async function succeeds(...args: Parameters<typeof curl>): Promise<string> {
  const { code, stdout, stderr } = await curl(...args);
  expect(code, stderr).toBe(0);
  return stdout;
}

/** 67 is curl's code for a login that the server refused. */
async function refusedLogin(...args: Parameters<typeof curl>): Promise<void> {
  const { code, stderr } = await curl(...args);
  expect(code, stderr).toBe(67);
}

function onServer(script: string): Promise<string> {
  return mustExec(lab().hosts.b.container, ['sh', '-c', `cd ${SCANS} && ${script}`], { user: ferry.name });
}

describeLab('a folder on all addresses of a host, for scanners and cameras', () => {
  beforeAll(async () => {
    const { hosts } = lab();
    const { a, b } = hosts;
    if (a.wire === null) throw new Error('host A has no address');
    gateway = a.wire;
    scanner = `${hosts.run}-scanner`;
    const image = await docker('inspect', '--format', '{{.Config.Image}}', a.container);
    const volumes = ['--volumes-from', a.container];
    await docker('run', '--detach', '--init', ...joining(hosts, 'scanner'), ...volumes, image);
    await mustExec(b.container, ['mkdir', '-p', `${SCANS}/ann`], { user: ferry.name });
    const cli = ['node', '/app/dist/cli.js'];
    // `sshferry hash` asks at a terminal only.
    const hash = await hashPassword(Buffer.from(PASSWORD));
    const config = {
      servers: { office: { host: 'yourserver', user: ferry.name } },
      forwards: {
        scans: {
          listen: `*:${PORT}`,
          server: 'office',
          to: { sftp: SCANS },
          ftp: {
            access: 'upload-only',
            users: {
              ann: { password: hash, folder: 'ann' },
              all: { password: hash, access: 'read-only' },
              boss: { password: hash, access: 'read-write' },
            },
          },
        },
      },
    };
    await writeFile(a.container, CONFIG, JSON.stringify(config), YOU);
    await mustExec(a.container, ['chmod', '600', CONFIG]);
    sshferry = await Program.start(a.container, [...cli, 'up', '-c', CONFIG, '--log-format', 'json']);
    await sshferry.waitFor(/"event":"forward.ready"/);
  });

  afterAll(async () => {
    await sshferry?.signal('KILL');
    await docker('rm', '--force', '--volumes', scanner);
  });

  const families = [
    ['IPv4', () => gateway.v4],
    ['IPv6', () => `[${gateway.v6}]`],
  ] as const;
  const modes = [
    ['passive', []],
    ['active', ['--ftp-port', '-']],
  ] as const;

  it.each(
    families.flatMap(([family, host]) => modes.map(([mode, flags]) => ({ family, host, mode, flags }))),
  )(
    'takes uploads of a scanner in $mode mode over $family, and shows them to other users',
    async ({ family, host, mode, flags }) => {
      const name = `${mode}-${family}.bin`;
      await succeeds(`ann:${PASSWORD}`, host(), ...flags, '--upload-file', '/pub/small.bin', name);
      expect(await onServer(`cmp ann/${name} ~/pub/small.bin && echo same`)).toBe('same\n');
      const lists = await succeeds(`all:${PASSWORD}`, host(), ...flags, '--list-only', 'ann/');
      expect(lists.split(/\r?\n/)).toContain(name);
      const out = ['--output', '/tmp/back'];
      await succeeds(`all:${PASSWORD}`, host(), ...flags, ...out, `ann/${name}`);
      await mustExec(scanner, ['cmp', '/tmp/back', '/pub/small.bin']);
    },
  );

  it('keeps each user to a folder and an access', async () => {
    const host = gateway.v4;
    const put = ['--upload-file', '/pub/small.bin'];
    await onServer('echo common >common; echo old >ann/old; rm -f ann/new');
    const fails = async (...args: Parameters<typeof curl>) => expect((await curl(...args)).code).not.toBe(0);
    const ann = `ann:${PASSWORD}`;
    await fails(ann, host, ...put, 'old');
    await fails(ann, host, 'old');
    await fails(ann, host, 'common');
    await fails(ann, host, '../common');
    await fails(ann, host, '--quote', 'DELE old', '');
    // ".." in an absolute path stays at the user's root.
    await fails(ann, host, '--path-as-is', '/%2e%2e/common');
    await fails(`all:${PASSWORD}`, host, ...put, 'new');
    await succeeds(ann, host, ...put, 'new');
    await succeeds(`boss:${PASSWORD}`, host, ...put, 'common');
    await succeeds(`boss:${PASSWORD}`, host, '--quote', 'DELE ann/old', 'ann/');
    expect(await onServer('cmp common ~/pub/small.bin; ls ann/old 2>&1 || true')).toMatch(/No such file/);
  });

  it('locks an address out after ten failed logins, that address only', { timeout: 120_000 }, async () => {
    // In parallel: each failed login takes a second or more.
    const wrong = Array.from({ length: 10 }, (_, i) => refusedLogin(`ann:wrong-${i}`, gateway.v4, 'x'));
    await Promise.all(wrong);
    await refusedLogin(`ann:${PASSWORD}`, gateway.v4, '');
    const log = () => sshferry.output;
    expect(log()).toMatch(/login of ann from \S+ failed: wrong user or password/);
    expect(log()).toMatch(/login of ann from \S+ failed: too many failed logins from this address/);
    expect(log()).not.toContain('wrong-');
    expect(log()).not.toContain(PASSWORD);
    // The other family is another address, and host A is another host.
    await succeeds(`all:${PASSWORD}`, `[${gateway.v6}]`, '');
    const url = `ftp://all:${PASSWORD}@${gateway.v4}:${PORT}/`;
    expect(await mustExec(lab().hosts.a.container, ['curl', '--silent', '--fail', url])).toContain('ann');
  });
});

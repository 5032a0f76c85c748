import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { curl, ftpUrl } from './support/clients.ts';
import { docker, lines, mustRun, run } from './support/docker.ts';
import { exec, mustExec } from './support/exec.ts';
import { makeFile } from './support/files.ts';
import { buildSshferry } from './support/images.ts';
import { hostKeys, KEY } from './support/keys.ts';
import { describeLab, lab } from './support/lab.ts';
import type { Program } from './support/program.ts';
import { startSshd } from './support/sshd.ts';
import { joining } from './support/topology.ts';

const PORT = 2240;
const SITE = { host: 'ferry', port: 8021 };
const FILE = 'sshferry.yaml';

describeLab('the image of sshferry itself', () => {
  let image: string;
  let folder: string;
  let container: string;
  let sshd: Program;
  const health = () => docker('inspect', '--format', '{{.State.Health.Status}}', container);
  const becomes = (status: string) => expect.poll(health, { timeout: 60_000, interval: 500 }).toBe(status);
  const config = (more = '') => {
    const options = '{ UserKnownHostsFile: /etc/sshferry/known_hosts, ServerAliveInterval: 1 }';
    const login = `user: ferry, identityFile: /etc/sshferry/key, options: ${options}`;
    const server = `{ host: yourserver.example.com, port: ${PORT}, ${login} }`;
    const forward = '{ listen: "*:8021", server: office, to: localhost:21 }';
    writeFileSync(
      join(folder, FILE),
      `servers:\n  office: ${server}\nforwards:\n  files: ${forward}\n${more}`,
    );
  };

  beforeAll(async () => {
    const { hosts, scratch } = lab();
    image = await buildSshferry(resolve(import.meta.dirname, '../..'));
    sshd = await startSshd(hosts.b, PORT, {});
    folder = join(scratch, 'image');
    mkdirSync(folder);
    chmodSync(folder, 0o755);
    config();
    const known = (await hostKeys(hosts.b.container)).map(
      (key) => `[yourserver.example.com]:${PORT} ${key}\n`,
    );
    writeFileSync(join(folder, 'known_hosts'), known.join(''));
    writeFileSync(join(folder, 'key'), await mustExec(hosts.a.container, ['cat', KEY]), { mode: 0o600 });
    const mount = ['--volume', `${folder}:/etc/sshferry`];
    await docker(
      'run',
      '--rm',
      '--user',
      '0',
      '--entrypoint',
      'chown',
      ...mount,
      image,
      '1000',
      '/etc/sshferry/key',
    );
    container = await docker(
      ...['run', '--detach', '--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'],
      ...['--health-interval', '1s', '--health-retries', '1', '--health-start-period', '0s'],
      ...joining(hosts, SITE.host),
      ...['--volume', `${folder}:/etc/sshferry:ro`, image],
    );
  });

  afterAll(async () => {
    await sshd?.stop();
    if (container !== undefined) await run(['docker', 'rm', '--force', container]);
  });

  it('becomes healthy when everything is connected, although read-only and unprivileged', async () => {
    await becomes('healthy').catch(async (error) => {
      const { stdout, stderr } = await run(['docker', 'logs', container]);
      throw new Error(`${stdout}${stderr}`, { cause: error });
    });
    expect(await mustExec(container, ['id', '-u'])).toBe('1000\n');
    expect(
      (await exec(container, ['touch', '/etc/sshferry/new', '/tmp/new', '/home/sshferry/new'])).code,
    ).toBe(1);
    expect(await mustExec(container, ['sh', '-c', 'ls -A /dev/shm; stat -c %a /dev/shm/*'])).toBe(
      'sshferry-1000\n700\n',
    );
  });

  it('carries files', async () => {
    const { sha256 } = makeFile(lab().pub, 'image.bin', 5_000_000);
    const { a } = lab().hosts;
    for (const mode of [['--ftp-pasv'], ['--disable-epsv'], ['--ftp-port', '-']]) {
      await curl(a.container, ...mode, '--output', '/tmp/image.bin', ftpUrl(SITE, 'pub/image.bin'));
      expect(await mustExec(a.container, ['sha256sum', '/tmp/image.bin'])).toContain(sha256);
    }
    const status = JSON.parse(await mustExec(container, ['sshferry', 'status', '--json']));
    expect(status.running).toMatchObject([{ pid: 1, totals: { transfersComplete: 3, transfersFailed: 0 } }]);
  });

  it('reloads its file', async () => {
    config('drainTimeout: 1\n');
    expect(await mustExec(container, ['sshferry', 'reload'])).toMatch(/^1: /);
    config('drainTime: 1\n');
    const wrong = await exec(container, ['sshferry', 'reload']);
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('did you mean drainTimeout?') });
    config();
  });

  it('is unhealthy while sshd is down, and healthy when it is up again', async () => {
    await sshd.stop();
    await exec(lab().hosts.b.container, ['pkill', '-u', 'ferry', 'sshd'], { user: 'root' });
    await becomes('unhealthy');
    const said = await docker(
      'inspect',
      '--format',
      '{{range .State.Health.Log}}{{.Output}}{{end}}',
      container,
    );
    expect(said).toMatch(/ferry@yourserver\.example\.com (backoff|connecting) for /);
    sshd = await startSshd(lab().hosts.b, PORT, {});
    await becomes('healthy');
  });

  it('stops when asked to', async () => {
    await docker('stop', container);
    expect(await docker('inspect', '--format', '{{.State.ExitCode}}', container)).toBe('0');
  });

  it('holds sshferry, a suitable Node.js, and no traces of the build machine', async () => {
    const sh = (script: string) =>
      mustRun(['docker', 'run', '--rm', '--entrypoint', 'sh', '--user', '0', image, '-c', script]);
    expect(lines(await sh('ls -A /usr/local/lib/node_modules /usr/local/lib/node_modules/sshferry'))).toEqual(
      [
        ...['/usr/local/lib/node_modules:', 'sshferry', '/usr/local/lib/node_modules/sshferry:'],
        ...['LICENSE', 'dist', 'node_modules', 'package.json', 'schema'],
      ],
    );
    const secrets =
      "-name .npmrc -o -name .git -o -name 'id_*' -o -name '*_key' -o -name '.env*' -o -name '*.tgz'";
    expect(await sh(`find /root /home /etc /tmp /usr/local /var -xdev \\( ${secrets} \\) -print`)).toBe('');
    expect(await sh('cd / && sshferry -F none -v x 2>&1; node -p "process.versions.node"')).toMatch(
      /ssh2 has its native addon[\s\S]*\n(2[2-9]|[3-9]\d)\./,
    );
  });

  it('also runs as any other user', async () => {
    const refused = await run([
      'docker',
      'run',
      '--rm',
      '--read-only',
      '--user',
      '4711:4711',
      image,
      'status',
      '--ready',
    ]);
    expect(refused).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'sshferry: no sshferry of yours is running\n',
    });
  });
});

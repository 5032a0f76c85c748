import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ROOT = path.join(import.meta.dirname, '../..');
const SHRINKWRAP = 'npm-shrinkwrap.json';
const run = promisify(execFile);

// One install, which compiles ssh2's addon where it can, for all of the suite.
describe('the package, installed outside the project', { timeout: 180_000 }, () => {
  let folder: string;
  let packed: string[];
  let said: { stdout: string; stderr: string };
  const installed = (...names: string[]) => path.join(folder, 'prefix/lib/node_modules/sshferry', ...names);
  /** Their names, `@scope/name` among them. */
  const installedPackages = async () => {
    const entries = (await readdir(installed('node_modules'))).filter((name) => !name.startsWith('.'));
    const names = entries.map(async (name) =>
      name.startsWith('@')
        ? (await readdir(installed('node_modules', name))).map((each) => `${name}/${each}`)
        : [name],
    );
    return (await Promise.all(names)).flat().sort();
  };
  const command = (...args: string[]) => run(path.join(folder, 'prefix/bin/sshferry'), args, { cwd: folder });

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'sshferry-package-'));
    const stage = path.join(folder, 'stage');
    const { files: listed } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8'));
    for (const name of ['package.json', 'package-lock.json', ...listed].filter((each) => each !== SHRINKWRAP))
      await cp(path.join(ROOT, name), path.join(stage, name), { recursive: true });
    await run(path.join(ROOT, 'node_modules/.bin/tsx'), [path.join(ROOT, 'scripts/shrinkwrap.ts')], {
      cwd: stage,
    });
    // Built already; in a folder of its own, since npm would take the shrinkwrap for the project's
    // lock.
    const { stdout } = await run(
      'npm',
      ['pack', '--ignore-scripts', '--json', '--pack-destination', folder],
      { cwd: stage },
    );
    const [{ filename, files }] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
    packed = files.map((file) => file.path);
    const prefix = path.join(folder, 'prefix');
    await mkdir(prefix);
    // As the README has it.
    const flags = ['--global', '--allow-scripts=ssh2,cpu-features', '--prefix', prefix];
    said = await run('npm', ['install', ...flags, `./${filename}`], { cwd: folder });
  }, 600_000);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('is installed without a warning about install scripts', () => {
    expect(said.stdout).toMatch(/added \d+ packages/);
    expect(said.stderr).not.toContain('install-scripts');
  });

  test('has all files that it needs and no leftovers of development', () => {
    const kinds =
      /^(dist\/.*\.(js|d\.ts)|dist\/sshferry\.1|[A-Z]+(\.md)?|(package|npm-shrinkwrap)\.json|schema\/.*\.json|docs\/[\w.-]+\.(md|svg|yaml|service|json)|examples\/\w+\.ts)$/;
    expect(packed.filter((name) => !kinds.test(name))).toEqual([]);
    expect(packed).toEqual(
      expect.arrayContaining([
        ...['dist/cli.js', 'dist/index.d.ts', 'dist/sshferry.1', 'README.md', 'LICENSE', SHRINKWRAP],
        ...['docs/guide.md', 'docs/sshferry.service', 'docs/bench.svg', 'examples/nntp.ts'],
      ]),
    );
  });

  test('the command runs, from any folder', async () => {
    const { version } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8'));
    expect((await command('--version')).stdout).toBe(`${version}\n`);
    expect((await command('--help')).stdout).toContain('-L <forward>');
    await expect(command('-F', 'none', 'nobody@localhost')).rejects.toMatchObject({ code: 2 });
  });

  test('the manual page is where man looks, and names the version', async () => {
    expect(await readFile(path.join(folder, 'prefix/share/man/man1/sshferry.1'), 'utf8')).toMatch(
      /^\.TH SSHFERRY 1 .* "sshferry \d/,
    );
  });

  test('installs only the packages that docs/security.md justifies, in the versions that were tested', async () => {
    const docs = await readFile(path.join(ROOT, 'docs/security.md'), 'utf8');
    const section = /^## Dependencies$[\s\S]*?(?=^## |(?![\s\S]))/m.exec(docs)?.[0] ?? '';
    const documented = [...section.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name);
    const names = await installedPackages();
    expect(names).toEqual(documented.sort());
    const lock = JSON.parse(await readFile(path.join(ROOT, 'package-lock.json'), 'utf8'));
    for (const name of names) {
      const { version } = JSON.parse(await readFile(installed('node_modules', name, 'package.json'), 'utf8'));
      expect([name, version]).toEqual([name, lock.packages[`node_modules/${name}`].version]);
    }
  });

  test('its shrinkwrap has no development package', async () => {
    const { packages } = JSON.parse(await readFile(installed(SHRINKWRAP), 'utf8'));
    const names = Object.keys(packages).filter((name) => name !== '');
    expect(names.map((name) => name.replace(/^.*node_modules\//, '')).sort()).toEqual(
      await installedPackages(),
    );
    expect(packages['']).not.toHaveProperty('devDependencies');
  });

  test('its types hold for a program that imports it', async () => {
    const program = path.join(folder, 'program');
    await mkdir(path.join(program, 'node_modules/@types'), { recursive: true });
    await cp(installed(), path.join(program, 'node_modules/sshferry'), { recursive: true });
    await cp(path.join(ROOT, 'node_modules/@types/node'), path.join(program, 'node_modules/@types/node'), {
      recursive: true,
    });
    await cp(path.join(ROOT, 'node_modules/undici-types'), path.join(program, 'node_modules/undici-types'), {
      recursive: true,
    });
    await writeFile(path.join(program, 'package.json'), '{ "type": "module" }');
    await writeFile(
      path.join(program, 'main.ts'),
      `import { createGateway, type Gateway, GatewayError } from 'sshferry';
const gateway: Gateway = await createGateway({ servers: { a: { host: 'a' } }, forwards: {} });
gateway.events.on('transfer.end', ({ bytes }) => { const n: number = bytes; console.log(n); });
// @ts-expect-error: an event that is not there
gateway.events.on('transfer.ended', () => {});
export const isOurs = (error: unknown) => error instanceof GatewayError && error.code === 'SSH_AUTH';
`,
    );
    const tsc = path.join(ROOT, 'node_modules/.bin/tsc');
    const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
    await run(tsc, [...options, 'main.ts'], { cwd: program }).catch((error) => {
      throw new Error(error.stdout);
    });
  });
});

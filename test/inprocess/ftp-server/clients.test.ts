import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Client } from 'basic-ftp';
import { describe, expect, it, type TestContext } from 'vitest';
import { serveFolder } from '../../support/file-server.ts';
import { tempFolder } from '../../support/temp-folder.ts';

// Real clients with the server's own I/O and a local folder. Each does what it can: a list, a download and an upload, both resumed.

const CONTENT = randomBytes(2_000_000);
const PART = CONTENT.subarray(0, 700_000);

/** Where a client works. */
interface Place {
  readonly host: string;
  readonly port: number;
  readonly active: boolean;
  /** Its own folder, the working directory of programs. */
  readonly local: string;
}

type Work = (place: Place) => Promise<unknown>;

/** What a client does; the file on the server is `f`, its own `up`, and what it fetches `down`. */
interface RealClient {
  /** The program that has to be installed; null if it is part of the tests. */
  readonly program: string | null;
  readonly active: boolean;
  readonly ipv6: boolean;
  /** Returns the names, in any form that has them. */
  readonly list: (place: Place) => Promise<string>;
  readonly get: Work;
  readonly put: Work;
  readonly resumeGet: Work | null;
  readonly resumePut: Work | null;
}

/** Runs a program in the client's folder and returns what it printed; its input is `input`. */
async function run({ local }: Place, argv: readonly string[], input = ''): Promise<string> {
  const [command = '', ...args] = argv;
  const child = spawn(command, args, { cwd: local, env: { ...process.env, HOME: local }, timeout: 50_000 });
  child.stdin.end(input);
  const output: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => output.push(chunk));
  const [code] = await once(child, 'close');
  const text = Buffer.concat(output).toString();
  if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}: ${text}`);
  return text;
}

function urlOf({ host, port }: Place, name = ''): string {
  return `ftp://ann:x@${host.includes(':') ? `[${host}]` : host}:${port}/${name}`;
}

const curl = (place: Place, ...args: string[]) =>
  run(place, ['curl', '-sS', '--noproxy', '*', ...(place.active ? ['-P', '-'] : []), ...args]);

const lftp = (place: Place, ...commands: string[]) => {
  const settings = [
    'set cmd:fail-exit yes',
    'set net:max-retries 1',
    'set net:timeout 20',
    'set xfer:clobber yes',
    `set ftp:passive-mode ${place.active ? 'no' : 'yes'}`,
  ];
  return run(place, ['lftp', '-c', [...settings, `open ${urlOf(place)}`, ...commands].join('; ')]);
};

const tnftp = (place: Place, ...commands: string[]) => {
  const script = [
    `open ${place.host} ${place.port}`,
    'user ann x',
    `passive ${place.active ? 'off' : 'on'}`,
    'binary',
    ...commands,
    'quit',
  ];
  return run(place, ['tnftp', '-n'], `${script.join('\n')}\n`);
};

const ncftp = (place: Place, name: string, ...args: string[]) =>
  run(place, [
    `ncftp${name}`,
    ...['-u', 'ann', '-p', 'x', '-P', `${place.port}`, place.active ? '-E' : '-F'],
    ...args,
  ]);

const python = (place: Place, ...lines: string[]) =>
  run(place, [
    'python3',
    '-c',
    [
      'import ftplib',
      'ftp = ftplib.FTP()',
      `ftp.connect('${place.host}', ${place.port}, timeout=20)`,
      "ftp.login('ann', 'x')",
      `ftp.set_pasv(${place.active ? 'False' : 'True'})`,
      ...lines,
      'ftp.quit()',
    ].join('\n'),
  ]);

const perl = (place: Place, ...lines: string[]) =>
  run(place, [
    'perl',
    '-MNet::FTP',
    '-e',
    [
      `my $ftp = Net::FTP->new('${place.host}', Port => ${place.port}, Passive => ${place.active ? 0 : 1}) or die $@;`,
      "$ftp->login('ann', 'x') or die; $ftp->binary;",
      ...lines.map((line) => `${line} or die $ftp->message;`),
      '$ftp->quit;',
    ].join('\n'),
  ]);

const wget = (place: Place, ...args: string[]) =>
  run(place, [
    'wget',
    '-nv',
    '--no-proxy',
    '-t',
    '1',
    ...(place.active ? ['--no-passive-ftp'] : []),
    ...args,
  ]);

async function basicFtp(
  { host, port, local }: Place,
  work: (client: Client, at: (name: string) => string) => Promise<unknown>,
) {
  const client = new Client(20_000);
  try {
    await client.access({ host, port, user: 'ann', password: 'x' });
    return await work(client, (name) => path.join(local, name));
  } finally {
    client.close();
  }
}

const CLIENTS: Readonly<Record<string, RealClient>> = {
  curl: {
    ...{ program: 'curl', active: true, ipv6: true },
    list: (place) => curl(place, '-l', urlOf(place)),
    get: (place) => curl(place, '-o', 'down', urlOf(place, 'f')),
    put: (place) => curl(place, '-T', 'up', urlOf(place, 'f')),
    resumeGet: (place) => curl(place, '-C', '-', '-o', 'down', urlOf(place, 'f')),
    resumePut: (place) => curl(place, '-C', '-', '-T', 'up', urlOf(place, 'f')),
  },
  lftp: {
    ...{ program: 'lftp', active: true, ipv6: true },
    list: (place) => lftp(place, 'cls -1'),
    get: (place) => lftp(place, 'get f -o down'),
    put: (place) => lftp(place, 'put up -o f'),
    resumeGet: (place) => lftp(place, 'get -c f -o down'),
    resumePut: (place) => lftp(place, 'put -c up -o f'),
  },
  tnftp: {
    ...{ program: 'tnftp', active: true, ipv6: true },
    list: (place) => tnftp(place, 'ls'),
    get: (place) => tnftp(place, 'get f down'),
    put: (place) => tnftp(place, 'put up f'),
    resumeGet: (place) => tnftp(place, 'reget f down'),
    resumePut: (place) => tnftp(place, `restart ${PART.length}`, 'put up f'),
  },
  ncftp: {
    ...{ program: 'ncftp', active: true, ipv6: false },
    list: (place) => ncftp(place, 'ls', '-1', `ftp://${place.host}/`),
    get: (place) => ncftp(place, 'get', '-C', place.host, 'f', 'down'),
    put: (place) => ncftp(place, 'put', '-C', place.host, 'up', 'f'),
    // It resumes under the name that the file has on the server only.
    resumeGet: null,
    resumePut: null,
  },
  ftplib: {
    ...{ program: 'python3', active: true, ipv6: true },
    list: (place) => python(place, 'print(ftp.nlst(), list(ftp.mlsd()))'),
    get: (place) => python(place, "ftp.retrbinary('RETR f', open('down', 'wb').write)"),
    put: (place) => python(place, "ftp.storbinary('STOR f', open('up', 'rb'))"),
    resumeGet: (place) =>
      python(place, `ftp.retrbinary('RETR f', open('down', 'ab').write, rest=${PART.length})`),
    resumePut: (place) =>
      python(
        place,
        "up = open('up', 'rb')",
        `up.seek(${PART.length})`,
        `ftp.storbinary('STOR f', up, rest=${PART.length})`,
      ),
  },
  'Net::FTP': {
    ...{ program: 'perl', active: true, ipv6: true },
    list: (place) => perl(place, 'print join("\\n", $ftp->ls, $ftp->dir, "")'),
    get: (place) => perl(place, "$ftp->get('f', 'down')"),
    put: (place) => perl(place, "$ftp->put('up', 'f')"),
    resumeGet: (place) => perl(place, `$ftp->get('f', 'down', ${PART.length})`),
    resumePut: null,
  },
  wget: {
    ...{ program: 'wget', active: true, ipv6: true },
    list: (place) => wget(place, '-O', '-', urlOf(place)),
    get: (place) => wget(place, '-O', 'down', urlOf(place, 'f')),
    put: async ({ local }) => local,
    resumeGet: (place) => wget(place, '-c', '-O', 'down', urlOf(place, 'f')),
    resumePut: null,
  },
  'basic-ftp': {
    ...{ program: null, active: false, ipv6: true },
    list: (place) =>
      basicFtp(place, async (client) =>
        (await client.list()).map(({ name }) => name).join(),
      ) as Promise<string>,
    get: (place) => basicFtp(place, (client, at) => client.downloadTo(at('down'), 'f')),
    put: (place) => basicFtp(place, (client, at) => client.uploadFrom(at('up'), 'f')),
    resumeGet: (place) => basicFtp(place, (client, at) => client.downloadTo(at('down'), 'f', PART.length)),
    resumePut: (place) =>
      basicFtp(place, (client, at) => client.appendFrom(at('up'), 'f', { localStart: PART.length })),
  },
};

function isInstalled(program: string | null): boolean {
  if (program === null) return true;
  const { error }: SpawnSyncReturns<Buffer> = spawnSync(program, ['--version'], { stdio: 'ignore' });
  return error === undefined;
}

for (const [name, client] of Object.entries(CLIENTS)) {
  const modes = [
    { host: '127.0.0.1', active: false },
    ...(client.active ? [{ host: '127.0.0.1', active: true }] : []),
    ...(client.ipv6 ? [{ host: '::1', active: false }] : []),
    ...(client.ipv6 && client.active ? [{ host: '::1', active: true }] : []),
  ];
  describe.skipIf(!isInstalled(client.program)).for(modes)(
    `${name}, %o`,
    { timeout: 60_000 },
    ({ host, active }) => {
      const setUp = async (test: TestContext) => {
        const server = await serveFolder(test, { host });
        const local = await tempFolder(test);
        const place: Place = { host, port: server.port, active, local };
        const there = path.join(server.root, 'f');
        const here = (file: string) => path.join(local, file);
        return { place, there, here };
      };

      it('lists', async (test) => {
        const { place, there } = await setUp(test);
        await writeFile(there, 'x');
        expect(await client.list(place)).toMatch(/\bf\b/);
      });
      it('downloads', async (test) => {
        const { place, there, here } = await setUp(test);
        await writeFile(there, CONTENT);
        await client.get(place);
        expect((await readFile(here('down'))).equals(CONTENT)).toBe(true);
      });
      it.skipIf(name === 'wget')('uploads', async (test) => {
        const { place, there, here } = await setUp(test);
        await writeFile(here('up'), CONTENT);
        await client.put(place);
        expect((await readFile(there)).equals(CONTENT)).toBe(true);
      });
      it.skipIf(client.resumeGet === null)('resumes a download', async (test) => {
        const { place, there, here } = await setUp(test);
        await writeFile(there, CONTENT);
        await writeFile(here('down'), PART);
        await client.resumeGet?.(place);
        expect((await readFile(here('down'))).equals(CONTENT)).toBe(true);
      });
      it.skipIf(client.resumePut === null)('resumes an upload', async (test) => {
        const { place, there, here } = await setUp(test);
        await writeFile(there, PART);
        await writeFile(here('up'), CONTENT);
        await client.resumePut?.(place);
        expect((await readFile(there)).equals(CONTENT)).toBe(true);
      });
    },
  );
}

describe.skipIf(!isInstalled('lftp'))('lftp', { timeout: 60_000 }, () => {
  it('mirrors both ways, with times, links, names of all kinds and many at once', async (test) => {
    const server = await serveFolder(test);
    const local = await tempFolder(test);
    const place: Place = { host: server.host, port: server.port, active: false, local };
    const names = ['a b', 'ü', '日本', '#x', '-n', "q'uote", '.hidden', 'x[1]*'];
    await mkdir(path.join(local, 'from/sub dir'), { recursive: true });
    for (const name of names) await writeFile(path.join(local, 'from/sub dir', name), name);
    const time = new Date('2020-02-03T04:05:06Z');
    await utimes(path.join(local, 'from/sub dir/ü'), time, time);
    await lftp(place, 'mirror -R --parallel=4 from there', 'mirror --parallel=4 there back');
    expect((await readdir(path.join(server.root, 'there/sub dir'))).sort()).toEqual([...names].sort());
    expect((await stat(path.join(server.root, 'there/sub dir/ü'))).mtime).toEqual(time);
    expect((await readdir(path.join(local, 'back/sub dir'))).sort()).toEqual([...names].sort());
    for (const name of names) {
      expect(await readFile(path.join(local, 'back/sub dir', name), 'utf8')).toBe(name);
    }
    await lftp(place, 'mv "there/sub dir/ü" "there/ß"', 'chmod 600 there/ß', 'rm -r "there/sub dir"');
    expect(await readdir(path.join(server.root, 'there'))).toEqual(['ß']);
    expect((await stat(path.join(server.root, 'there/ß'))).mode & 0o777).toBe(0o600);
  });
  it('uses a character set of its own', async (test) => {
    const server = await serveFolder(test, { charset: 'shift_jis' });
    const place: Place = {
      host: server.host,
      port: server.port,
      active: false,
      local: await tempFolder(test),
    };
    await writeFile(path.join(place.local, 'up'), 'x');
    await lftp(
      place,
      'set ftp:use-utf8 no',
      'set ftp:charset shift_jis',
      'put up -o 表示',
      'mkdir ソ',
      'cd ソ',
      'put up',
    );
    expect((await readdir(server.root, { recursive: true })).sort()).toEqual(['ソ', 'ソ/up', '表示']);
    const list = await lftp(place, 'set ftp:use-utf8 no', 'set ftp:charset shift_jis', 'cls -1');
    expect(list).toContain('表示');
    // With UTF-8, which it asks for by OPTS.
    expect(await lftp(place, 'cls -1')).toContain('表示');
  });
});

describe.skipIf(!isInstalled('python3'))('ftplib', { timeout: 60_000 }, () => {
  it('aborts with urgent data, and goes on', async (test) => {
    const server = await serveFolder(test);
    const place: Place = {
      host: server.host,
      port: server.port,
      active: false,
      local: await tempFolder(test),
    };
    await writeFile(path.join(server.root, 'f'), Buffer.alloc(50_000_000));
    const said = await python(
      place,
      "ftp.voidcmd('TYPE I')",
      "data = ftp.transfercmd('RETR f')",
      'data.recv(1000)',
      // Its own expectation of the reply differs: some servers send one, RFC 959 says two.
      'print(ftp.abort())',
      'data.close()',
      'print(ftp.getresp())',
      'print(ftp.pwd())',
    );
    expect(said).toMatch(/^426 Transfer aborted\n226 .*\n\/\n$/);
  });
  it('reads and writes text', async (test) => {
    const server = await serveFolder(test);
    const place: Place = {
      host: server.host,
      port: server.port,
      active: false,
      local: await tempFolder(test),
    };
    await writeFile(path.join(server.root, 'f'), 'one\ntwo\n');
    await writeFile(path.join(place.local, 'up'), 'three\nfour\n');
    const said = await python(
      place,
      "ftp.retrlines('RETR f')",
      "ftp.storlines('STOR g', open('up', 'rb'))",
      "print(ftp.sendcmd('MLST g'))",
    );
    expect(said).toContain('one\ntwo\n');
    expect(said).toContain('size=11;');
    expect(await readFile(path.join(server.root, 'g'), 'utf8')).toBe('three\nfour\n');
  });
});

describe.skipIf(!isInstalled('ncftp'))('ncftp', { timeout: 60_000 }, () => {
  it('mirrors both ways, and resumes a download', async (test) => {
    const server = await serveFolder(test);
    const local = await tempFolder(test);
    const place: Place = { host: server.host, port: server.port, active: false, local };
    await mkdir(path.join(local, 'tree/sub'), { recursive: true });
    await writeFile(path.join(local, 'tree/sub/f'), CONTENT);
    await ncftp(place, 'put', '-R', place.host, '/', 'tree');
    await mkdir(path.join(local, 'back'));
    await ncftp(place, 'get', '-R', place.host, 'back', '/tree');
    expect((await readFile(path.join(local, 'back/tree/sub/f'))).equals(CONTENT)).toBe(true);
    await writeFile(path.join(local, 'f'), PART);
    await ncftp(place, 'get', '-z', place.host, '.', '/tree/sub/f');
    expect((await readFile(path.join(local, 'f'))).equals(CONTENT)).toBe(true);
  });
});

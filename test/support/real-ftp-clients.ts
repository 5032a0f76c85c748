import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { Client } from 'basic-ftp';

/** How many bytes of a file are there already when a client resumes it. */
export const PART = 700_000;

/** Where a client works. */
export interface Place {
  readonly host: string;
  readonly port: number;
  readonly active: boolean;
  /** Its own folder, the working directory of programs. */
  readonly local: string;
}

export type Work = (place: Place) => Promise<unknown>;

/** What a client does; the file on the server is `f`, its own `up`, and what it fetches `down`. */
export interface RealClient {
  /** The program that has to be installed; null if it is part of the tests. */
  readonly program: string | null;
  readonly active: boolean;
  readonly ipv6: boolean;
  /** Returns the names, in any form that has them. */
  readonly list: (place: Place) => Promise<string>;
  readonly get: Work;
  readonly put: Work | null;
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

export const lftp = (place: Place, ...commands: string[]) => {
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

export const ncftp = (place: Place, name: string, ...args: string[]) =>
  run(place, [
    `ncftp${name}`,
    ...['-u', 'ann', '-p', 'x', '-P', `${place.port}`, place.active ? '-E' : '-F'],
    ...args,
  ]);

export const python = (place: Place, ...lines: string[]) =>
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

export const CLIENTS: Readonly<Record<string, RealClient>> = {
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
    resumePut: (place) => tnftp(place, `restart ${PART}`, 'put up f'),
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
    resumeGet: (place) => python(place, `ftp.retrbinary('RETR f', open('down', 'ab').write, rest=${PART})`),
    resumePut: (place) =>
      python(
        place,
        "up = open('up', 'rb')",
        `up.seek(${PART})`,
        `ftp.storbinary('STOR f', up, rest=${PART})`,
      ),
  },
  'Net::FTP': {
    ...{ program: 'perl', active: true, ipv6: true },
    list: (place) => perl(place, 'print join("\\n", $ftp->ls, $ftp->dir, "")'),
    get: (place) => perl(place, "$ftp->get('f', 'down')"),
    put: (place) => perl(place, "$ftp->put('up', 'f')"),
    resumeGet: (place) => perl(place, `$ftp->get('f', 'down', ${PART})`),
    resumePut: null,
  },
  wget: {
    ...{ program: 'wget', active: true, ipv6: true },
    list: (place) => wget(place, '-O', '-', urlOf(place)),
    get: (place) => wget(place, '-O', 'down', urlOf(place, 'f')),
    put: null,
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
    resumeGet: (place) => basicFtp(place, (client, at) => client.downloadTo(at('down'), 'f', PART)),
    resumePut: (place) =>
      basicFtp(place, (client, at) => client.appendFrom(at('up'), 'f', { localStart: PART })),
  },
};

/** Whether a program that a client needs is there; null stands for none. */
export function isInstalled(program: string | null): boolean {
  if (program === null) return true;
  const args = program === 'perl' ? ['-MNet::FTP', '-e', '1'] : ['--version'];
  const { error, status } = spawnSync(program, args, { stdio: 'ignore' });
  // tnftp and ncftp know no --version.
  return error === undefined && (program !== 'perl' || status === 0);
}

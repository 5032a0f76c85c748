import {
  baseName,
  FAMILIES,
  interruptAtTerminal,
  interruptOnceIn,
  type MatrixClient,
  MODES,
  PASSWORD,
  type Place,
  packageVersion,
  runClient,
  USER,
  urlOf,
} from './matrix-client.ts';

/** `ftp://ferry:password@host:port/path`, as many programs take a login. */
function loginUrl(place: Place, path: string): string {
  return urlOf(place, path).replace('ftp://', `ftp://${USER}:${PASSWORD}@`);
}

/** Runs a program in a folder of host A. */
async function runIn(place: Place, folder: string, argv: readonly string[], stdin?: string): Promise<string> {
  return runClient(place, ['sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', folder, ...argv], stdin);
}

/** A path for the programs whose paths begin at the server's root. */
function fromRoot({ home }: Place, path: string): string {
  return `${home}/${path}`;
}

const names = (text: string) => text.split(/\r?\n/).filter(Boolean).map(baseName);

/** The programs with BSD's `ftp>` prompt, beside tnftp. */
function bsdClient(name: string, packageName: string, flags: (place: Place) => string[]): MatrixClient {
  const opening = ({ host, port }: Place) => [
    `open ${host} ${port}`,
    ...[`user ${USER} ${PASSWORD}`, 'binary'],
  ];
  const ftp = async (place: Place, ...commands: string[]) =>
    runClient(place, flags(place), [...opening(place), ...commands, 'bye', ''].join('\n'));
  const from = (place: Place, folder: string, ...commands: string[]) => {
    const script = [...opening(place), ...commands, 'bye', ''].join('\n');
    return runIn(place, folder, flags(place), script);
  };
  return {
    name,
    modes: MODES,
    families: FAMILIES,
    version: (container) => packageVersion(container, packageName),
    list: async (place, folder) => {
      const file = `/tmp/matrix/list-${name.replace(' ', '-')}-${place.port}-${place.mode}-${place.host}`;
      await ftp(place, `nlist ${folder} ${file}`);
      return names(await runClient(place, ['cat', file]));
    },
    get: async (place, path, into) => {
      await ftp(place, `get ${path} ${into}/${baseName(path)}`);
    },
    put: async (place, local, into) => {
      await ftp(place, `put ${local} ${into}/${baseName(local)}`);
    },
    getMany: async (place, folder, into) => {
      await from(place, into, `cd ${folder}`, 'mget *.bin');
    },
    putMany: async (place, local, into) => {
      await from(place, local, `cd ${into}`, 'mput *.bin');
    },
    resumeGet: async (place, path, into) => {
      await ftp(place, `reget ${path} ${into}/${baseName(path)}`);
    },
    resumePut: async (place, local, into, offset) => {
      await ftp(place, `restart ${offset}`, `put ${local} ${into}/${baseName(local)}`);
    },
    abort: async (place, big, path, into) => {
      const file = `${into}/${baseName(big)}`;
      const commands = {
        prompt: 'ftp> $',
        big: [...opening(place), `get ${big} ${file}`].join('\r'),
        next: `get ${path} ${into}/${baseName(path)}`,
      };
      await interruptAtTerminal(place, file, commands, flags(place));
    },
  };
}

const inetutils = bsdClient('inetutils ftp', 'inetutils-ftp', ({ mode }) => [
  ...['inetutils-ftp', '-n', '-i', '-v'],
  mode === 'passive' ? '-p' : '-A',
]);
const netkit = bsdClient('netkit ftp', 'ftp-ssl', ({ mode }) => [
  ...['ftp-ssl', '-z', 'nossl', '-n', '-i', '-v'],
  ...(mode === 'passive' ? ['-p'] : []),
]);

function rcloneArgv({ host, port }: Place, ...args: string[]): string[] {
  const script =
    'export RCLONE_FTP_PASS=$(rclone obscure "$1") RCLONE_CONFIG=/dev/null && shift && exec rclone "$@"';
  const login = [
    '--ftp-host',
    host.includes(':') ? `[${host}]` : host,
    '--ftp-port',
    String(port),
    '--ftp-user',
    USER,
  ];
  const once = ['--retries', '1', '--low-level-retries', '1', '--timeout', '30s', '--contimeout', '20s'];
  return ['sh', '-c', script, 'sh', PASSWORD, ...args, ...login, ...once];
}

const rclone: MatrixClient = {
  name: 'rclone',
  modes: ['passive'],
  families: FAMILIES,
  version: (container) => packageVersion(container, 'rclone'),
  list: async (place, folder) =>
    names((await runClient(place, rcloneArgv(place, 'lsf', `:ftp:${folder}`))).replaceAll('/', '')),
  get: async (place, path, into) => {
    await runClient(place, rcloneArgv(place, 'copy', `:ftp:${path}`, into));
  },
  put: async (place, local, into) => {
    await runClient(place, rcloneArgv(place, 'copy', local, `:ftp:${into}`));
  },
  getMany: async (place, folder, into) => {
    await runClient(place, rcloneArgv(place, 'copy', `:ftp:${folder}`, into));
  },
  putMany: async (place, local, into) => {
    await runClient(place, rcloneArgv(place, 'copy', local, `:ftp:${into}`));
  },
  abort: async (place, big, path, into) => {
    const argv = rcloneArgv(place, 'copy', '--multi-thread-streams', '0', `:ftp:${big}`, into);
    await interruptOnceIn(place, `${into}/${baseName(big)}`, argv);
    await runClient(place, rcloneArgv(place, 'copy', `:ftp:${path}`, into));
  },
};

async function wputFrom(place: Place, folder: string, files: string, into: string): Promise<void> {
  const flags = ['-t', '1', '-T', '300', '--disable-tls', ...(place.mode === 'active' ? ['-p'] : [])];
  const script = `exec wput "$@" ${files} "$URL"`;
  const argv = ['env', `URL=${loginUrl(place, `${into}/`)}`, 'sh', '-c', script, 'sh', ...flags];
  await runIn(place, folder, argv);
}

const wput: MatrixClient = {
  name: 'wput',
  modes: MODES,
  families: [4],
  version: (container) => packageVersion(container, 'wput'),
  put: (place, local, into) => wputFrom(place, '/pub/matrix', baseName(local), into),
  putMany: (place, local, into) => wputFrom(place, local, '*', into),
  resumePut: (place, local, into) => wputFrom(place, '/pub/matrix', baseName(local), into),
};

async function ftpUpload(place: Place, into: string, script: string): Promise<void> {
  const mode = place.mode === 'passive' ? '--passive' : '--no-passive';
  const login = ['--host', `${place.host}:${place.port}`, '--user', USER, '--password', PASSWORD];
  const argv = ['ftp-upload', ...login, mode, '--dir', into];
  await runClient(place, ['sh', '-c', script, 'sh', ...argv]);
}

const ftpUploadClient: MatrixClient = {
  name: 'ftp-upload',
  modes: MODES,
  families: [4],
  version: (container) => packageVersion(container, 'ftp-upload'),
  put: (place, local, into) => ftpUpload(place, into, `exec "$@" ${local}`),
  putMany: (place, local, into) => ftpUpload(place, into, `exec "$@" ${local}/*`),
};

async function yafc(place: Place, ...commands: string[]): Promise<string> {
  // Its settings and its cache are below HOME.
  const passive = place.mode === 'passive' ? 'yes' : 'no';
  const script =
    'export HOME=$(mktemp -d) && mkdir "$HOME/.yafc" && printf "%s\\n" "$1" >"$HOME/.yafc/yafcrc" && shift && exec "$@"';
  const settings = `set passive_mode ${passive}\ncommand_timeout 20\nload_taglist 0\n`;
  const argv = ['yafc', '-q', loginUrl(place, '').replace(/\/$/, '')];
  return runClient(
    place,
    ['sh', '-c', script, 'sh', settings, ...argv],
    [...commands, 'quit', ''].join('\n'),
  );
}

const yafcClient: MatrixClient = {
  name: 'yafc',
  modes: MODES,
  families: [4],
  version: (container) => packageVersion(container, 'yafc'),
  get: async (place, path, into) => {
    await yafc(place, `get -f -o ${into}/${baseName(path)} ${path}`);
  },
  put: async (place, local, into) => {
    await yafc(place, `put -f -o ${into}/${baseName(local)} ${local}`);
  },
  getMany: async (place, folder, into) => {
    await yafc(place, `cd ${folder}`, `lcd ${into}`, 'get -f *');
  },
  putMany: async (place, local, into) => {
    await yafc(place, `cd ${into}`, `lcd ${local}`, 'put -f *');
  },
  resumeGet: async (place, path, into) => {
    await yafc(place, `get -R -o ${into}/${baseName(path)} ${path}`);
  },
  resumePut: async (place, local, into) => {
    await yafc(place, `put -R -o ${into}/${baseName(local)} ${local}`);
  },
};

async function gftp(place: Place, ...commands: string[]): Promise<string> {
  const script = 'export HOME=$(mktemp -d) && exec "$@"';
  const settings = `set passive_transfer=${place.mode === 'passive' ? 1 : 0}`;
  const login = ['set retries=1', 'set network_timeout=20', `open ${loginUrl(place, place.home.slice(1))}`];
  const all = [settings, ...login, ...commands, 'quit', ''].join('\n');
  return runClient(place, ['sh', '-c', script, 'sh', 'gftp-text'], all);
}

const gftpClient: MatrixClient = {
  name: 'gftp-text',
  modes: MODES,
  families: [4],
  version: (container) => packageVersion(container, 'gftp-text'),
  get: async (place, path, into) => {
    await gftp(place, `cd ${path.replace(/\/[^/]*$/, '')}`, `lcd ${into}`, `get ${baseName(path)}`);
  },
  put: async (place, local, into) => {
    await gftp(place, `cd ${into}`, `lcd ${local.replace(/\/[^/]*$/, '')}`, `put ${baseName(local)}`);
  },
  getMany: async (place, folder, into) => {
    await gftp(place, `cd ${folder}`, `lcd ${into}`, 'mget *');
  },
  putMany: async (place, local, into) => {
    await gftp(place, `cd ${into}`, `lcd ${local}`, 'mput *');
  },
};

async function kermit(place: Place, ...commands: string[]): Promise<string> {
  const mode = `set ftp passive-mode ${place.mode === 'passive' ? 'on' : 'off'}`;
  // A user-level autologin would ask, and its own TLS would be tried first.
  const quiet = ['set quiet on', 'set ftp autologin off', 'set ftp autoauthentication off', mode];
  const open = `ftp open ${place.host} ${place.port} /user:${USER} /password:${PASSWORD}`;
  const must = ['ftp type binary', ...commands].flatMap((command) => [command, 'if fail exit 1']);
  const script = [...quiet, open, 'if fail exit 1', ...must, 'ftp bye', 'exit 0', ''].join('\n');
  return withFile(place, script, 'kermit rc');
}

const kermitClient: MatrixClient = {
  name: 'C-Kermit',
  modes: MODES,
  families: [4],
  version: (container) => packageVersion(container, 'ckermit'),
  get: async (place, path, into) => {
    await kermit(place, `lcd ${into}`, `ftp get ${path} ${baseName(path)}`);
  },
  put: async (place, local, into) => {
    await kermit(place, `ftp put ${local} ${into}/${baseName(local)}`);
  },
  getMany: async (place, folder, into) => {
    await kermit(place, `ftp cd ${folder}`, `lcd ${into}`, 'ftp mget *');
  },
  putMany: async (place, local, into) => {
    await kermit(place, `ftp cd ${into}`, `lcd ${local}`, 'ftp mput *');
  },
  resumeGet: async (place, path, into) => {
    await kermit(place, `lcd ${into}`, `ftp reget ${path} ${baseName(path)}`);
  },
};

function aria2(place: Place, ...args: string[]): string[] {
  const login = ['--ftp-user', USER, '--ftp-passwd', PASSWORD, `--ftp-pasv=${place.mode === 'passive'}`];
  const once = ['--max-tries=1', '--timeout=20', '--no-conf', '--file-allocation=none', '--quiet'];
  return ['aria2c', ...login, ...once, ...args];
}

const aria2Client: MatrixClient = {
  name: 'aria2',
  modes: MODES,
  families: [4],
  version: (container) => packageVersion(container, 'aria2'),
  get: async (place, path, into) => {
    await runClient(place, aria2(place, '--dir', into, urlOf(place, path)));
  },
  getMany: async (place, folder, into) => {
    const all = `for i in $(ls /${folder}); do echo "${urlOf(place, folder)}/$i"; done`;
    const argv = ['sh', '-c', `${all} | "$@"`, 'sh', ...aria2(place, '--dir', into, '--input-file=-')];
    await runClient(place, argv);
  },
  resumeGet: async (place, path, into) => {
    await runClient(place, aria2(place, '--continue=true', '--dir', into, urlOf(place, path)));
  },
  abort: async (place, big, path, into) => {
    const argv = aria2(place, '--split=1', '--dir', into, urlOf(place, big));
    await interruptOnceIn(place, `${into}/${baseName(big)}`, argv);
    await runClient(place, ['rm', '-f', `${into}/${baseName(big)}.aria2`]);
    await runClient(place, aria2(place, '--dir', into, urlOf(place, path)));
  },
};

/** A program that gets one file each time it is run. */
function getter(
  name: string,
  argv: (place: Place, path: string, file: string) => string[],
  more: Partial<MatrixClient> = {},
): MatrixClient {
  const get = async (place: Place, path: string, into: string) => {
    await runClient(place, argv(place, path, `${into}/${baseName(path)}`));
  };
  return {
    name,
    modes: ['passive'],
    families: [4],
    version: (container) => packageVersion(container, name),
    get,
    abort: async (place, big, path, into) => {
      const file = `${into}/${baseName(big)}`;
      await interruptOnceIn(place, file, argv(place, big, file));
      await get(place, path, into);
    },
    ...more,
  };
}

const toFile = (file: string, argv: readonly string[]) => [
  ...['sh', '-c', 'out=$1; shift; exec "$@" >"$out"', 'sh', file],
  ...argv,
];

const busyboxLogin = ({ host, port }: Place) => ['-u', USER, '-p', PASSWORD, '-P', String(port), host];

const GETTERS: readonly MatrixClient[] = [
  getter('axel', (place, path, file) => [
    ...['axel', '-q', '-n', '4', '-T', '20', '-o', file],
    loginUrl(place, fromRoot(place, path).slice(1)),
  ]),
  getter(
    'snarf',
    (place, path, file) => [
      ...['snarf', '-q', ...(place.mode === 'active' ? ['-a'] : [])],
      ...[loginUrl(place, fromRoot(place, path).slice(1)), file],
    ],
    {
      modes: MODES,
      resumeGet: async (place, path, into) => {
        const flags = ['-q', '-r', ...(place.mode === 'active' ? ['-a'] : [])];
        await runClient(place, [
          'snarf',
          ...flags,
          loginUrl(place, fromRoot(place, path).slice(1)),
          `${into}/${baseName(path)}`,
        ]);
      },
    },
  ),
  getter('lynx', (place, path, file) =>
    toFile(file, ['lynx', '-source', loginUrl(place, fromRoot(place, path).slice(1))]),
  ),
  getter('w3m', (place, path, file) =>
    toFile(file, ['w3m', '-dump_source', loginUrl(place, fromRoot(place, path).slice(1))]),
  ),
  getter('busybox', (place, path, file) => ['busybox', 'ftpget', ...busyboxLogin(place), file, path], {
    resumeGet: async (place, path, into) => {
      const file = `${into}/${baseName(path)}`;
      await runClient(place, ['busybox', 'ftpget', '-c', ...busyboxLogin(place), file, path]);
    },
    put: async (place, local, into) => {
      const path = `${into}/${baseName(local)}`;
      await runClient(place, ['busybox', 'ftpput', ...busyboxLogin(place), path, local]);
    },
    putMany: async (place, local, into) => {
      const script = 'to=$1; shift; for f in *; do "$@" "$to/$f" "$f" || exit; done';
      const argv = ['busybox', 'ftpput', ...busyboxLogin(place)];
      await runIn(place, local, ['sh', '-c', script, 'sh', into, ...argv]);
    },
  }),
];

const ftpcopyFlags = ['--user', USER, '--pass', PASSWORD, '-4', '--tries=1', '--timeout=20'];
const atPort = ({ host, port }: Place) => `${host}:${port}`;

const ftpcopy: MatrixClient = {
  name: 'ftpcopy',
  modes: ['passive'],
  families: [4],
  version: (container) => packageVersion(container, 'ftpcopy'),
  list: async (place, folder) => {
    const argv = ['ftpls', ...ftpcopyFlags, '--machine', atPort(place), fromRoot(place, folder)];
    // A line for each fact; that of the name begins with N.
    return [...(await runClient(place, argv)).matchAll(/^N(.*)$/gm)].map(([, name = '']) => name);
  },
  getMany: async (place, folder, into) => {
    await runClient(place, ['ftpcopy', ...ftpcopyFlags, atPort(place), fromRoot(place, folder), into]);
  },
};

/**
 * Writes a file from stdin into a new folder, and runs a program with its path as the last
 * argument.
 */
async function withFile(place: Place, text: string, script: string): Promise<string> {
  const before = 'umask 077 && export HOME=$(mktemp -d) && cd "$HOME" && cat >rc';
  return runClient(place, ['sh', '-c', `${before} && ${script}`], text);
}

const sitecopy: MatrixClient = {
  name: 'sitecopy',
  modes: MODES,
  families: [4],
  version: (container) => packageVersion(container, 'sitecopy'),
  getMany: (place, folder, into) => sitecopyRun(place, into, folder, '--fetch', '--synchronize'),
  putMany: (place, local, into) => sitecopyRun(place, local, into, '--initialize', '--update'),
};

async function sitecopyRun(place: Place, local: string, remote: string, ...steps: string[]): Promise<void> {
  const rc = [
    'site s',
    ...[`server ${place.host}`, `port ${place.port}`, `username ${USER}`, `password ${PASSWORD}`],
    ...[`local ${local}/`, `remote ${fromRoot(place, remote)}/`, 'protocol ftp', 'permissions ignore'],
    place.mode === 'passive' ? '' : 'ftp nopasv',
  ];
  const each = steps.map((step) => `sitecopy -r rc -p store -q ${step} s`);
  await withFile(place, `${rc.join('\n  ')}\n`, ['mkdir -m 700 store', ...each].join(' && '));
}

const weex: MatrixClient = {
  name: 'weex',
  modes: MODES,
  families: [4],
  version: (container) => packageVersion(container, 'weex'),
  putMany: async (place, local, into) => {
    const rc = [
      '[s]',
      `HostName '${place.host}:${place.port}'`,
      `LoginName '${USER}'`,
      `Password '${PASSWORD}'`,
      `SrcDir '${local}'`,
      `DestDir '${fromRoot(place, into)}'`,
      `FtpPassive '${place.mode === 'passive'}'`,
      '',
    ];
    await withFile(place, rc.join('\n'), 'mkdir -m 700 .weex && mv rc .weex/weexrc && weex s');
  },
};

/** The programs, by name. */
export const COMMANDS: readonly MatrixClient[] = [
  inetutils,
  netkit,
  rclone,
  wput,
  ftpUploadClient,
  yafcClient,
  gftpClient,
  kermitClient,
  aria2Client,
  ...GETTERS,
  ftpcopy,
  sitecopy,
  weex,
];

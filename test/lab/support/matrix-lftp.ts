import {
  baseName,
  FAMILIES,
  interruptAtTerminal,
  type MatrixClient,
  MODES,
  PASSWORD,
  type Place,
  packageVersion,
  runClient,
  USER,
  urlOf,
} from './matrix-client.ts';

function settings({ mode, charset }: Place): string[] {
  const passive = `set ftp:passive-mode ${mode === 'passive' ? 'yes' : 'no'}`;
  const names = charset === undefined ? [] : ['set ftp:use-utf8 no', `set ftp:charset ${charset}`];
  return [...names, 'set net:max-retries 1', 'set net:timeout 20', 'set xfer:clobber yes', passive];
}

function argv(place: Place): string[] {
  return ['lftp', '-u', `${USER},${PASSWORD}`, urlOf(place, '')];
}

async function lftp(place: Place, ...commands: string[]): Promise<string> {
  const script = ['set cmd:fail-exit yes', ...settings(place), ...commands, 'bye', ''].join('\n');
  // It converts names by itself.
  const { charset: _, ...utf8 } = place;
  return runClient(utf8, argv(place), script);
}

async function get(place: Place, path: string, into: string): Promise<void> {
  await lftp(place, `get -O ${into} ${path}`);
}

export const lftpClient: MatrixClient = {
  name: 'lftp',
  modes: MODES,
  families: FAMILIES,
  version: (container) => packageVersion(container, 'lftp'),
  list: async (place, folder) =>
    (await lftp(place, `cd ${folder}`, 'cls -1 --classify'))
      .split('\n')
      .map((name) => name.replace(/\/$/, ''))
      .filter(Boolean),
  get,
  put: async (place, local, into) => {
    await lftp(place, `put -O ${into} ${local}`);
  },
  resumeGet: async (place, path, into) => {
    await lftp(place, `get -c -O ${into} ${path}`);
  },
  resumePut: async (place, local, into) => {
    await lftp(place, `put -c -O ${into} ${local}`);
  },
  mirrorGet: async (place, folder, into) => {
    await lftp(place, `mirror --no-perms --parallel=2 ${folder} ${into}/`);
  },
  mirrorPut: async (place, local, into) => {
    await lftp(place, `mirror --reverse --no-perms --parallel=2 ${local} ${into}/`);
  },
  abort: async (place, big, path, into) => {
    const commands = {
      prompt: 'lftp [^\n]*> $',
      big: `get -O ${into} ${big}`,
      next: `get -O ${into} ${path}`,
    };
    const script = [...settings(place), ''].join('; ');
    const [program = '', ...args] = argv(place);
    const file = `${into}/${baseName(big)}`;
    await interruptAtTerminal(place, file, commands, [program, '-e', script, ...args]);
  },
};

import {
  baseName,
  FAMILIES,
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

function argv({ mode }: Place, ...args: string[]): string[] {
  const active = mode === 'active' ? ['--no-passive-ftp'] : [];
  const base = ['wget', '--no-verbose', '--tries=1', '--timeout=30', '--user', USER, '--password', PASSWORD];
  return [...base, ...active, ...args];
}

async function wget(place: Place, ...args: string[]): Promise<string> {
  // It keeps a listing in `.listing` in its working folder, where several of them would share one.
  return runClient(place, ['sh', '-c', 'cd "$(mktemp -d)" && exec "$@"', 'sh', ...argv(place, ...args)]);
}

async function get(place: Place, path: string, into: string): Promise<void> {
  await wget(place, '--directory-prefix', into, urlOf(place, path));
}

export const wgetClient: MatrixClient = {
  name: 'wget',
  modes: MODES,
  families: FAMILIES,
  version: (container) => packageVersion(container, 'wget'),
  // It shows a folder as a page of links.
  list: async (place, folder) => {
    const page = await wget(place, '--output-document', '-', urlOf(place, `${folder}/`));
    return [...page.matchAll(/<a href="[^"]*">([^<]*?)\/?<\/a>/g)].map(([, name = '']) => name);
  },
  get,
  resumeGet: async (place, path, into) => {
    await wget(place, '--continue', '--directory-prefix', into, urlOf(place, path));
  },
  mirrorGet: async (place, folder, into) => {
    const above = folder.split('/').length - 1;
    const flags = ['--mirror', '--no-parent', '--no-host-directories', `--cut-dirs=${above}`];
    await wget(place, ...flags, '--directory-prefix', into, urlOf(place, `${folder}/`));
    // What it has been told of the folders, which it keeps when it mirrors.
    await runClient(place, ['find', into, '-name', '.listing', '-delete']);
  },
  abort: async (place, big, path, into) => {
    const args = ['--directory-prefix', into, urlOf(place, big)];
    await interruptOnceIn(place, `${into}/${baseName(big)}`, argv(place, ...args));
    await get(place, path, into);
  },
};

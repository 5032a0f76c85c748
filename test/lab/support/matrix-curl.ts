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
  const active = mode === 'active' ? ['--ftp-port', '-'] : [];
  // Shift_JIS has braces in its second bytes.
  const base = ['curl', '--silent', '--show-error', '--fail', '--globoff', '--max-time', '50'];
  return [...base, '--user', `${USER}:${PASSWORD}`, ...active, ...args];
}

async function curl(place: Place, ...args: string[]): Promise<string> {
  return runClient(place, argv(place, ...args));
}

const output = (into: string, path: string) => ['--output', `${into}/${baseName(path)}`];

async function get(place: Place, path: string, into: string): Promise<void> {
  await curl(place, ...output(into, path), urlOf(place, path));
}

export const curlClient: MatrixClient = {
  name: 'curl',
  modes: MODES,
  families: FAMILIES,
  version: (container) => packageVersion(container, 'curl'),
  list: async (place, folder) =>
    (await curl(place, '--list-only', urlOf(place, `${folder}/`))).split(/\r?\n/).filter(Boolean),
  get,
  put: async (place, local, into) => {
    // By itself it takes what is after the last backslash, as in a name in Shift_JIS.
    await curl(place, '--upload-file', local, urlOf(place, `${into}/${baseName(local)}`));
  },
  resumeGet: async (place, path, into) => {
    await curl(place, '--continue-at', '-', ...output(into, path), urlOf(place, path));
  },
  resumePut: async (place, local, into) => {
    await curl(place, '--continue-at', '-', '--upload-file', local, urlOf(place, `${into}/`));
  },
  abort: async (place, big, path, into) => {
    const args = [...output(into, big), urlOf(place, big)];
    await interruptOnceIn(place, `${into}/${baseName(big)}`, argv(place, ...args));
    await get(place, path, into);
  },
};

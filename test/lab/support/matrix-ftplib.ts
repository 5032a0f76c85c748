import {
  baseName,
  FAMILIES,
  type MatrixClient,
  MODES,
  PASSWORD,
  type Place,
  packageVersion,
  runClient,
  USER,
} from './matrix-client.ts';

/** One thing to do; `local` is a folder, or the file that is put. */
interface Job {
  readonly verb: 'list' | 'get' | 'put' | 'resumeGet' | 'resumePut' | 'abort';
  readonly remote: string;
  readonly local?: string;
  readonly offset?: number;
  readonly next?: string;
  readonly closeFirst?: boolean;
}

async function ftplib({ charset, ...place }: Place, job: Job): Promise<string> {
  const { host, port, mode } = place;
  const login = { host, port, user: USER, password: PASSWORD, passive: mode === 'passive' };
  // The encoding is a setting of the library; names on host A stay in UTF-8.
  const argument = JSON.stringify({ local: '', encoding: charset ?? 'utf-8', ...login, ...job });
  const argv = ['python3', '/app/test/lab/support/matrix-ftplib.py', argument];
  return runClient(place, argv);
}

export const ftplibClient: MatrixClient = {
  name: 'ftplib',
  modes: MODES,
  families: FAMILIES,
  version: async (container) => `of Python ${await packageVersion(container, 'python3')}`,
  list: async (place, folder) =>
    (await ftplib(place, { verb: 'list', remote: folder })).split('\n').filter(Boolean).map(baseName),
  get: async (place, path, into) => {
    await ftplib(place, { verb: 'get', remote: path, local: into });
  },
  put: async (place, local, into) => {
    await ftplib(place, { verb: 'put', remote: into, local });
  },
  resumeGet: async (place, path, into, offset) => {
    await ftplib(place, { verb: 'resumeGet', remote: path, local: into, offset });
  },
  resumePut: async (place, local, into, offset) => {
    await ftplib(place, { verb: 'resumePut', remote: into, local, offset });
  },
  abort: async (place, big, path, into) => {
    await ftplib(place, { verb: 'abort', remote: big, local: into, next: path, closeFirst: false });
  },
};

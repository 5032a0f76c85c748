import { createRequire } from 'node:module';
import { FAMILIES, type MatrixClient, PASSWORD, type Place, runClient, USER } from './matrix-client.ts';

/** One thing to do; `local` is a folder, or what is put. */
interface Job {
  readonly verb: 'list' | 'get' | 'put' | 'resumeGet' | 'resumePut' | 'mirrorGet' | 'mirrorPut' | 'abort';
  readonly remote: string;
  readonly local?: string;
  readonly offset?: number;
  readonly next?: string;
}

async function basicFtp(place: Place, job: Job): Promise<string> {
  const { host, port } = place;
  const argument = JSON.stringify({ host, port, user: USER, password: PASSWORD, ...job });
  return runClient(place, ['node', '/app/test/lab/support/matrix-basic-ftp.mjs', argument]);
}

export const basicFtpClient: MatrixClient = {
  name: 'basic-ftp',
  // It has no active mode.
  modes: ['passive'],
  families: FAMILIES,
  asksForUtf8: true,
  version: async () =>
    (createRequire(import.meta.url)('basic-ftp/package.json') as { version: string }).version,
  list: async (place, folder) =>
    (await basicFtp(place, { verb: 'list', remote: folder })).split('\n').filter(Boolean),
  get: async (place, path, into) => {
    await basicFtp(place, { verb: 'get', remote: path, local: into });
  },
  put: async (place, local, into) => {
    await basicFtp(place, { verb: 'put', remote: into, local });
  },
  resumeGet: async (place, path, into, offset) => {
    await basicFtp(place, { verb: 'resumeGet', remote: path, local: into, offset });
  },
  resumePut: async (place, local, into, offset) => {
    await basicFtp(place, { verb: 'resumePut', remote: into, local, offset });
  },
  mirrorGet: async (place, folder, into) => {
    await basicFtp(place, { verb: 'mirrorGet', remote: folder, local: into });
  },
  mirrorPut: async (place, local, into) => {
    await basicFtp(place, { verb: 'mirrorPut', remote: into, local });
  },
  abort: async (place, big, path, into) => {
    await basicFtp(place, { verb: 'abort', remote: big, local: into, next: path });
  },
};

import {
  baseName,
  interruptAtTerminal,
  type MatrixClient,
  MODES,
  PASSWORD,
  type Place,
  packageVersion,
  runClient,
  USER,
} from './matrix-client.ts';

function flags({ mode, port }: Place): string[] {
  return ['-u', USER, '-p', PASSWORD, '-P', String(port), mode === 'passive' ? '-F' : '-E'];
}

async function ncftpget(place: Place, path: string, into: string, ...more: string[]): Promise<void> {
  await runClient(place, ['ncftpget', '-V', '-t', '30', ...flags(place), ...more, place.host, into, path]);
}

async function ncftpput(place: Place, local: string, into: string, ...more: string[]): Promise<void> {
  await runClient(place, ['ncftpput', '-V', '-t', '30', ...flags(place), ...more, place.host, into, local]);
}

export const ncftpClient: MatrixClient = {
  name: 'ncftp',
  modes: MODES,
  // It knows no IPv6 addresses.
  families: [4],
  version: (container) => packageVersion(container, 'ncftp'),
  list: async (place, folder) => {
    const url = `ftp://${place.host}/${folder}/`;
    const names = await runClient(place, ['ncftpls', '-1', '-t', '30', ...flags(place), url]);
    return names.split('\n').filter(Boolean);
  },
  get: (place, path, into) => ncftpget(place, path, into),
  put: (place, local, into) => ncftpput(place, local, into),
  resumeGet: (place, path, into) => ncftpget(place, path, into, '-z'),
  resumePut: (place, local, into) => ncftpput(place, local, into, '-z'),
  mirrorGet: (place, folder, into) => ncftpget(place, folder, into, '-R', '-T'),
  mirrorPut: (place, local, into) => ncftpput(place, local, into, '-R'),
  abort: async (place, big, path, into) => {
    const file = `${into}/${baseName(big)}`;
    const commands = {
      prompt: 'ncftp [^\n]*> $',
      big: `lcd ${into}\rset passive ${place.mode === 'passive' ? 'on' : 'off'}\rget ${big}`,
      next: `get ${path}`,
    };
    const argv = ['ncftp', '-u', USER, '-p', PASSWORD, '-P', String(place.port), place.host];
    await interruptAtTerminal(place, file, commands, argv);
  },
};

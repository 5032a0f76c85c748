import iconv from 'iconv-lite';
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
} from './matrix-client.ts';

/** Without -p or -A it would change from one mode to the other by itself. */
function argv({ mode, host, port }: Place, ...flags: string[]): string[] {
  return ['tnftp', ...flags, mode === 'passive' ? '-p' : '-A', host, String(port)];
}

/**
 * Quotes each backslash for tnftp's command line, also one that is the second byte of a character.
 */
function quoted(command: string, { charset }: Place): string {
  if (charset === undefined) return command;
  const endsInBackslash = (character: string) => iconv.encode(character, charset).at(-1) === 0x5c;
  return [...command]
    .map((character) => (endsInBackslash(character) ? `${character}\\` : character))
    .join('');
}

async function tnftp(place: Place, ...commands: string[]): Promise<void> {
  const all = commands.map((command) => quoted(command, place));
  const script = [`user ${USER} ${PASSWORD}`, 'binary', ...all, 'bye', ''].join('\n');
  await runClient(place, argv(place, '-n', '-i', '-v'), script);
}

export const tnftpClient: MatrixClient = {
  name: 'tnftp',
  modes: MODES,
  families: FAMILIES,
  version: (container) => packageVersion(container, 'tnftp'),
  list: async (place, folder) => {
    const file = `/tmp/matrix/list-${place.port}-${place.mode}-${place.host}`;
    await tnftp(place, `nlist ${folder} ${file}`);
    const names = await runClient(place, ['cat', file]);
    return names.split('\n').filter(Boolean).map(baseName);
  },
  get: (place, path, into) => tnftp(place, `get ${path} ${into}/${baseName(path)}`),
  put: (place, local, into) => tnftp(place, `put ${local} ${into}/${baseName(local)}`),
  resumeGet: (place, path, into) => tnftp(place, `reget ${path} ${into}/${baseName(path)}`),
  resumePut: (place, local, into, offset) =>
    tnftp(place, `restart ${offset}`, `put ${local} ${into}/${baseName(local)}`),
  abort: async (place, big, path, into) => {
    const netrc = `/tmp/matrix/netrc-${place.port}-${place.mode}-${place.host}`;
    const login = `machine ${place.host} login ${USER} password ${PASSWORD}\n`;
    await runClient(place, ['install', '-m', '600', '/dev/stdin', netrc], login);
    const file = `${into}/${baseName(big)}`;
    const commands = {
      prompt: 'ftp> $',
      big: `get ${big} ${file}`,
      next: `get ${path} ${into}/${baseName(path)}`,
    };
    await interruptAtTerminal(place, file, commands, argv(place, '-i', '-N', netrc));
  },
};

import { copyFileSync, existsSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import iconv from 'iconv-lite';
import { expect } from 'vitest';
import { lines } from './docker.ts';
import { exec, mustExec } from './exec.ts';
import { makeFile } from './files.ts';
import type { MatrixClient, Place } from './matrix-client.ts';
import type { MatrixServer } from './matrix-server.ts';

export const OPERATIONS = ['list', 'get', 'put', 'many', 'resume', 'mirror', 'abort', 'names'] as const;
export type Operation = (typeof OPERATIONS)[number];

/**
 * What one operation works on: folders of its own on both sides, and where the server's files are.
 */
export interface Work {
  readonly place: Place;
  /** The same place for a client that uses Shift_JIS, if the server has one. */
  readonly shiftJis: Place | null;
  readonly server: Pick<MatrixServer, 'container' | 'home' | 'user' | 'controlPort'>;
  /** On host A. */
  readonly local: string;
  /** Below the home on the server. */
  readonly remote: string;
  readonly expected: Expected;
}

/**
 * What the files have to be: the SHA-256 of the one, and of those in the folders as `checksums`
 * prints them.
 */
export interface Expected {
  readonly file: string;
  readonly folder: string;
  readonly many: string;
  /** The file with the Japanese name. */
  readonly japanese: string;
}

const FOLDER = 'matrix';
const MANY = 'matrix-many';
/**
 * The number of files in MANY; most are so small that a client has sent one before anything else
 * happens.
 */
const MANY_COUNT = 500;
const FILE = 'file.bin';
const NAMES = ['empty.bin', FILE, 'more'];
const SIZE = 1_500_000;
const OFFSET = 654_321;
const NAMED = 'matrix-names';
/** In Shift_JIS its bytes contain `{` and, at the end, a backslash. */
const JAPANESE = '日本語表.txt';
/** Takes longer than anybody waits, and no disk. */
const ENDLESS = 'endless.bin';
const ENDLESS_SIZE = 16 * 2 ** 30;

/** Puts what the operations need into `pub`. */
export function makeMatrixFiles(pub: string): Expected {
  mkdirSync(join(pub, FOLDER, 'more'), { recursive: true });
  const sizes: Record<string, number> = { 'empty.bin': 0, [FILE]: SIZE };
  for (let i = 0; i < 4; i++) sizes[`more/${i}.bin`] = i * 50_000;
  const made = Object.entries(sizes).map(([path, size]) => {
    const folder = join(pub, FOLDER, dirname(path));
    return { path, sha256: makeFile(folder, basename(path), size).sha256 };
  });
  const many = Array.from({ length: MANY_COUNT }, (_, i) => `${String(i).padStart(3, '0')}.bin`);
  mkdirSync(join(pub, MANY), { recursive: true });
  mkdirSync(join(pub, NAMED), { recursive: true });
  const japanese = makeFile(join(pub, NAMED), JAPANESE, 2000);
  // Host A's clients put this one, if they use Shift_JIS.
  const shiftJis = Buffer.concat([Buffer.from(`${join(pub, NAMED)}/`), iconv.encode(JAPANESE, 'shift_jis')]);
  if (!existsSync(shiftJis)) copyFileSync(join(pub, NAMED, JAPANESE), shiftJis);
  if (!existsSync(join(pub, ENDLESS))) {
    writeFileSync(join(pub, ENDLESS), '');
    truncateSync(join(pub, ENDLESS), ENDLESS_SIZE);
  }
  return {
    japanese: japanese.sha256,
    file: made.find(({ path }) => path === FILE)?.sha256 ?? '',
    folder: made.map(({ path, sha256 }) => `${sha256}  ./${path}\n`).join(''),
    many: many.map((name, i) => `${makeFile(join(pub, MANY), name, i * 4).sha256}  ./${name}\n`).join(''),
  };
}

/** Whether a client has the operation at all, in one direction at least. */
export function has(client: MatrixClient, operation: Operation): boolean {
  return ACTIONS[operation].some((action) => client[action] !== undefined);
}

const ACTIONS = {
  list: ['list'],
  get: ['get'],
  put: ['put'],
  many: ['getMany', 'putMany'],
  resume: ['resumeGet', 'resumePut'],
  mirror: ['mirrorGet', 'mirrorPut'],
  abort: ['abort'],
  names: ['get', 'put'],
} as const satisfies Record<Operation, readonly (keyof MatrixClient)[]>;

/**
 * Does operations one after the other, each in both directions where the client has both, and
 * compares what came of them; no data connection of theirs may be left at the server. Gives for
 * each what went wrong.
 */
export async function operate(
  client: MatrixClient,
  operations: readonly Operation[],
  work: Work,
): Promise<Map<Operation, string | null>> {
  await prepare(work);
  const wrong = new Map<Operation, string | null>();
  const known = await dataConnections(work.server);
  for (const operation of operations) {
    const errors: string[] = [];
    const note = (reason: Error) => errors.push(reason.message);
    await DO[operation](client, work).catch(note);
    await noDataConnection(work.server, known).catch(note);
    wrong.set(operation, errors.join('\n') || null);
  }
  const found = await collect(work);
  for (const operation of operations) {
    const differences = compare(client, operation, work.expected, found);
    if (differences.length > 0) wrong.set(operation, [wrong.get(operation), ...differences].join('\n'));
  }
  return wrong;
}

const DO: Record<Operation, (client: MatrixClient, work: Work) => Promise<void>> = {
  list: async (client, { place }) => {
    const all = (await client.list?.(place, `pub/${FOLDER}`)) ?? [];
    // Some servers list these, too.
    const names = all.filter((name) => name !== '.' && name !== '..').sort();
    if (names.join() !== NAMES.join())
      throw new Error(`it lists ${names.join()} in place of ${NAMES.join()}`);
  },
  get: async (client, { place, local }) => client.get?.(place, `pub/${FOLDER}/${FILE}`, `${local}/get`),
  put: async (client, { place, remote }) => client.put?.(place, `/pub/${FOLDER}/${FILE}`, `${remote}/put`),
  many: async (client, { place, local, remote }) => {
    await client.getMany?.(place, `pub/${MANY}`, `${local}/many`);
    await client.putMany?.(place, `/pub/${MANY}`, `${remote}/many`);
  },
  resume: async (client, { place, local, remote }) => {
    await client.resumeGet?.(place, `pub/${FOLDER}/${FILE}`, `${local}/resume`, OFFSET);
    await client.resumePut?.(place, `/pub/${FOLDER}/${FILE}`, `${remote}/resume`, OFFSET);
  },
  mirror: async (client, { place, local, remote }) => {
    await client.mirrorGet?.(place, `pub/${FOLDER}`, `${local}/mirror`);
    await client.mirrorPut?.(place, `/pub/${FOLDER}`, `${remote}/mirror`);
  },
  abort: async (client, { place, local }) => {
    await client.abort?.(place, `pub/${ENDLESS}`, `pub/${FOLDER}/${FILE}`, `${local}/abort`);
  },
  names: async (client, work) => {
    await copyJapanese(client, work, work.place);
    if (work.shiftJis === null) return;
    const { charset, ...utf8 } = work.shiftJis;
    await copyJapanese(client, work, client.asksForUtf8 ? utf8 : { ...utf8, ...(charset && { charset }) });
  },
};

/** Puts, lists and gets a file with a Japanese name, which the server has to store in UTF-8. */
async function copyJapanese(client: MatrixClient, work: Work, place: Place): Promise<void> {
  const { server, local, remote, expected } = work;
  const there = (script: string) =>
    mustExec(server.container, ['sh', '-c', script, 'sh', `${server.home}/${remote}/names`, JAPANESE], {
      user: server.user,
    });
  const here = (script: string) =>
    mustExec(place.container, ['sh', '-c', script, 'sh', `${local}/names`], { cwd: '/' });
  const sum = 'cat * | sha256sum | cut -c -64';
  if (client.put) await client.put(place, `/pub/${NAMED}/${JAPANESE}`, `${remote}/names`);
  else await there(`cd "$1" && cp ../../../pub/${NAMED}/"$2" .`);
  expect(lines(await there('cd "$1" && ls')), 'names on the server').toEqual([JAPANESE]);
  if (client.list) {
    const listed = (await client.list(place, `${remote}/names`)).filter((name) => !/^\.\.?$/.test(name));
    expect(listed, 'names that the client lists').toEqual([JAPANESE]);
  }
  if (client.get) await client.get(place, `${remote}/names/${JAPANESE}`, `${local}/names`);
  const sums = [
    await there(`cd "$1" && ${sum}; rm *`),
    client.get && (await here(`cd "$1" && ${sum}; rm *`)),
  ];
  for (const found of sums) if (found !== undefined) expect(found).toBe(`${expected.japanese}\n`);
}

/** What is on each side afterwards: `sha256  ./operation/path` lines. */
interface Found {
  readonly local: string;
  readonly remote: string;
}

function compare(
  client: MatrixClient,
  operation: Operation,
  { file, folder, many }: Expected,
  found: Found,
): string[] {
  const one = `${file}  ./${FILE}\n`;
  const all = folder.replaceAll('./', `./${FOLDER}/`);
  const wanted: Record<Operation, { local?: string; remote?: string }> = {
    list: {},
    get: { local: one },
    put: { remote: one },
    many: { ...(client.getMany && { local: many }), ...(client.putMany && { remote: many }) },
    resume: { ...(client.resumeGet && { local: one }), ...(client.resumePut && { remote: one }) },
    mirror: { ...(client.mirrorGet && { local: all }), ...(client.mirrorPut && { remote: all }) },
    abort: { local: one },
    // It compares by itself.
    names: {},
  };
  return (['local', 'remote'] as const).flatMap((side) => {
    const is = below(found[side], operation);
    const should = wanted[operation][side];
    if (should === undefined || is === should) return [];
    return [`${side}: there is\n${without(is, should)}in place of\n${without(should, is)}`];
  });
}

/** The lines of one listing that the other lacks. */
function without(listing: string, other: string): string {
  const known = new Set(lines(other));
  return lines(listing)
    .filter((line) => !known.has(line))
    .map((line) => `${line}\n`)
    .join('');
}

/** The lines of one operation's folder, with paths relative to it. */
function below(listing: string, operation: Operation): string {
  const prefix = `  ./${operation}/`;
  return listing
    .split('\n')
    .filter((line) => line.includes(prefix))
    .map((line) => `${line.replace(prefix, '  ./')}\n`)
    .join('');
}

/**
 * Empty folders, and for `resume` the first part of the file, as a transfer that broke would leave
 * it.
 */
async function prepare({ place, server, local, remote }: Work): Promise<void> {
  const script =
    'rm -rf "$1" && cd "$(mkdir -p "$1" && echo "$1")" && ' +
    `mkdir ${OPERATIONS.join(' ')} && head -c ${OFFSET} "$2/${FOLDER}/${FILE}" >resume/${FILE}`;
  const sh = (...args: string[]) => ['sh', '-c', script, 'sh', ...args];
  await Promise.all([
    mustExec(place.container, sh(local, '/pub')),
    mustExec(server.container, sh(`${server.home}/${remote}`, `${server.home}/pub`), { user: server.user }),
  ]);
}

async function collect({ place, server, local, remote }: Work): Promise<Found> {
  // What was interrupted is of no interest.
  const script = `cd "$1" && rm -f abort/${ENDLESS} && find . -type f -exec sha256sum {} + | LC_ALL=C sort -k 2; rm -r "$1"`;
  const [onA, onServer] = await Promise.all([
    mustExec(place.container, ['sh', '-c', script, 'sh', local]),
    mustExec(server.container, ['sh', '-c', script, 'sh', `${server.home}/${remote}`], { user: server.user }),
  ]);
  return { local: onA, remote: onServer };
}

/**
 * Waits until no data connection of the server's stands but the `known` ones, so that each
 * operation answers for its own alone. Those that stay are known from then on.
 */
async function noDataConnection(server: Work['server'], known: Set<string>): Promise<void> {
  const script =
    `for i in $(seq 150); do left=$(${standing(server)} | grep -vxF "$1"); [ -z "$left" ] && exit 0; sleep 0.1; done; ` +
    'echo "$left"; exit 1';
  const { code, stdout } = await exec(server.container, ['sh', '-c', script, 'sh', [...known].join('\n')]);
  if (code === 0) return;
  for (const both of lines(stdout)) known.add(both);
  throw new Error(`these data connections of ${server.container} stay:\n${stdout}`);
}

/**
 * Returns a command that prints both ends of each established TCP connection, except those of FTP's
 * control port and of SSH.
 */
function standing({ controlPort = 21 }: Work['server']): string {
  // In hexadecimal: address and port of both sides, then the state; 01 is ESTABLISHED.
  const ports = [controlPort, 22].map((port) => port.toString(16).toUpperCase().padStart(4, '0'));
  return `awk '$4 == "01" && ($2 " " $3) !~ /:(${ports.join('|')})( |$)/ { print $2, $3 }' /proc/net/tcp /proc/net/tcp6`;
}

async function dataConnections(server: Work['server']): Promise<Set<string>> {
  return new Set(lines(await mustExec(server.container, ['sh', '-c', standing(server)])));
}

import { randomFillSync } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises';
import type net from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { startCli } from '../../support/cli.ts';
import { descendants, killAll } from '../../support/descendants.ts';
import { describeWith } from '../../support/openssh.ts';
import { pick, runSeed, seeded } from '../../support/random.ts';
import { RawClient } from '../../support/raw-client.ts';
import { type Relay, startRelay } from '../../support/relay.ts';
import { quickShell, sshdWithSftp } from '../../support/sftp-forward.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';
import { SSHD, startSshd } from '../../support/sshd.ts';
import { canMount, mountTmpfs } from '../../support/tmpfs.ts';

const TEST = { onTestFinished };
const MiB = 1024 * 1024;
/** How many uploads are cut. SSHFERRY_FOLDER_CUTS=200 for a long run. */
const CUTS = Number(process.env.SSHFERRY_FOLDER_CUTS ?? 12);
const SEED = runSeed();
/** How long anything may take, in milliseconds: much more than it does on an idle machine. */
const PATIENCE = 120_000;
const MOUNTS = canMount();
/** Of a folder that fills up, in bytes: room for one upload of the largest size and its copy. */
const DISK = 80 * MiB;
/** Sizes of uploads: over a slow line, the large ones use several channels. */
const SMALL = 3 * MiB;
const LARGE = 32 * MiB;

/** Where a cut strikes. */
const KINDS = [
  'the SSH connections',
  'one SSH connection',
  "sshd's processes",
  'the sftp-servers',
  "the client's data connection",
  "the client's control connection",
  'the client',
  'ABOR',
  'the disk',
  'sshferry',
] as const;
type Kind = (typeof KINDS)[number];
const VERBS = ['STOR', 'STOR over a file', 'REST and STOR', 'APPE', 'STOU'] as const;

/** One sshferry, and an sshd of its own, so that lines can be cut at the same time. */
interface Line {
  readonly name: string;
  readonly isSlow: boolean;
  readonly keepPartial: boolean;
  readonly relay: Relay;
  readonly sshd: number;
  /** Served by the first forward; the second one serves a small disk. */
  readonly folder: string;
  readonly disk: string | null;
  sshferry: ReturnType<typeof startCli>;
  ports: readonly number[];
  restart(): Promise<void>;
}

interface Outcome {
  readonly what: string;
  readonly kind: Kind;
  /** The reply to the upload; null if none came. */
  readonly reply: string | null;
  readonly success: boolean;
  /** sftp-servers that ran when it was cut. */
  readonly channels: number;
  readonly leftover: number;
}

/** Random bytes; each upload is a piece of its own of them, none of which is zero. */
const RANDOM = randomFillSync(Buffer.alloc(LARGE + MiB)).map((byte) => byte || 1) as Buffer;
const OLD = Buffer.alloc(5000, 'old ');

if (!MOUNTS)
  process.stderr.write('\n!! SKIPPED: uploads to a full disk: a small file system cannot be mounted\n');

describeWith(
  [SSHD, SFTP_SERVER, 'ssh-keygen'],
  `uploads to a folder that are cut, ${CUTS} times, seed ${SEED}`,
  () => {
    const { file, login, env } = sshdWithSftp();

    async function startLine(name: string, oneWay: number, keepPartial: boolean): Promise<Line> {
      const { port, server } = await startSshd(path.dirname(file('host')), [
        `Subsystem sftp ${SFTP_SERVER}`,
        quickShell(path.dirname(file('host'))),
      ]);
      onTestFinished(() => void server.kill());
      const relay = await startRelay(TEST, port, oneWay);
      const folder = file(`in-${name}`);
      await mkdir(folder);
      const disk = MOUNTS ? file(`disk-${name}`) : null;
      if (disk !== null) onTestFinished(mountTmpfs(disk, DISK));
      const options = keepPartial ? [] : ['-o', 'FtpKeepPartial=no'];
      const forwards = [folder, ...(disk === null ? [] : [disk])].flatMap((at) => ['-L', `0:sftp:${at}`]);
      const start = () => startCli(TEST, [...forwards, ...options, ...login(relay.port)], env());
      const line: Line = {
        ...{ name, keepPartial, isSlow: oneWay > 0, relay, sshd: server.pid ?? 0, folder, disk },
        sshferry: start(),
        ports: [],
        async restart() {
          line.sshferry.child.kill('SIGKILL');
          line.sshferry = start();
          await ready();
        },
      };
      const ready = async () => {
        const said = () => line.sshferry.said('forward.ready', /(?:)/, forwards.length / 2);
        // On a busy machine, to start takes longer than one of them waits.
        let waiting = said();
        for (let i = 0; i < 9; i++) waiting = waiting.catch(said);
        await waiting;
        const port = (at: string) =>
          line.sshferry
            .lines()
            .filter(({ event, msg }) => event === 'forward.ready' && msg.includes(at))
            .map(({ msg }) => Number(/localhost:(\d+)/.exec(msg)?.[1]));
        line.ports = [folder, disk ?? ''].filter(Boolean).flatMap(port);
      };
      await ready();
      return line;
    }

    it('are whole or can be resumed, and no client takes a part for the whole', {
      timeout: 120_000 + 20_000 * CUTS,
    }, async () => {
      const lines = await Promise.all([
        startLine('slow-keep', 25, true),
        startLine('fast-drop', 0, false),
        ...(CUTS < 50 ? [] : [startLine('fast-keep', 0, true), startLine('slow-drop', 25, false)]),
      ]);
      const outcomes: Outcome[] = [];
      // A run in which most cuts came too late would prove little. On a busy machine more of them
      // do, and others are made.
      const failures = () => outcomes.filter(({ success }) => !success).length;
      let made = 0;
      const work = lines.map(async (line, i) => {
        const random = seeded(SEED + i);
        while (made < CUTS || (made < 4 * CUTS && failures() <= CUTS / 2)) {
          made += 1;
          outcomes.push(await cutOnce(line, random, `${i}-${made}`));
        }
      });
      await Promise.all(work).finally(() => console.info(summary(outcomes)));
      expect(outcomes).toHaveLength(made);
      expect(failures()).toBeGreaterThan(CUTS / 2);
      for (const { sshferry } of lines) expect(sshferry.log).not.toMatch(/internal error|^\s+at /m);
    });
  },
);

/** Uploads, cuts, and looks what is left; then the client goes on as clients do. */
async function cutOnce(line: Line, random: () => number, id: string): Promise<Outcome> {
  const kind = pick(
    random,
    KINDS.filter((one) => one !== 'the disk' || line.disk !== null),
  );
  const verb = pick(random, VERBS);
  const size = Math.ceil((random() < 0.5 ? SMALL : LARGE) * (0.5 + random() / 2));
  const from = Math.floor(random() * MiB);
  const content = RANDOM.subarray(from, from + size);
  const offset = verb === 'REST and STOR' || verb === 'APPE' ? Math.floor((random() * size) / 2) : 0;
  const onDisk = kind === 'the disk';
  const folder = onDisk ? (line.disk ?? '') : line.folder;
  const before = verb === 'STOR over a file' ? OLD : offset > 0 ? content.subarray(0, offset) : null;
  let name = `f-${id}`;
  if (before !== null) await writeFile(path.join(folder, name), before);
  const upload: Cut = { line, kind, random, folder, size, offset };
  const unfill = onDisk ? await fill(folder, Math.floor(random() * (size - offset) * 0.98)) : null;
  const waits = random() < 0.5 || onDisk;
  const about = `${id}: ${kind}, ${verb} of ${size} bytes from ${offset}, ${line.name}${waits ? '' : ', retried at once'}`;

  const client = await loginAgain(line, onDisk);
  const data = await client.data(await client.passive());
  if (offset > 0 && verb !== 'APPE') expect(await client.command(`REST ${offset}`)).toMatch(/^350/);
  const first = await client.command(
    `${verb === 'STOU' ? 'STOU' : (verb.match(/STOR|APPE/)?.[0] ?? '')} ${name}`,
  );
  expect(first, about).toMatch(/^150/);
  if (verb === 'STOU') name = /FILE: (\S+)/.exec(first)?.[1] ?? name;
  const final = path.join(folder, name);
  const sent = send(data.socket, content.subarray(offset));
  const replied = client.reply().catch(() => null);
  const { channels } = await strike({ ...upload, client, data, sent, replied });
  const reply = await bounded(replied, `a reply: ${about}`);
  const success = reply !== null && /^2/.test(reply);
  if (success) expect((await readFile(final)).equals(content), `226 for a whole file: ${about}`).toBe(true);
  else if (reply !== null) expect(reply, about).toMatch(onDisk ? /^452/ : /^4(26|51)/);
  client.control.destroy();
  data.destroy();

  if (kind === 'sshferry') await line.restart();
  let leftover = 0;
  if (kind === 'sshferry') leftover = await removeTemporary(folder);
  else if (waits) await settled(folder, about);
  if (waits || kind === 'sshferry') {
    const found = await readFile(final).catch(() => null);
    judge({ about, found, content, before, success, keeps: line.keepPartial, killed: kind === 'sshferry' });
  }
  await unfill?.();
  // Only what a client finds may tell it where to go on.
  const trustsSize = !(kind === 'sshferry' && before === OLD) && (line.keepPartial || offset > 0);
  await goOn({ line, onDisk, name, content, trustsSize, appends: verb === 'APPE', about });
  await settled(folder, about);
  expect((await readFile(final)).equals(content), `whole after it was resumed: ${about}`).toBe(true);
  await rm(final);
  return { what: about, kind, reply, success, channels, leftover };
}

/** The final name must lead to the old file, or to the first bytes of the upload. */
function judge(it: {
  about: string;
  found: Buffer | null;
  content: Buffer;
  before: Buffer | null;
  success: boolean;
  keeps: boolean;
  killed: boolean;
}): void {
  const { about, found, content, before, success, keeps, killed } = it;
  if (success) return expect(found?.equals(content), about).toBe(true);
  const isPart = found !== null && content.subarray(0, found.length).equals(found);
  const isOld = found === null ? before === null : before !== null && found.equals(before);
  // The cut may come between the rename and the reply.
  const isWhole = isPart && found.length === content.length;
  if (before === OLD) {
    if (keeps) return expect(isPart || (killed && isOld), `part: ${about}`).toBe(true);
    return expect(isOld || isWhole, `the old file: ${about}`).toBe(true);
  }
  if (before !== null) return expect(isPart && found.length >= before.length, `longer: ${about}`).toBe(true);
  if (keeps) return expect(isPart || isOld, `part or nothing: ${about}`).toBe(true);
  expect(isOld || isWhole, `nothing: ${about}`).toBe(true);
}

interface Cut {
  readonly line: Line;
  readonly kind: Kind;
  readonly random: () => number;
  readonly folder: string;
  readonly size: number;
  readonly offset: number;
}

interface Running extends Cut {
  readonly client: RawClient;
  readonly data: Awaited<ReturnType<RawClient['data']>>;
  /** Settles when the client has written all and closed its side, or cannot. */
  readonly sent: Promise<void>;
  readonly replied: Promise<string | null>;
}

/** Cuts at a random moment: while bytes arrive at the server, or after the client's last one. */
async function strike(running: Running): Promise<{ channels: number }> {
  const { line, kind, random, folder, size, offset, client, data, sent, replied } = running;
  let over = false;
  void replied.then(() => {
    over = true;
  });
  const at = random() < 0.15 ? size : offset + Math.floor(random() * (size - offset));
  const wait = random() * (line.isSlow ? 200 : 5);
  if (kind !== 'the disk') {
    while (!over && (await arrived(folder)) < at) await delay(1);
    if (at === size && !over) await Promise.all([sent, delay(wait)]);
  }
  const below = await descendants(line.sshd);
  const servers = below.filter((one) => one.name === 'sftp-server');
  switch (kind) {
    case 'the SSH connections':
      for (const cut of line.relay.connections) cut();
      break;
    case 'one SSH connection':
      pick(random, line.relay.connections)();
      break;
    case "sshd's processes":
      killAll(below.filter((one) => one.name !== 'sftp-server'));
      break;
    case 'the sftp-servers':
      killAll(random() < 0.5 ? servers : servers.slice(-1));
      break;
    case "the client's data connection":
      data.reset();
      break;
    case "the client's control connection":
      client.control.reset();
      break;
    case 'the client':
      data.reset();
      client.control.reset();
      break;
    case 'ABOR':
      client.control.write('ABOR\r\n');
      break;
    case 'sshferry':
      line.sshferry.child.kill('SIGKILL');
      break;
    case 'the disk':
      break;
  }
  // What is left of the upload need not be sent any more.
  void replied.then(() => data.reset());
  return { channels: servers.length };
}

/** The bytes in the files that are being written, as far as their sizes tell. */
async function arrived(folder: string): Promise<number> {
  const names = await readdir(folder);
  const sizes = names.map((name) =>
    stat(path.join(folder, name)).then(
      (found) => found.size,
      () => 0,
    ),
  );
  return Math.max(0, ...(await Promise.all(sizes)));
}

/**
 * Writes all within half a second or so, and closes this side. Settles as well if the connection
 * breaks.
 */
async function send(socket: net.Socket, content: Buffer): Promise<void> {
  const broken = new Promise((resolve) => socket.once('close', resolve));
  const event = (name: 'drain' | 'finish') => new Promise((resolve) => socket.once(name, resolve));
  const step = Math.ceil(content.length / 40);
  for (let at = 0; at < content.length && socket.writable; at += step) {
    const room = socket.write(content.subarray(at, at + step));
    await Promise.race([room ? delay(10) : event('drain'), broken]);
  }
  socket.end();
  if (!socket.writableFinished) await Promise.race([event('finish'), broken]);
}

/** Resumes the upload as clients do, until it succeeds. */
async function goOn(it: {
  line: Line;
  onDisk: boolean;
  name: string;
  content: Buffer;
  trustsSize: boolean;
  appends: boolean;
  about: string;
}): Promise<void> {
  const { line, onDisk, name, content, trustsSize, appends, about } = it;
  const replies: string[] = [];
  const deadline = Date.now() + PATIENCE;
  while (Date.now() < deadline) {
    try {
      const client = await login(port(line, onDisk));
      const found = /^213 (\d+)/.exec(await client.command(`SIZE ${name}`))?.[1];
      const size = trustsSize && found !== undefined && Number(found) <= content.length ? Number(found) : 0;
      const data = await client.data(await client.passive());
      if (size > 0 && !appends) expect(await client.command(`REST ${size}`)).toMatch(/^350/);
      const first = await client.command(`${size > 0 && appends ? 'APPE' : 'STOR'} ${name}`);
      replies.push(`SIZE ${found}: ${first}`);
      if (first.startsWith('150')) {
        await send(data.socket, content.subarray(size));
        const last = await bounded(client.reply(), `the reply to a resumed upload: ${about}`);
        replies.push(last);
        if (/^226/.test(last)) return;
      }
    } catch (error) {
      replies.push(String(error));
    }
    await delay(100);
  }
  expect.fail(`cannot be resumed: ${about}: ${[...new Set(replies)].join('; ')}`);
}

/** Logs in; not at the first attempt if the connection is lost just then. */
async function loginAgain(line: Line, onDisk: boolean): Promise<RawClient> {
  for (const deadline = Date.now() + PATIENCE; ; await delay(100)) {
    try {
      return await login(port(line, onDisk));
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

async function login(to: number): Promise<RawClient> {
  const client = await RawClient.connect(TEST, { host: '127.0.0.1', port: to });
  for (const line of ['', 'USER me', 'PASS any', 'TYPE I']) {
    const reply = await (line === '' ? client.reply() : client.command(line));
    if (!/^[23]/.test(reply)) throw new Error(reply);
  }
  return client;
}

function port(line: Line, onDisk: boolean): number {
  const found = line.ports[onDisk ? 1 : 0];
  if (found === undefined) throw new Error('no such forward');
  return found;
}

/** Settles when no temporary file is left. */
async function settled(folder: string, about: string): Promise<void> {
  await expect
    .poll(() => temporary(folder), {
      timeout: PATIENCE,
      interval: 50,
      message: `no temporary file: ${about}`,
    })
    .toEqual([]);
}

async function temporary(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith('.sshferry-'));
}

/** Removes the temporary files of a sshferry that was killed. Returns how many there were. */
async function removeTemporary(folder: string): Promise<number> {
  const names = await temporary(folder);
  for (const name of names) await rm(path.join(folder, name));
  return names.length;
}

/** Leaves `room` bytes on a small disk. Returns what undoes it. */
async function fill(disk: string, room: number): Promise<() => Promise<void>> {
  const file = path.join(disk, '.ballast');
  const { bavail, bsize } = await statfs(disk);
  await writeFile(file, Buffer.alloc(Math.max(0, bavail * bsize - room)));
  return () => rm(file);
}

function bounded<T>(promise: Promise<T>, what: string): Promise<T> {
  return Promise.race([
    promise,
    delay(PATIENCE, undefined, { ref: false }).then(() => {
      throw new Error(`not in time: ${what}`);
    }),
  ]);
}

function summary(outcomes: readonly Outcome[]): string {
  const count = (test: (outcome: Outcome) => boolean) => outcomes.filter(test).length;
  const kinds = KINDS.map((kind) => {
    const all = outcomes.filter((outcome) => outcome.kind === kind);
    return `  ${kind}: ${all.length}, ${all.filter(({ success }) => success).length} of them too late`;
  });
  return [
    `${outcomes.length} cuts, seed ${SEED}; at:`,
    ...kinds,
    `  while several channels wrote: ${count(({ channels }) => channels > 2)}`,
    `  clients told of a failure: ${count(({ reply, success }) => reply !== null && !success)}, of a success (the file whole): ${count(({ success }) => success)}`,
    `  temporary files that sshferry's death left: ${outcomes.reduce((sum, { leftover }) => sum + leftover, 0)}`,
  ].join('\n');
}

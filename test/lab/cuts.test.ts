import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { pick, runSeed, seeded } from '../support/random.ts';
import { curl, ftpUrl } from './support/clients.ts';
import { interrupt, killSessions, PARTS, resetConnections, type SshLine } from './support/cut.ts';
import { engines } from './support/engines.ts';
import { mustExec } from './support/exec.ts';
import { makeFile } from './support/files.ts';
import { describeLab, lab } from './support/lab.ts';
import { logLines } from './support/log.ts';
import { Program } from './support/program.ts';
import { holdings } from './support/sockets.ts';
import { LOGIN, sshferryArgv } from './support/ssh.ts';
import { startSshd } from './support/sshd.ts';
import { attempt, mayHang, TRANSFER_CLIENTS, type Transfer } from './support/transfer.ts';
import { YOU } from './support/users.ts';

/**
 * How often SSH is cut; each time under one download and one upload. SSHFERRY_CUTS=500 for a long
 * run.
 */
const CUTS = Number(process.env.SSHFERRY_CUTS ?? 16);
/** So many sshferries at a time, each with an sshd of its own. */
const LINES = 6;
const SEED = runSeed();
/** What logs in, by line. SSHFERRY_ENGINE=openssh for a run with OpenSSH. */
const ENGINES = engines(['ssh2']);

/**
 * FTP servers by their pace in bytes a second: a slow one moves 64 KiB and then pauses, also
 * between the last byte and its 226. `weight` is how many transfers they get.
 */
const SERVERS = [
  { port: 2121, pace: 256 * 1024, sizes: [40_000, 150_000, 400_000], weight: 3 },
  // More than the kernels' buffers: of an upload, some waits in sshd when all of it has left
  // sshferry.
  { port: 2122, pace: 2_000_000, sizes: [1_000_000, 8_000_000], weight: 2 },
  { port: 21, pace: null, sizes: [100_000_000], weight: 1 },
];
const DRAWN = SERVERS.flatMap(({ weight }, n) => Array<number>(weight).fill(n));

/** Two keepalives of one second each without an answer, and a little. */
const DOWN_SECONDS = 4;

interface Line extends SshLine {
  readonly sshferry: Program;
  /** The local ports that lead to each of SERVERS. */
  readonly ports: readonly number[];
}

/**
 * What the cut did to one transfer: how it stood with sshferry, and whether its client took it for
 * a success.
 */
interface Verdict {
  readonly what: string;
  readonly moment: 'before' | 'during' | 'after the last byte' | 'over';
  readonly success: boolean;
  readonly hung: boolean;
  /** A hang is the client's own doing. */
  readonly excused: boolean;
  readonly whole: boolean;
  readonly output: string;
}

const files = new Map<string, string>();
const lines: Line[] = [];
const programs: Program[] = [];
const verdicts: Verdict[] = [];
const comebacks: number[] = [];

describeLab(
  `SSH by ${ENGINES.join(' and ')} that is cut under a transfer, ${CUTS} times, seed ${SEED}`,
  () => {
    beforeAll(async () => {
      const { a, b } = lab().hosts;
      for (const size of SERVERS.flatMap(({ sizes }) => sizes)) {
        const name = `cut-${size}.bin`;
        files.set(name, makeFile(lab().pub, name, size).sha256);
      }
      for (const { port, pace } of SERVERS) {
        if (pace === null) continue;
        const argv = ['vsftpd', '/etc/vsftpd.conf', `-olisten_port=${port}`, `-olocal_max_rate=${pace}`];
        programs.push(await Program.start(b.container, argv, { user: 'root' }));
      }
      await mustExec(b.container, ['install', '-d', '-o', 'ferry', '/home/ferry/incoming/cut'], {
        user: 'root',
      });
      for (let i = 0; i < LINES; i++) {
        const port = 2300 + i;
        // A connection that is gone without a word is noticed here too.
        const sshd = await startSshd(b, port, { ClientAliveInterval: '2', ClientAliveCountMax: '2' });
        programs.push(sshd);
        const ports = SERVERS.map((_, n) => 8300 + 10 * i + n);
        const argv = sshferryArgv(
          ...['--log-format', 'json', '-v', '-p', String(port), '-o', 'HostKeyAlias=yourserver'],
          ...['-o', 'ServerAliveInterval=1', '-o', 'ServerAliveCountMax=2'],
          ...['-o', `SshEngine=${ENGINES[i % ENGINES.length]}`],
          ...SERVERS.flatMap((server, n) => ['-L', `ftp/${ports[n]}:localhost:${server.port}`]),
          LOGIN,
        );
        const sshferry = await Program.start(a.container, argv, { user: YOU });
        programs.push(sshferry);
        await sshferry.waitFor(/(?:"event":"forward\.ready"(?:.|\n)*){3}/);
        lines.push({ hosts: lab().hosts, port, sshd: sshd.pid, sshferry, ports });
      }
    });

    afterAll(async () => {
      await Promise.all(programs.map((program) => program.signal('KILL')));
    });

    it('never lets a client report success for an incomplete file', { timeout: 3_600_000 }, async () => {
      const failures = () => verdicts.filter(({ success }) => !success).length;
      const inside = () => verdicts.filter(({ moment }) => moment === 'during').length;
      // Most cuts are to fall inside; a run that cut nothing would prove nothing. On a busy machine
      // more of them miss, and others are made.
      const enough = () => failures() > CUTS / 2 && inside() > CUTS / 4;
      let made = 0;
      await Promise.all(
        lines.map(async (line, i) => {
          const random = seeded(SEED + i);
          while (made < CUTS || (made < 4 * CUTS && !enough())) {
            made += 1;
            await cutOnce(line, random, `${i}-${made}`);
          }
        }),
      );
      console.info(summary());
      expect(verdicts.filter(({ success, whole }) => success && !whole)).toEqual([]);
      expect(verdicts.filter(({ hung, excused }) => hung && !excused)).toEqual([]);
      expect(verdicts).toHaveLength(2 * made);
      expect(failures()).toBeGreaterThan(CUTS / 2);
      expect(inside()).toBeGreaterThan(CUTS / 4);
    });

    it('leaves the same processes, which hold only their listeners and SSH connections', async () => {
      for (const { sshferry, ports, port } of lines) {
        await vi.waitFor(
          async () => {
            const { listeners, connections } = await holdings(lab().hosts.a.container, sshferry.pid, YOU);
            const bound = new Set(listeners.map((listener) => Number(listener.replace(/.*:/, ''))));
            expect([...bound].sort()).toEqual(ports);
            expect(connections.filter((connection) => !connection.endsWith(`:${port}`))).toEqual([]);
            expect(connections.length).toBeLessThanOrEqual(2);
          },
          { timeout: 60_000, interval: 1000 },
        );
        expect(await sshferry.stop()).toBe(0);
        expect(sshferry.stderr).not.toMatch(/^\s+at /m);
      }
    });
  },
);

/**
 * One download and one upload, a cut at a random moment, and then a listing that shows that
 * sshferry is back.
 */
async function cutOnce(line: Line, random: () => number, name: string): Promise<void> {
  const transfers = (['download', 'upload'] as const).map((direction) => {
    const n = pick(random, DRAWN);
    const size = pick(random, SERVERS[n]?.sizes ?? []);
    const [own, theirs] = [`/tmp/cut-${name}.bin`, `cut-${size}.bin`];
    const seconds = size / (SERVERS[n]?.pace ?? 60_000_000);
    const common = {
      client: pick(random, TRANSFER_CLIENTS),
      direction,
      port: line.ports[n] ?? 0,
      size,
      seconds,
    };
    return direction === 'download'
      ? { ...common, remote: `pub/${theirs}`, local: own }
      : { ...common, remote: `incoming/cut/${name}.bin`, local: `/pub/${theirs}` };
  });
  const from = line.sshferry.stderr.length;
  // Most wait for a transfer's first byte; some strike at the login or the data port.
  const early = random() < 0.15;
  const { seconds } = pick(random, transfers);
  const wait = 1000 * random() * (early ? 0.6 : 1.1 * seconds);
  const strike = striker(line, random);
  const outcomes = Promise.all(transfers.map((transfer) => attempt(line.hosts.a.container, transfer)));
  outcomes.catch(() => {});
  if (!early) await Promise.race([begun(line.sshferry, from), outcomes]);
  await delay(wait);
  const how = await strike();
  await outcomes;
  const struck = Date.now();
  const site = { host: 'localhost', port: line.ports[1] ?? 0 };
  try {
    await curl(line.hosts.a.container, '--verbose', '--list-only', ftpUrl(site, 'incoming/'));
  } catch (error) {
    const log = line.sshferry.stderr.slice(from);
    throw new Error(`no listing after it ${how}: ${error}\n${log}`, { cause: error });
  }
  comebacks.push(Date.now() - struck);

  for (const [i, outcome] of (await outcomes).entries()) {
    const transfer = transfers[i];
    if (transfer !== undefined) verdicts.push(await judge(line, transfer, outcome, from, how));
  }
}

async function judge(
  line: Line,
  transfer: Transfer & { size: number },
  { success, hung, sha256, output }: Awaited<ReturnType<typeof attempt>>,
  from: number,
  how: string,
): Promise<Verdict> {
  const { a, b } = line.hosts;
  const { direction, client, size } = transfer;
  const stored = `/home/ferry/${transfer.remote}`;
  const there =
    direction === 'download' || !success
      ? null
      : await mustExec(b.container, ['sh', '-c', 'sha256sum "$1"; stat "$1"', 'sh', stored]);
  const got = there === null ? sha256 : there.slice(0, 64);
  if (direction === 'download') await mustExec(a.container, ['rm', '-f', transfer.local]);
  else await mustExec(b.container, ['rm', '-f', stored], { user: 'root' });

  const verb = direction === 'download' ? 'RETR' : 'STOR';
  const events = logLines(line.sshferry, from).filter((event) => event.verb === verb);
  const end = events.find(({ event }) => event === 'transfer.end');
  const moment = () => {
    if (end === undefined) return 'before' as const;
    if (end.outcome === 'complete') return 'over' as const;
    return end.bytes === size ? ('after the last byte' as const) : ('during' as const);
  };
  return {
    what: `${how}: ${client} ${direction} of ${size} bytes through ${transfer.port}, ${transfer.remote}`,
    moment: moment(),
    success,
    hung,
    excused: mayHang(transfer),
    whole: got === files.get(`cut-${size}.bin`),
    output: success || hung ? `${output}\n${JSON.stringify(events, null, 1)}\n${there ?? ''}` : output,
  };
}

/** Decides how to cut. */
function striker(line: Line, random: () => number): () => Promise<string> {
  const chance = random();
  if (chance < 0.5) {
    const part = pick(random, PARTS);
    return async () => `killed ${part} (${await killSessions(line, part)})`;
  }
  if (chance < 0.85) {
    const which = pick(random, ['one', 'all'] as const);
    return async () => `reset ${which} (${await resetConnections(line, which)})`;
  }
  return async () => {
    await interrupt(line, DOWN_SECONDS);
    return 'down';
  };
}

/** Settles when a transfer has begun since. */
async function begun(sshferry: Program, from: number): Promise<void> {
  while (!sshferry.stderr.includes('"event":"transfer.start"', from)) {
    await Promise.race([delay(10), sshferry.exited.then(() => expect.fail(sshferry.output))]);
  }
}

function summary(): string {
  const count = (test: (verdict: Verdict) => boolean) => verdicts.filter(test).length;
  const kinds = new Map<string, number>();
  for (const { what } of verdicts) {
    const kind = what.replace(/ .*/, '').replace(':', '');
    kinds.set(kind, (kinds.get(kind) ?? 0) + 0.5);
  }
  const sorted = [...comebacks].sort((x, y) => x - y);
  return [
    `${verdicts.length / 2} cuts (${[...kinds].map(([kind, n]) => `${kind} ${n}`).join(', ')}) under ${verdicts.length} transfers, seed ${SEED}:`,
    `  before the transfer ${count(({ moment }) => moment === 'before')}, during it ${count(({ moment }) => moment === 'during')},`,
    `  between its last byte and 226 ${count(({ moment }) => moment === 'after the last byte')}, complete in spite of it ${count(({ moment }) => moment === 'over')}`,
    `  clients: ${count(({ success }) => success)} said success, ${count(({ success, whole }) => success && !whole)} of them wrongly; ${count(({ success }) => !success)} failure (${count(({ hung }) => hung)} came to no end)`,
    `  a new client was served after the median of ${sorted[sorted.length >> 1]} ms, at most ${sorted.at(-1)} ms`,
  ].join('\n');
}

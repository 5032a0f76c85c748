import { setTimeout as delay } from 'node:timers/promises';
import { expect, vi } from 'vitest';
import { pick, seeded } from '../../support/random.ts';
import { curl, ftpUrl } from './clients.ts';
import { interrupt, killSessions, PARTS, resetClients, resetConnections, type SshLine } from './cut.ts';
import { mustExec } from './exec.ts';
import { makeFile } from './files.ts';
import { type Lab, lab } from './lab.ts';
import { logLines } from './log.ts';
import { Program } from './program.ts';
import { holdings } from './sockets.ts';
import { LOGIN, sshferryArgv } from './ssh.ts';
import { startSshd } from './sshd.ts';
import { attempt, mayHang, TRANSFER_CLIENTS, type Transfer } from './transfer.ts';
import { YOU } from './users.ts';

/** Two keepalives of one second each without an answer, and a little. */
const DOWN_SECONDS = 4;

/** A forward of every sshferry of a run. */
export interface CutRoute {
  /** The forward, with `%` in place of its local port, such as `ftp/%:localhost:21`. */
  readonly forward: string;
  /** Bytes a second; null for as fast as it goes. */
  readonly pace: number | null;
  readonly sizes: readonly number[];
  /** How many of the transfers it gets. */
  readonly weight: number;
  /** How many of its clients speak TLS (listenTls), from 0 to 1. Default: 0. */
  readonly clientTls?: number;
}

export interface CutRunOptions {
  readonly cuts: number;
  readonly seed: number;
  readonly routes: readonly CutRoute[];
  /** So many sshferries at a time, each with an sshd of its own. */
  readonly lines: number;
  /** What logs in, by line. Default: ssh2. */
  readonly engines?: readonly string[];
  /** Besides those that cuts need. */
  readonly flags?: readonly string[];
  /** Whether clients' own connections are reset too. Default: no. */
  readonly resetsClients?: boolean;
  /** The file on host A of the authority that clients with TLS trust. */
  readonly ca?: string;
}

interface Line extends SshLine {
  readonly sshferry: Program;
  /** The local ports that lead to each route. */
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
  /** Whether the file is whole where it went. */
  readonly whole: boolean;
  /** Whether sshferry took it for one. */
  readonly complete: boolean;
  readonly output: string;
}

/** Cuts connections under transfers of real clients, and looks what they were told. */
export class CutRun {
  readonly #options: CutRunOptions;
  readonly #drawn: readonly number[];
  readonly #files = new Map<string, string>();
  readonly #lines: Line[] = [];
  readonly #programs: Program[] = [];
  readonly #verdicts: Verdict[] = [];
  readonly #comebacks: number[] = [];

  constructor(options: CutRunOptions) {
    this.#options = options;
    this.#drawn = options.routes.flatMap(({ weight }, n) => Array<number>(weight).fill(n));
  }

  /** Starts the sshds and sshferries. Settles when all listen. */
  async start({ hosts, pub }: Lab): Promise<void> {
    const { a, b } = hosts;
    const { routes, lines, engines = ['ssh2'], flags = [] } = this.#options;
    for (const size of routes.flatMap(({ sizes }) => sizes)) {
      const name = `cut-${size}.bin`;
      this.#files.set(name, makeFile(pub, name, size).sha256);
    }
    await mustExec(b.container, ['install', '-d', '-o', 'ferry', '/home/ferry/incoming/cut'], {
      user: 'root',
    });
    for (let i = 0; i < lines; i++) {
      const port = 2300 + i;
      // A connection that is gone without a word is noticed here too.
      const sshd = await startSshd(b, port, { ClientAliveInterval: '2', ClientAliveCountMax: '2' });
      this.#programs.push(sshd);
      const ports = routes.map((_, n) => 8300 + 10 * i + n);
      const argv = sshferryArgv(
        ...['--log-format', 'json', '-v', '-p', String(port), '-o', 'HostKeyAlias=yourserver'],
        ...['-o', 'ServerAliveInterval=1', '-o', 'ServerAliveCountMax=2', ...flags],
        ...['-o', `SshEngine=${engines[i % engines.length]}`],
        ...routes.flatMap(({ forward }, n) => ['-L', forward.replace('%', String(ports[n]))]),
        LOGIN,
      );
      const sshferry = await Program.start(a.container, argv, { user: YOU });
      this.#programs.push(sshferry);
      await sshferry.waitFor(new RegExp(`(?:"event":"forward\\.ready"(?:.|\\n)*){${routes.length}}`));
      this.#lines.push({ hosts, port, sshd: sshd.pid, sshferry, ports });
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.signal('KILL')));
  }

  /** Makes the cuts, and judges them. */
  async run(): Promise<void> {
    const { cuts, seed } = this.#options;
    const failures = () => this.#verdicts.filter(({ success }) => !success).length;
    const inside = () => this.#verdicts.filter(({ moment }) => moment === 'during').length;
    // Most cuts are to fall inside; a run that cut nothing would prove nothing. On a busy machine
    // more of them miss, and others are made.
    const enough = () => failures() > cuts / 2 && inside() > cuts / 4;
    let made = 0;
    await Promise.all(
      this.#lines.map(async (line, i) => {
        const random = seeded(seed + i);
        while (made < cuts || (made < 4 * cuts && !enough())) {
          made += 1;
          await this.#cutOnce(line, random, `${i}-${made}`);
        }
      }),
    );
    console.info(this.#summary());
    expect(this.#verdicts.filter(({ success, whole }) => success && !whole)).toEqual([]);
    expect(this.#verdicts.filter(({ complete, whole }) => complete && !whole)).toEqual([]);
    expect(this.#verdicts.filter(({ hung, excused }) => hung && !excused)).toEqual([]);
    expect(this.#verdicts).toHaveLength(2 * made);
    expect(failures()).toBeGreaterThan(cuts / 2);
    expect(inside()).toBeGreaterThan(cuts / 4);
  }

  /** Checks that the same processes are left, which hold only their listeners and SSH connections. */
  async leavesNothing(): Promise<void> {
    for (const { sshferry, ports, port } of this.#lines) {
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
  }

  /**
   * One download and one upload, a cut at a random moment, and then a listing that shows that
   * sshferry is back.
   */
  async #cutOnce(line: Line, random: () => number, name: string): Promise<void> {
    const { routes, ca } = this.#options;
    const transfers = (['download', 'upload'] as const).map((direction) => {
      const n = pick(random, this.#drawn);
      const size = pick(random, routes[n]?.sizes ?? []);
      const [own, theirs] = [`/tmp/cut-${name}.bin`, `cut-${size}.bin`];
      const seconds = size / (routes[n]?.pace ?? 60_000_000);
      const client = pick(random, TRANSFER_CLIENTS);
      const { clientTls = 0 } = routes[n] ?? {};
      const common = {
        ...{ client, direction, port: line.ports[n] ?? 0, size, seconds },
        ...(clientTls > 0 && random() < clientTls && { ca }),
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
    const strike = striker(line, random, this.#options.resetsClients === true);
    const outcomes = Promise.all(transfers.map((transfer) => attempt(line.hosts.a.container, transfer)));
    outcomes.catch(() => {});
    if (!early) await Promise.race([begun(line.sshferry, from), outcomes]);
    await delay(wait);
    const how = await strike();
    await outcomes;
    const struck = Date.now();
    const site = { host: 'localhost', port: line.ports[1] ?? 0 };
    await curl(line.hosts.a.container, '--list-only', ftpUrl(site, 'incoming/')).catch((error: Error) => {
      throw new Error(`${how}:\n${line.sshferry.stderr.slice(from)}`, { cause: error });
    });
    this.#comebacks.push(Date.now() - struck);

    for (const [i, outcome] of (await outcomes).entries()) {
      const transfer = transfers[i];
      if (transfer === undefined) continue;
      this.#verdicts.push(await this.#judge(line, transfer, outcome, { from, how }));
    }
  }

  async #judge(
    line: Line,
    transfer: Transfer & { size: number },
    { success, hung, sha256, output }: Awaited<ReturnType<typeof attempt>>,
    { from, how }: { from: number; how: string },
  ): Promise<Verdict> {
    const { a, b } = line.hosts;
    const { direction, client, size } = transfer;
    const verb = direction === 'download' ? 'RETR' : 'STOR';
    const events = logLines(line.sshferry, from).filter((event) => event.verb === verb);
    const end = events.find(({ event }) => event === 'transfer.end');
    // lftp puts the file again if it did not see the end of the first time.
    const complete = direction === 'upload' && client !== 'lftp' && end?.outcome === 'complete';
    const stored = `/home/ferry/${transfer.remote}`;
    const there =
      direction === 'download' || !(success || complete)
        ? null
        : await mustExec(b.container, ['sh', '-c', 'sha256sum "$1"; stat "$1"', 'sh', stored]);
    const got = there === null ? sha256 : there.slice(0, 64);
    if (direction === 'download') await mustExec(a.container, ['rm', '-f', transfer.local]);
    else await mustExec(b.container, ['rm', '-f', stored], { user: 'root' });

    const moment = () => {
      if (end === undefined) return 'before' as const;
      if (end.outcome === 'complete') return 'over' as const;
      return end.bytes === size ? ('after the last byte' as const) : ('during' as const);
    };
    return {
      what: `${how}: ${client}${transfer.ca === undefined ? '' : ' in TLS'}, ${direction} of ${size} bytes through ${transfer.port}, ${transfer.remote}`,
      moment: moment(),
      success,
      hung,
      excused: mayHang(transfer),
      complete,
      whole: got === this.#files.get(`cut-${size}.bin`),
      output:
        success || complete || hung
          ? `${output}\n${JSON.stringify(events, null, 1)}\n${there ?? ''}`
          : output,
    };
  }

  #summary(): string {
    const count = (test: (verdict: Verdict) => boolean) => this.#verdicts.filter(test).length;
    const kinds = new Map<string, number>();
    for (const { what } of this.#verdicts) {
      const kind = what.replace(/ .*/, '').replace(':', '');
      kinds.set(kind, (kinds.get(kind) ?? 0) + 0.5);
    }
    const sorted = [...this.#comebacks].sort((x, y) => x - y);
    return [
      `${this.#verdicts.length / 2} cuts (${[...kinds].map(([kind, n]) => `${kind} ${n}`).join(', ')}) under ${this.#verdicts.length} transfers, seed ${this.#options.seed}:`,
      `  before the transfer ${count(({ moment }) => moment === 'before')}, during it ${count(({ moment }) => moment === 'during')},`,
      `  between its last byte and 226 ${count(({ moment }) => moment === 'after the last byte')}, complete in spite of it ${count(({ moment }) => moment === 'over')}`,
      `  clients: ${count(({ success }) => success)} said success, ${count(({ success, whole }) => success && !whole)} of them wrongly; ${count(({ success }) => !success)} failure (${count(({ hung }) => hung)} came to no end)`,
      `  a new client was served after the median of ${sorted[sorted.length >> 1]} ms, at most ${sorted.at(-1)} ms`,
    ].join('\n');
  }
}

/** Decides how to cut. */
function striker(line: Line, random: () => number, resetsClients: boolean): () => Promise<string> {
  if (resetsClients && random() < 0.3) {
    const which = pick(random, ['one', 'all'] as const);
    return async () => `client's ${which} (${await resetClients(line, line.sshferry.pid, which)})`;
  }
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

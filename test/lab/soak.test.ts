/**
 * Six hours of use, compressed. What can leak does so by the piece: by the client connection, the
 * transfer, the keepalive, the key exchange, the reconnect. So the pieces come faster than in life,
 * and their number is what counts:
 *
 * - ServerAliveInterval is 1 s in place of 15 s: 24 minutes hold as many keepalives as six hours
 *   do.
 * - sshd asks for new keys after each MiB and after 5 s in place of each GiB.
 * - Clients of FTP, SMTP and POP3 work without a pause in each busy stretch, and are idle, but
 *   connected, in the others.
 * - The SSH connections are killed after each third round.
 *
 * SSHFERRY_SOAK_MINUTES=24 is the whole; without it vitest.config.ts leaves this file out. After
 * each round, when all clients have left, sshferry must hold the very descriptors, sockets and
 * timers that it held after the first ones, and its memory after a garbage collection must not rise
 * from round to round. Time alone is not compressed: what would happen after six hours on the
 * clock, and not after so many events, is not seen here.
 */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { killSessions } from './support/cut.ts';
import { exec } from './support/exec.ts';
import { describeLab, lab } from './support/lab.ts';
import { logLines } from './support/log.ts';
import { Program } from './support/program.ts';
import { type Holdings, holdings } from './support/sockets.ts';
import { LOGIN } from './support/ssh.ts';
import { startSshd } from './support/sshd.ts';
import { median, slope } from './support/trend.ts';
import { ferry, YOU } from './support/users.ts';

const MINUTES = Number(process.env.SSHFERRY_SOAK_MINUTES);
const PORT = 2360;
const [FTP, POP3, SMTP] = [8360, 8361, 8362];
const BUSY_SECONDS = 5;
/** Rounds before memory is looked at: compiled code and pools grow first. */
const WARM_UP = 3;
/**
 * What the memory in use may grow by from the first round that counts to the last, in bytes: less
 * than 1 KiB for each transfer.
 */
const ALLOWED_GROWTH = 1024 * 1024;

interface Sample {
  readonly rss: number;
  /** The heap in use and what it holds outside, after a garbage collection. */
  readonly live: number;
}
interface Rest extends Holdings {
  readonly resources: Readonly<Record<string, number>>;
}

let sshd: Program;
let sshferry: Program;
const done: Record<string, number> = {};
const samples: Sample[] = [];

describeLab(`${MINUTES} minutes of busy and idle clients, keepalives, rekeying and reconnects`, () => {
  beforeAll(async () => {
    sshd = await startSshd(lab().hosts.b, PORT, { RekeyLimit: '1M 5' });
    const argv = [
      ...['node', '--expose-gc', '--import', '/app/test/lab/support/probe.mjs', '/app/dist/cli.js'],
      ...['--log-format', 'json', '-v', '-p', String(PORT), '-o', 'HostKeyAlias=yourserver'],
      ...['-o', 'ServerAliveInterval=1', '-o', 'ConnectTimeout=20'],
      ...['-L', `ftp/${FTP}:localhost:21`, '-L', `pop3/${POP3}:localhost:110`],
      ...['-L', `smtp/${SMTP}:localhost:25`, LOGIN],
    ];
    sshferry = await Program.start(lab().hosts.a.container, argv, { user: YOU });
    await sshferry.waitFor(/(?:"event":"forward\.ready"(?:.|\n)*){3}/);
  });

  afterAll(async () => {
    await Promise.all([sshferry, sshd].map((program) => program?.signal('KILL')));
  });

  it('holds as much at the end as at the beginning', { timeout: (MINUTES * 2 + 5) * 60_000 }, async () => {
    const end = Date.now() + MINUTES * 60_000;
    await round(0);
    const atRest = await rest();
    for (let i = 1; Date.now() < end || samples.length < WARM_UP + 4; i++) {
      if (i % 3 === 0) await reconnect();
      await round(i);
      await vi.waitFor(async () => expect(await rest()).toEqual(atRest), { timeout: 20_000, interval: 500 });
      const { rss, live } = await probe();
      samples.push({ rss, live });
    }
    const counted = samples.slice(WARM_UP);
    const growth = slope(counted.map(({ live }) => live)) * (counted.length - 1);
    console.info(summary(counted, growth, atRest));
    expect(growth).toBeLessThan(ALLOWED_GROWTH);
    expect(sshferry.stderr).not.toMatch(/MaxListenersExceededWarning|^\s+at /m);
    expect(await sshferry.stop()).toBe(0);
  });
});

/** Clients come, work, idle and leave; adds what they did to `done`. */
async function round(i: number): Promise<void> {
  const idle = i % 8 === 7 ? 30 : 3;
  const login = [ferry.name, ferry.password];
  const argv = ['/app/test/lab/support/soak-round.py', ...[FTP, POP3, SMTP].map(String), ...login];
  const { code, stdout, stderr } = await exec(
    lab().hosts.a.container,
    ['python3', ...argv, String(BUSY_SECONDS), String(idle)],
    { user: YOU, timeout: 180 },
  );
  if (code !== 0) expect.fail(`a client failed in round ${i}:\n${stderr}\n${warnings()}`);
  for (const [what, number] of Object.entries(JSON.parse(stdout) as Record<string, number>)) {
    done[what] = (done[what] ?? 0) + number;
  }
}

/** What sshferry found worth a warning. */
function warnings(): string {
  const bad = logLines(sshferry).filter(({ level }) => level === 'warn' || level === 'error');
  return bad.map(({ time, msg }) => `${time} ${msg}`).join('\n');
}

async function reconnect(): Promise<void> {
  const from = sshferry.stderr.length;
  expect(await killSessions({ hosts: lab().hosts, port: PORT, sshd: sshd.pid }, 'all')).toBeGreaterThan(0);
  await vi.waitFor(
    () =>
      expect(
        logLines(sshferry, from).filter((line) => line.event === 'transport.state' && line.state === 'ready'),
      ).toHaveLength(1),
    { timeout: 60_000, interval: 100 },
  );
  done.reconnects = (done.reconnects ?? 0) + 1;
}

/** What the process holds while no client is there; the ports of connections are chance. */
async function rest(): Promise<Rest> {
  const held = await holdings(lab().hosts.a.container, sshferry.pid, YOU);
  const { resources } = await probe();
  return { ...held, connections: held.connections.map((line) => line.replace(/^\S+:\d+ /, '')), resources };
}

async function probe(): Promise<Sample & Pick<Rest, 'resources'>> {
  const from = sshferry.stderr.length;
  await sshferry.signal('USR2');
  return vi.waitFor(
    () => {
      const line = logLines(sshferry, from).find(({ event }) => event === 'probe');
      if (line === undefined) throw new Error('the probe did not answer');
      return line as unknown as Sample & Pick<Rest, 'resources'>;
    },
    { timeout: 20_000, interval: 20 },
  );
}

function summary(counted: readonly Sample[], growth: number, atRest: Rest): string {
  const mib = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(2)} MiB`;
  const third = Math.ceil(counted.length / 3);
  const trend = (of: (sample: Sample) => number) => {
    const values = counted.map(of);
    return `${mib(median(values.slice(0, third)))} in the first third, ${mib(median(values.slice(-third)))} in the last`;
  };
  const exchanges = logLines(sshferry).filter(({ event }) => event === 'ssh.handshake').length;
  const work = Object.entries(done).map(([what, number]) => `${Math.round(number)} ${what}`);
  return [
    `${MINUTES} minutes, ${samples.length + 1} rounds: ${work.join(', ')}, ${exchanges} key exchanges`,
    `  memory in use: ${trend(({ live }) => live)}; its trend over ${counted.length} rounds is ${mib(growth)}`,
    `  resident: ${trend(({ rss }) => rss)}`,
    `  at rest, each time: ${atRest.descriptors} descriptors, ${atRest.connections.length} connections, ${atRest.listeners.length} listeners, ${JSON.stringify(atRest.resources)}`,
  ].join('\n');
}

import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { killSessions, type SshLine, takeDown } from './support/cut.ts';
import { lines } from './support/docker.ts';
import { describeLab, lab } from './support/lab.ts';
import { logLines } from './support/log.ts';
import { Program } from './support/program.ts';
import { type Holdings, holdings } from './support/sockets.ts';
import { LOGIN, sshferryArgv } from './support/ssh.ts';
import { startSshd } from './support/sshd.ts';
import { ferry, YOU } from './support/users.ts';

/**
 * How often the connection is taken away. SSHFERRY_CYCLES=50 for a long run, in which the link
 * stays down for 40 s.
 */
const CYCLES = Number(process.env.SSHFERRY_CYCLES ?? 9);
const DOWN_SECONDS = CYCLES < 50 ? 5 : 40;
const PORT = 2350;
const [FTP, POP3] = [8350, 8351];

const KINDS = ['session killed', 'sshd restarted', 'link down'] as const;
type Kind = (typeof KINDS)[number];

/** The refusal that each protocol's clients get when they cannot be served. */
const REFUSALS = { ftp: /^421 sshferry: /, pop3: /^-ERR \[SYS\/TEMP\] / };

let sshd: Program;
let sshferry: Program;
let before: Holdings;
const programs: Program[] = [];
const comebacks: Record<Kind, number[]> = { 'session killed': [], 'sshd restarted': [], 'link down': [] };

describeLab(`an SSH connection that goes away ${CYCLES} times under FTP and POP3`, () => {
  beforeAll(async () => {
    sshd = await start();
    const argv = sshferryArgv(
      ...['--log-format', 'json', '-v', '-p', String(PORT), '-o', 'HostKeyAlias=yourserver'],
      ...['-o', 'ServerAliveInterval=1', '-o', 'ServerAliveCountMax=2', '-o', 'ConnectTimeout=3'],
      ...['-L', `ftp/${FTP}:localhost:21`, '-L', `pop3/${POP3}:localhost:110`, LOGIN],
    );
    sshferry = await Program.start(lab().hosts.a.container, argv, { user: YOU });
    programs.push(sshferry);
    await sshferry.waitFor(/(?:"event":"forward\.ready"(?:.|\n)*){2}/);
    before = await holdings(lab().hosts.a.container, sshferry.pid, YOU);
  });

  afterAll(async () => {
    await Promise.all(programs.map((program) => program.signal('KILL')));
  });

  it('reconnects each time by itself, and refuses clients in their protocol', {
    timeout: 3_600_000,
  }, async () => {
    const script = '/app/test/lab/support/working-clients.py';
    const argv = ['python3', script, String(FTP), String(POP3), ferry.name, ferry.password];
    const clients = await Program.start(lab().hosts.a.container, argv, { user: YOU });
    programs.push(clients);
    await served(clients, 0);
    for (let i = 0; i < CYCLES; i++) await cycle(kindOf(i), clients);
    await clients.signal('KILL');

    console.info(summary(clients));
    const said = lines(clients.stdout).filter((line) => !line.endsWith(' served'));
    const wrong = said.filter((line) => {
      const [name = '', , ...words] = line.split(' ');
      return !REFUSALS[name as keyof typeof REFUSALS].test(words.join(' '));
    });
    expect(wrong).toEqual([]);
    for (const name of Object.keys(REFUSALS)) {
      expect(said.filter((line) => line.startsWith(`${name} lost`)).length).toBeGreaterThanOrEqual(CYCLES);
      expect(said.filter((line) => line.startsWith(`${name} refused`)).length).toBeGreaterThan(0);
    }
  });

  it('is the same process, and holds the same resources as before the first client', async () => {
    await vi.waitFor(
      async () => {
        const after = await holdings(lab().hosts.a.container, sshferry.pid, YOU);
        expect(after.listeners).toEqual(before.listeners);
        expect(after.connections).toHaveLength(before.connections.length);
        expect(after.descriptors).toBe(before.descriptors);
      },
      { timeout: 20_000, interval: 500 },
    );
    expect(await sshferry.stop()).toBe(0);
    expect(sshferry.stderr).not.toMatch(/^\s+at /m);
  });
});

/** The link is not down as often: each time takes long. */
function kindOf(i: number): Kind {
  if (i % 9 === 4) return 'link down';
  return i % 2 === 0 ? 'session killed' : 'sshd restarted';
}

/** Takes the connection away, restores it, and waits until both clients are served again. */
async function cycle(kind: Kind, clients: Program): Promise<void> {
  const line: SshLine = { hosts: lab().hosts, port: PORT, sshd: sshd.pid };
  const [from, heard] = [sshferry.stderr.length, clients.stdout.length];
  let possible: number;
  if (kind === 'session killed') {
    expect(await killSessions(line, 'all')).toBeGreaterThan(0);
    possible = Date.now();
  } else if (kind === 'sshd restarted') {
    // The listener first: else a client could slip in.
    await sshd.signal('STOP');
    await killSessions(line, 'all');
    await sshd.signal('KILL');
    await sshd.exited;
    await delay(4000);
    sshd = await start();
    possible = Date.now();
  } else {
    const up = await takeDown(line);
    await delay(DOWN_SECONDS * 1000);
    await up();
    possible = Date.now();
  }
  await until(() => state(from, 'ready') !== null, `connects again after ${kind}`);
  expect(state(from, 'backoff')).not.toBeNull();
  comebacks[kind].push(Math.max(0, (state(from, 'ready') ?? 0) - possible));
  await served(clients, heard);
}

async function start(): Promise<Program> {
  const program = await startSshd(lab().hosts.b, PORT, {
    ClientAliveInterval: '2',
    ClientAliveCountMax: '2',
  });
  programs.push(program);
  return program;
}

/** When sshferry's connection came to that state, after the first `from` characters of its log. */
function state(from: number, name: 'ready' | 'backoff'): number | null {
  const found = logLines(sshferry, from).find(
    (line) => line.event === 'transport.state' && line.state === name,
  );
  return found ? Date.parse(found.time) : null;
}

async function served(clients: Program, from: number): Promise<void> {
  await until(
    () =>
      /^ftp served$/m.test(clients.stdout.slice(from)) && /^pop3 served$/m.test(clients.stdout.slice(from)),
    'serves both clients again',
  );
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 90_000;
  while (!condition()) {
    if (Date.now() > deadline) expect.fail(`sshferry never ${what}\n${sshferry.output.slice(-5000)}`);
    await Promise.race([delay(20), sshferry.exited.then(() => expect.fail(`it ended: ${sshferry.output}`))]);
  }
}

function summary(clients: Program): string {
  const count = (pattern: RegExp) => lines(clients.stdout).filter((line) => pattern.test(line)).length;
  const times = KINDS.map((kind) => {
    const sorted = [...comebacks[kind]].sort((a, b) => a - b);
    return `  ${kind}, ${sorted.length} times: connected again after the median of ${sorted[sorted.length >> 1]} ms, at most ${sorted.at(-1)} ms`;
  });
  return [
    `${CYCLES} cycles, the link down for ${DOWN_SECONDS} s:`,
    ...times,
    `  clients: ${count(/ served$/)} served, ${count(/ lost /)} told at the loss, ${count(/ refused /)} refused while there was no connection`,
  ].join('\n');
}

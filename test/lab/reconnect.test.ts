import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { EngineName } from '../../src/core/ssh/connection/about.ts';
import { killSessions, type SshLine, takeDown } from './support/cut.ts';
import { lines } from './support/docker.ts';
import { engines } from './support/engines.ts';
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
/** Each has a sshferry of its own; all of them suffer the same. SSHFERRY_ENGINE=openssh for one alone. */
const ENGINES = engines(['ssh2', 'openssh']);

const KINDS = ['session killed', 'sshd restarted', 'link down'] as const;
type Kind = (typeof KINDS)[number];

/** The refusal that each protocol's clients get when they cannot be served. */
const REFUSALS = { ftp: /^421 sshferry: /, pop3: /^-ERR \[SYS\/TEMP\] / };

/** A sshferry, and what has become of its connection and its clients. */
interface Subject {
  readonly engine: EngineName;
  readonly sshferry: Program;
  readonly ftp: number;
  readonly pop3: number;
  readonly before: Holdings;
  readonly comebacks: Record<Kind, number[]>;
}

/** A subject, and the program that is its clients. */
interface Served extends Subject {
  readonly clients: Program;
}

let sshd: Program;
const programs: Program[] = [];
const subjects: Subject[] = [];

describeLab(`SSH by ${ENGINES.join(' and ')} that goes away ${CYCLES} times under FTP and POP3`, () => {
  beforeAll(async () => {
    sshd = await start();
    for (const [i, engine] of ENGINES.entries()) subjects.push(await startSubject(engine, 8350 + 2 * i));
  });

  afterAll(async () => {
    await Promise.all(programs.map((program) => program.signal('KILL')));
  });

  it('reconnects each time by itself, and refuses clients in their protocol', {
    timeout: 3_600_000,
  }, async () => {
    const script = '/app/test/lab/support/working-clients.py';
    const served: Served[] = [];
    for (const subject of subjects) {
      const ports = [String(subject.ftp), String(subject.pop3)];
      const argv = ['python3', script, ...ports, ferry.name, ferry.password];
      const clients = await Program.start(lab().hosts.a.container, argv, { user: YOU });
      programs.push(clients);
      served.push({ ...subject, clients });
    }
    for (const subject of served) await serves(subject, 0);
    for (let i = 0; i < CYCLES; i++) await cycle(kindOf(i), served);

    for (const subject of served) {
      const { clients, engine } = subject;
      await clients.signal('KILL');
      console.info(summary(subject));
      const said = lines(clients.stdout).filter((line) => !line.endsWith(' served'));
      const wrong = said.filter((line) => {
        const [name = '', , ...words] = line.split(' ');
        return !REFUSALS[name as keyof typeof REFUSALS].test(words.join(' '));
      });
      expect(wrong, engine).toEqual([]);
      for (const name of Object.keys(REFUSALS)) {
        expect(said.filter((line) => line.startsWith(`${name} lost`)).length).toBeGreaterThanOrEqual(CYCLES);
        expect(said.filter((line) => line.startsWith(`${name} refused`)).length).toBeGreaterThan(0);
      }
    }
  });

  it.each(ENGINES)(
    '%s: is the same process, with the same resources as before the first client',
    async (engine) => {
      const subject = subjects.find((it) => it.engine === engine);
      if (subject === undefined) throw new Error('it was not started');
      const { sshferry, before } = subject;
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
    },
  );
});

async function startSubject(engine: EngineName, ftp: number): Promise<Subject> {
  const pop3 = ftp + 1;
  const argv = sshferryArgv(
    ...['--log-format', 'json', '-v', '-p', String(PORT), '-o', 'HostKeyAlias=yourserver'],
    ...['-o', 'ServerAliveInterval=1', '-o', 'ServerAliveCountMax=2', '-o', 'ConnectTimeout=3'],
    ...['-o', `SshEngine=${engine}`],
    ...['-L', `ftp/${ftp}:localhost:21`, '-L', `pop3/${pop3}:localhost:110`, LOGIN],
  );
  const sshferry = await Program.start(lab().hosts.a.container, argv, { user: YOU });
  programs.push(sshferry);
  await sshferry.waitFor(/(?:"event":"forward\.ready"(?:.|\n)*){2}/);
  const before = await holdings(lab().hosts.a.container, sshferry.pid, YOU);
  const comebacks = { 'session killed': [], 'sshd restarted': [], 'link down': [] };
  return { engine, sshferry, ftp, pop3, before, comebacks };
}

/** The link is not down as often: each time takes long. */
function kindOf(i: number): Kind {
  if (i % 9 === 4) return 'link down';
  return i % 2 === 0 ? 'session killed' : 'sshd restarted';
}

/** Takes the connections away, restores them, and waits until all clients are served again. */
async function cycle(kind: Kind, served: readonly Served[]): Promise<void> {
  const line: SshLine = { hosts: lab().hosts, port: PORT, sshd: sshd.pid };
  const marks = served.map(
    ({ sshferry, clients }) => [sshferry.stderr.length, clients.stdout.length] as const,
  );
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
  for (const [i, subject] of served.entries()) {
    const { sshferry, comebacks } = subject;
    const [from, heard] = marks[i] ?? [0, 0];
    await until(sshferry, () => state(sshferry, from, 'ready') !== null, `connects again after ${kind}`);
    expect(state(sshferry, from, 'backoff')).not.toBeNull();
    comebacks[kind].push(Math.max(0, (state(sshferry, from, 'ready') ?? 0) - possible));
    await serves(subject, heard);
  }
}

async function start(): Promise<Program> {
  const program = await startSshd(lab().hosts.b, PORT, {
    ClientAliveInterval: '2',
    ClientAliveCountMax: '2',
  });
  programs.push(program);
  return program;
}

/** When its connection came to that state, after the first `from` characters of its log. */
function state(sshferry: Program, from: number, name: 'ready' | 'backoff'): number | null {
  const found = logLines(sshferry, from).find(
    (line) => line.event === 'transport.state' && line.state === name,
  );
  return found ? Date.parse(found.time) : null;
}

async function serves({ sshferry, clients }: Served, from: number): Promise<void> {
  await until(
    sshferry,
    () =>
      /^ftp served$/m.test(clients.stdout.slice(from)) && /^pop3 served$/m.test(clients.stdout.slice(from)),
    'serves both clients again',
  );
}

async function until(sshferry: Program, condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 90_000;
  while (!condition()) {
    if (Date.now() > deadline) expect.fail(`sshferry never ${what}\n${sshferry.output.slice(-5000)}`);
    await Promise.race([delay(20), sshferry.exited.then(() => expect.fail(`it ended: ${sshferry.output}`))]);
  }
}

function summary({ engine, comebacks, clients }: Served): string {
  const count = (pattern: RegExp) => lines(clients.stdout).filter((line) => pattern.test(line)).length;
  const times = KINDS.map((kind) => {
    const sorted = [...comebacks[kind]].sort((a, b) => a - b);
    return `  ${kind}, ${sorted.length} times: connected again after the median of ${sorted[sorted.length >> 1]} ms, at most ${sorted.at(-1)} ms`;
  });
  return [
    `${engine}: ${CYCLES} cycles, the link down for ${DOWN_SECONDS} s:`,
    ...times,
    `  clients: ${count(/ served$/)} served, ${count(/ lost /)} told at the loss, ${count(/ refused /)} refused while there was no connection`,
  ].join('\n');
}

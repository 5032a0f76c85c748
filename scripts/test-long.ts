import { spawnSync } from 'node:child_process';

interface Long {
  /** About how long it takes on two idle cores. */
  readonly minutes: number;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const vitest = (project: string, file: string) => ['npx', 'vitest', 'run', '--project', project, file];

/** What `npm test` runs in a short version or not at all. */
const LONG: Readonly<Record<string, Long>> = {
  fuzz: { minutes: 15, command: ['npx', 'tsx', 'fuzz/control.ts', '--dialogues', '200000'] },
  hostile: {
    minutes: 5,
    command: vitest('inprocess', 'test/inprocess/hostile-sessions.test.ts'),
    env: { SSHFERRY_HOSTILE: '20000' },
  },
  floods: {
    minutes: 2,
    command: vitest('inprocess', 'test/inprocess/ftp/flood-latency.test.ts'),
    env: { SSHFERRY_FLOOD: '60' },
  },
  memory: {
    minutes: 10,
    command: vitest('inprocess', 'test/inprocess/resident-memory.test.ts'),
    env: { SSHFERRY_MEMORY: '20000' },
  },
  bench: {
    minutes: 1,
    command: vitest('inprocess', 'test/inprocess/bench.test.ts'),
    env: { SSHFERRY_BENCH: 'smoke' },
  },
  uploads: {
    minutes: 60,
    command: vitest('inprocess', 'test/inprocess/ftp/quick-clients.test.ts'),
    env: { SSHFERRY_UPLOADS: '10000' },
  },
  spool: {
    minutes: 15,
    command: vitest('inprocess', 'test/inprocess/sftp-forward/spool-kill.test.ts'),
    env: { SSHFERRY_SPOOL_KILLS: '60' },
  },
  strangers: {
    minutes: 60,
    command: vitest('inprocess', 'test/inprocess/ftp/strangers.test.ts'),
    env: { SSHFERRY_TRIES: '1000' },
  },
  matrix: {
    minutes: 7,
    command: vitest('lab', 'test/lab/matrix.test.ts'),
    env: { SSHFERRY_MATRIX: 'whole' },
  },
  'folder-matrix': {
    minutes: 5,
    command: vitest('lab', 'test/lab/folder-matrix.test.ts'),
    env: { SSHFERRY_MATRIX: 'whole' },
  },
  cycles: {
    minutes: 5,
    command: vitest('lab', 'test/lab/reconnect.test.ts'),
    env: { SSHFERRY_CYCLES: '50' },
  },
  'openssh-cuts': {
    minutes: 10,
    command: vitest('lab', 'test/lab/cuts.test.ts'),
    env: { SSHFERRY_CUTS: '100', SSHFERRY_ENGINE: 'openssh' },
  },
  openssh: {
    minutes: 3,
    command: vitest('lab', 'test/lab/main.test.ts'),
    env: { SSHFERRY_LAB_OPTIONS: 'SshEngine=openssh' },
  },
  cuts: { minutes: 20, command: vitest('lab', 'test/lab/cuts.test.ts'), env: { SSHFERRY_CUTS: '500' } },
  'tls-cuts': {
    minutes: 15,
    command: vitest('lab', 'test/lab/tls-cuts.test.ts'),
    env: { SSHFERRY_TLS_CUTS: '200' },
  },
  'folder-cuts': {
    minutes: 12,
    command: vitest('inprocess', 'test/inprocess/sftp-forward/cuts.test.ts'),
    env: { SSHFERRY_FOLDER_CUTS: '200' },
  },
  soak: {
    minutes: 24,
    command: vitest('lab', 'test/lab/soak.test.ts'),
    env: { SSHFERRY_SOAK_MINUTES: '24' },
  },
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in LONG));
if (unknown.length > 0) {
  console.error(`unknown test: ${unknown.join(', ')}; choose from ${Object.keys(LONG).join(', ')}`);
  process.exit(2);
}
const chosen = Object.entries(LONG).filter(([name]) => asked.length === 0 || asked.includes(name));
const total = chosen.reduce((sum, [, { minutes }]) => sum + minutes, 0);
console.log(
  `${chosen.map(([name, { minutes }]) => `${name}: ${minutes} min`).join(', ')}; in all about ${total} min`,
);

const failed: string[] = [];
for (const [name, { command, env }] of chosen) {
  const [program = '', ...args] = command;
  const { status } = spawnSync(program, args, { stdio: 'inherit', env: { ...env, ...process.env } });
  if (status !== 0) failed.push(name);
}
if (failed.length > 0) console.error(`failed: ${failed.join(', ')}`);
process.exit(failed.length > 0 ? 1 : 0);

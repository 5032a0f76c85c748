import { spawnSync } from 'node:child_process';

/** The tests whose length a variable sets, with the value of their long version. */
const LONG = {
  hostile: ['inprocess', 'test/inprocess/hostile-sessions.test.ts', { SSHFERRY_HOSTILE: '20000' }],
  floods: ['inprocess', 'test/inprocess/ftp/flood-latency.test.ts', { SSHFERRY_FLOOD: '60' }],
  memory: ['inprocess', 'test/inprocess/resident-memory.test.ts', { SSHFERRY_MEMORY: '20000' }],
  uploads: ['inprocess', 'test/inprocess/ftp/quick-clients.test.ts', { SSHFERRY_UPLOADS: '10000' }],
  strangers: ['inprocess', 'test/inprocess/ftp/strangers.test.ts', { SSHFERRY_TRIES: '1000' }],
  cycles: ['lab', 'test/lab/reconnect.test.ts', { SSHFERRY_CYCLES: '50' }],
  cuts: ['lab', 'test/lab/cuts.test.ts', { SSHFERRY_CUTS: '500' }],
  soak: ['lab', 'test/lab/soak.test.ts', { SSHFERRY_SOAK_MINUTES: '24' }],
} as const;

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in LONG));
if (unknown.length > 0) {
  console.error(`no such test: ${unknown.join(', ')}; choose from ${Object.keys(LONG).join(', ')}`);
  process.exit(2);
}

const failed: string[] = [];
for (const [name, [project, file, long]] of Object.entries(LONG)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  const env = { ...long, ...process.env };
  const { status } = spawnSync('npx', ['vitest', 'run', '--project', project, file], {
    stdio: 'inherit',
    env,
  });
  if (status !== 0) failed.push(name);
}
if (failed.length > 0) console.error(`failed: ${failed.join(', ')}`);
process.exit(failed.length > 0 ? 1 : 0);

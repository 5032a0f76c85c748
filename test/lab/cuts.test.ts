import { afterAll, beforeAll, it } from 'vitest';
import { runSeed } from '../support/random.ts';
import { CutRun } from './support/cut-run.ts';
import { engines } from './support/engines.ts';
import { describeLab, lab } from './support/lab.ts';
import { Program } from './support/program.ts';

/**
 * How often SSH is cut; each time under one download and one upload. SSHFERRY_CUTS=500 for a long
 * run.
 */
const CUTS = Number(process.env.SSHFERRY_CUTS ?? 16);
const SEED = runSeed();
/** What logs in, by line. SSHFERRY_ENGINE=openssh for a run with OpenSSH. */
const ENGINES = engines(['ssh2']);

/**
 * FTP servers by their pace: a slow one moves 64 KiB and then pauses, also between the last byte and
 * its 226.
 */
const SERVERS = [
  { port: 2121, pace: 256 * 1024, sizes: [40_000, 150_000, 400_000], weight: 3 },
  // More than the kernels' buffers: of an upload, some waits in sshd when all of it has left
  // sshferry.
  { port: 2122, pace: 2_000_000, sizes: [1_000_000, 8_000_000], weight: 2 },
  { port: 21, pace: null, sizes: [100_000_000], weight: 1 },
];

const servers: Program[] = [];
const run = new CutRun({
  ...{ cuts: CUTS, seed: SEED, lines: 6, engines: ENGINES },
  routes: SERVERS.map(({ port, ...route }) => ({ ...route, forward: `ftp/%:localhost:${port}` })),
});

describeLab(
  `SSH by ${ENGINES.join(' and ')} that is cut under a transfer, ${CUTS} times, seed ${SEED}`,
  () => {
    beforeAll(async () => {
      const { b } = lab().hosts;
      for (const { port, pace } of SERVERS) {
        if (pace === null) continue;
        const argv = ['vsftpd', '/etc/vsftpd.conf', `-olisten_port=${port}`, `-olocal_max_rate=${pace}`];
        servers.push(await Program.start(b.container, argv, { user: 'root' }));
      }
      await run.start(lab());
    });

    afterAll(async () => {
      await run.stop();
      await Promise.all(servers.map((server) => server.signal('KILL')));
    });

    it('never lets a client report success for an incomplete file', { timeout: 3_600_000 }, () => run.run());

    it('leaves the same processes, which hold only their listeners and SSH connections', () =>
      run.leavesNothing());
  },
);

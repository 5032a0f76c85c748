import { afterAll, beforeAll, it } from 'vitest';
import { makeAuthority } from '../support/certificates.ts';
import { runSeed } from '../support/random.ts';
import { CutRun } from './support/cut-run.ts';
import { mustExec } from './support/exec.ts';
import { writeFile } from './support/keys.ts';
import { describeLab, lab } from './support/lab.ts';
import type { Program } from './support/program.ts';
import { installPem, startTlsVsftpd } from './support/tls-servers.ts';
import { listening } from './support/topology.ts';
import { YOU } from './support/users.ts';

/** As in cuts.test.ts. SSHFERRY_TLS_CUTS=200 for a long run. */
const CUTS = Number(process.env.SSHFERRY_TLS_CUTS ?? 6);
const SEED = runSeed();

const CA = '/home/you/cuts-ca.pem';
const CERT = '/home/you/cuts-cert.pem';
const KEY = '/home/you/cuts-key.pem';

/** Servers that demand TLS, and that an upload ends by close_notify. */
const SERVERS = [
  { type: 'ftp+tls', port: 2131, pace: 256 * 1024, sizes: [40_000, 150_000, 400_000], weight: 3 },
  { type: 'ftp+tls', port: 2132, pace: 2_000_000, sizes: [1_000_000, 8_000_000], weight: 2 },
  { type: 'ftps', port: 2133, pace: 256 * 1024, sizes: [40_000, 150_000, 400_000], weight: 2 },
  { type: 'ftps', port: 2134, pace: null, sizes: [30_000_000], weight: 1 },
] as const;
/** A plain server, and a folder, for clients that speak TLS. */
const PLAIN = { pace: 60_000_000, sizes: [8_000_000, 30_000_000], weight: 1, clientTls: 1 };

const servers: Program[] = [];
const undo: (() => unknown)[] = [];
const run = new CutRun({
  ...{ cuts: CUTS, seed: SEED, lines: CUTS < 50 ? 4 : 6, resetsClients: true, ca: CA },
  flags: [
    ...['-o', `TlsCa=${CA}`, '-o', `ListenTlsCert=${CERT}`, '-o', `ListenTlsKey=${KEY}`],
    ...['-o', 'ListenTlsRequired=no'],
  ],
  routes: [
    ...SERVERS.map(({ type, port, ...route }) => ({
      ...{ ...route, forward: `${type}/%:localhost:${port}` },
      // TLS on both legs.
      clientTls: 0.5,
    })),
    { ...PLAIN, forward: '%:localhost:21' },
    { ...PLAIN, forward: '%:sftp:/home/ferry' },
  ],
});

describeLab(`connections in TLS that are cut under a transfer, ${CUTS} times, seed ${SEED}`, () => {
  beforeAll(async () => {
    const { a, b } = lab().hosts;
    const authority = await makeAuthority({ onTestFinished: (act) => void undo.push(act as () => unknown) });
    const issued = await authority.issue({ names: ['localhost', '127.0.0.1'] });
    await installPem(b, issued);
    await writeFile(a.container, CA, authority.cert, YOU);
    await writeFile(a.container, CERT, issued.cert, YOU);
    await writeFile(a.container, KEY, issued.key, YOU);
    await mustExec(a.container, ['chmod', '600', KEY]);
    for (const { type, port, pace } of SERVERS)
      servers.push(await startTlsVsftpd(b.container, type, { listen_port: port, local_max_rate: pace ?? 0 }));
    await listening(
      b.container,
      SERVERS.map(({ port }) => port),
    );
    await run.start(lab());
  });

  afterAll(async () => {
    await run.stop();
    await Promise.all(servers.map((server) => server.signal('KILL')));
    for (const act of undo) await act();
  });

  it('never lets a client report success for an incomplete file', { timeout: 3_600_000 }, () => run.run());

  it('leaves the same processes, which hold only their listeners and SSH connections', () =>
    run.leavesNothing());
});

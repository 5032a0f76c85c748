import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { PLUGINS } from '../../src/app/plugins.ts';
import { parse } from '../../src/cli/args/parse.ts';
import { readServeFlags } from '../../src/cli/args/serve-flags.ts';
import { readArguments } from '../../src/cli/args/source.ts';
import { mainCommand } from '../../src/cli/commands/main-command.ts';
import { formatEndpoint } from '../../src/core/endpoint.ts';
import { formatTarget } from '../../src/core/target.ts';
import { describeWith } from '../support/openssh.ts';
import { environment, Run } from './fakes.ts';

/** What a line for ssh does: its forwards, as `type listen → target`, and what else it says. */
interface Meaning {
  readonly forwards: readonly string[];
  /** -f */
  readonly background?: true;
  /** Without -N or -T, ssh opens a session. */
  readonly session?: true;
  /** Further settings of the server. */
  readonly server?: Readonly<Record<string, unknown>>;
}

const DYNAMIC = "client's choice";
const HOST = 'you@server.example.com';

/**
 * The lines for forwarding that people copy from answers, wikis and scripts. Each is written
 * without `ssh` in front, and split at blanks.
 */
const LINES: readonly (readonly [line: string, meaning: Meaning])[] = [
  [`-L 8080:localhost:80 ${HOST}`, { forwards: ['tcp 8080 → localhost:80'], session: true }],
  [`-N -L 8080:localhost:80 ${HOST}`, { forwards: ['tcp 8080 → localhost:80'] }],
  [`-fN -L 3306:localhost:3306 ${HOST}`, { forwards: ['tcp 3306 → localhost:3306'], background: true }],
  [`-fNT -L 5432:localhost:5432 ${HOST}`, { forwards: ['tcp 5432 → localhost:5432'], background: true }],
  [`-f -N -T -L 5432:db:5432 ${HOST}`, { forwards: ['tcp 5432 → db:5432'], background: true }],
  [`-NfL 8080:localhost:80 ${HOST}`, { forwards: ['tcp 8080 → localhost:80'], background: true }],
  [`-L 8080:localhost:80 -Nf ${HOST}`, { forwards: ['tcp 8080 → localhost:80'], background: true }],
  [`${HOST} -L 8080:localhost:80 -N`, { forwards: ['tcp 8080 → localhost:80'] }],
  [
    `-N -L 127.0.0.1:9000:intranet:443 -L 9001:intranet:22 ${HOST}`,
    { forwards: ['tcp 127.0.0.1:9000 → intranet:443', 'tcp 9001 → intranet:22'] },
  ],
  [
    `-N -g -L 8080:localhost:80 ${HOST}`,
    { forwards: ['tcp 8080 → localhost:80'], server: { gatewayPorts: true } },
  ],
  [`-N -L *:8080:localhost:80 ${HOST}`, { forwards: ['tcp *:8080 → localhost:80'] }],
  [`-N -L [::1]:8080:[2001:db8::1]:80 ${HOST}`, { forwards: ['tcp [::1]:8080 → [2001:db8::1]:80'] }],
  [
    `-o ServerAliveInterval=60 -o ExitOnForwardFailure=yes -N -f -L 8080:localhost:80 ${HOST}`,
    {
      forwards: ['tcp 8080 → localhost:80'],
      background: true,
      server: {
        options: [
          ['ServerAliveInterval', '60'],
          ['ExitOnForwardFailure', 'yes'],
        ],
      },
    },
  ],
  [
    `-NT -o ServerAliveInterval=30 -o ServerAliveCountMax=3 -R 8080:localhost:3000 ${HOST}`,
    { forwards: ['tcp remote 8080 → localhost:3000'] },
  ],
  [`-D 1080 ${HOST}`, { forwards: [`socks 1080 → ${DYNAMIC}`], session: true }],
  [`-D 1080 -f -C -q -N ${HOST}`, { forwards: [`socks 1080 → ${DYNAMIC}`], background: true }],
  [`-fND 1080 ${HOST}`, { forwards: [`socks 1080 → ${DYNAMIC}`], background: true }],
  [`-qTnN -D 8888 ${HOST}`, { forwards: [`socks 8888 → ${DYNAMIC}`] }],
  [`-D localhost:9999 -N ${HOST}`, { forwards: [`socks localhost:9999 → ${DYNAMIC}`] }],
  [`-ND *:1080 -p 2222 ${HOST}`, { forwards: [`socks *:1080 → ${DYNAMIC}`], server: { port: 2222 } }],
  [`-N -R 1080 ${HOST}`, { forwards: [`socks remote 1080 → ${DYNAMIC}`] }],
  [`-fN -R 2222:localhost:22 ${HOST}`, { forwards: ['tcp remote 2222 → localhost:22'], background: true }],
  [`-N -R 0.0.0.0:8080:localhost:80 ${HOST}`, { forwards: ['tcp remote 0.0.0.0:8080 → localhost:80'] }],
  [
    `-nNT -L /tmp/docker.sock:/var/run/docker.sock ${HOST}`,
    { forwards: ['tcp /tmp/docker.sock → /var/run/docker.sock'] },
  ],
  [`-NL 2375:/var/run/docker.sock ${HOST}`, { forwards: ['tcp 2375 → /var/run/docker.sock'] }],
  [
    `-fN -o StreamLocalBindUnlink=yes -L /tmp/pg.sock:localhost:5432 ${HOST}`,
    { forwards: ['tcp /tmp/pg.sock → localhost:5432'], background: true },
  ],
  [
    `-N -R /run/user/1000/gnupg/S.gpg-agent:/run/user/1000/gnupg/S.gpg-agent.extra ${HOST}`,
    {
      forwards: ['tcp remote /run/user/1000/gnupg/S.gpg-agent → /run/user/1000/gnupg/S.gpg-agent.extra'],
    },
  ],
  [
    `-J you@bastion.example.com -N -L 8080:localhost:80 ${HOST}`,
    {
      forwards: ['tcp 8080 → localhost:80'],
      server: { options: [['ProxyJump', 'you@bastion.example.com']] },
    },
  ],
  [
    `-i ~/.ssh/key.pem -N -L 3306:db.internal:3306 ${HOST}`,
    { forwards: ['tcp 3306 → db.internal:3306'], server: { identityFile: ['~/.ssh/key.pem'] } },
  ],
  [
    `-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -N -L 8080:localhost:80 ${HOST}`,
    { forwards: ['tcp 8080 → localhost:80'] },
  ],
  [
    `-4 -N -v -o ConnectTimeout=10 -o BatchMode=yes -L 8080:localhost:80 ${HOST}`,
    { forwards: ['tcp 8080 → localhost:80'], server: { addressFamily: 4 } },
  ],
  [
    `-fN -o ForkAfterAuthentication=yes -L 8080:localhost:80 ${HOST}`,
    { forwards: ['tcp 8080 → localhost:80'], background: true },
  ],
  [
    `-E /tmp/tunnel.log -fN -L 8080:localhost:80 -l you -p 22 server.example.com`,
    { forwards: ['tcp 8080 → localhost:80'], background: true, server: { user: 'you', port: 22 } },
  ],
  // The types that sshferry adds.
  [`-N -L 2121:localhost:21 ${HOST}`, { forwards: ['ftp 2121 → localhost:21'] }],
  [`-N -L 8110:localhost:110 ${HOST}`, { forwards: ['pop3 8110 → localhost:110'] }],
];

/** Lines that sshferry refuses, with the one line that says why. */
const REFUSED: readonly (readonly [line: string, why: RegExp])[] = [
  [
    `-fN -M -S /tmp/ctl -L 8080:localhost:80 ${HOST}`,
    /^sshferry: -M: sshferry cannot be an ssh master; omit it, and -S$/,
  ],
  [`-S /tmp/ctl -O exit ${HOST}`, /^sshferry: -O: connection sharing is not supported; sshferry stop/],
  [
    `-f -L 8080:localhost:80 ${HOST} sleep 10`,
    /^sshferry: sshferry does not run commands on the server; omit 'sleep 10', or use ssh$/,
  ],
  [`-W host:22 ${HOST}`, /^sshferry: -W: forwarding standard input is not supported; use ssh -W$/],
  [`-w 0:0 ${HOST}`, /^sshferry: -w: tunnel devices are not supported; use ssh -w$/],
  [`-X -L 8080:localhost:80 ${HOST}`, /^sshferry: -X: X11 forwarding is not supported; use ssh -X$/],
];

function read(line: string) {
  const command = mainCommand('1.0.0', []);
  parse(command, line.split(' '));
  const { config } = readArguments(command, environment({ plugins: PLUGINS }));
  return { config, ...readServeFlags(command) };
}

const show = ({ host, port }: { host: string | null; port: number }) =>
  host === null ? `${port}` : formatEndpoint({ host, port });

describe('a line for ssh means the same', () => {
  it.for(LINES)('%s', ([line, { forwards, background = false, session = false, server = {} }]) => {
    const { config, ...flags } = read(line);
    const shown = Object.values(config.forwards).map(
      ({ type, direction, listen, to }) =>
        `${type} ${direction === 'remote' ? 'remote ' : ''}${show(listen)} → ${formatTarget(to)}`,
    );
    expect(shown).toEqual(forwards);
    expect(flags.background).toBe(background);
    expect(Object.values(config.servers)).toMatchObject([{ session, ...server }]);
  });

  it.for(REFUSED)('or says why not: %s', async ([line, why]) => {
    const run = new Run(line.split(' '));
    expect(await run.status).toBe(2);
    expect(run.stderr.lines[0]).toMatch(why);
  });

  it('with -f, the process that goes to the background is started', async () => {
    let started = 0;
    const startInBackground = async () => {
      started += 1;
      return 7;
    };
    const run = new Run(['-fNT', '-L', '8080:localhost:80', HOST], { startInBackground });
    expect(await run.status).toBe(7);
    expect(started).toBe(1);
  });
});

describeWith(['ssh'], 'OpenSSH reads the same forwards', () => {
  const exec = promisify(execFile);
  it.for(LINES)('%s', async ([line, { forwards }]) => {
    const { stdout } = await exec('ssh', ['-F', 'none', '-G', ...line.split(' ')]);
    const dumped = stdout.split('\n').filter((row) => /^(local|remote|dynamic)forward /.test(row));
    const expected = Object.values(read(line).config.forwards).map(({ direction, listen, to }) => {
      const target = formatTarget(to);
      const from = show(listen).replace(/^\[?([^\]/]*)\]?:(\d+)$/, (_, host, port) => `[${host}]:${port}`);
      if (target === DYNAMIC && direction === 'local') return `dynamicforward ${from}`;
      const bracketed =
        target === DYNAMIC ? '[socks]:0' : target.replace(/^\[?([^\]/]*)\]?:(\d+)$/, '[$1]:$2');
      return `${direction}forward ${from} ${bracketed}`;
    });
    expect(expected).toHaveLength(forwards.length);
    // ssh repeats a local forward to a socket as a dynamic one.
    for (const row of expected) expect(dumped).toContain(row);
  });
});

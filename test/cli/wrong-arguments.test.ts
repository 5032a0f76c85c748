import { expect, test } from 'vitest';
import { Run } from './fakes.ts';

const L = ['-L', '8021:localhost:21'];
const HOST = 'me@yourserver.example.com';
const FORM = '[type/][bind_address:]port:host:hostport';
const EXAMPLE = 'such as sshferry -L 8021:localhost:21 you@yourserver.example.com';
const NO_HOST = `missing host; expected [user@]host, ${EXAMPLE}`;
const PORT = 'expected a number from 1 to 65535';

/** A command line and its error message, without the line that suggests --help. */
const WRONG: [argv: string[], told: string, help?: string][] = [
  [[], NO_HOST],
  [L, NO_HOST],
  [[HOST], `nothing to forward; add -L, -R or -D, ${EXAMPLE}`],
  [
    ['-L', '8021', HOST],
    `-L 8021: the host and its port are missing; expected ${FORM}, such as -L 8021:localhost:21`,
  ],
  [
    ['-L', '8021:localhost', HOST],
    `-L 8021:localhost: only two parts; expected ${FORM}, such as -L 8021:localhost:21`,
  ],
  [
    ['-L', '8021:a:2l', HOST],
    `-L 8021:a:2l: the target port '2l' is invalid; ${PORT}, such as -L 8021:localhost:21`,
  ],
  [
    ['-L', '70000:a:21', HOST],
    "-L 70000:a:21: the port to listen on '70000' is invalid; expected a number from 0 (any free port) to 65535, such as -L 8021:localhost:21",
  ],
  [
    ['-L', 'ftp:a:21', HOST],
    "-L ftp:a:21: the port to listen on is 'ftp'; use a number, and put the type before a slash, such as -L ftp/8021:a:21",
  ],
  [
    ['-L', 'fpt/8021:a:21', HOST],
    "-L fpt/8021:a:21: unknown type 'fpt' (did you mean ftp?); expected one of ftp, pop3, tcp, socks, such as -L 8021:localhost:21",
  ],
  [
    ['-L', '8021:::1:21', HOST],
    `-L 8021:::1:21: too many colons; expected ${FORM} with IPv6 addresses in brackets, such as -L 8021:[::1]:21`,
  ],
  [
    ['-L', '8080:./a.sock', HOST],
    "-L 8080:./a.sock: the target socket './a.sock' is not absolute; paths on the server have to be, such as -L 8080:/run/app.sock",
  ],
  [
    ['-L', '/tmp/a.sock:h:1', '-D', '/tmp/a.sock', HOST],
    '-D /tmp/a.sock: /tmp/a.sock is already used by -L /tmp/a.sock:h:1; give each forward its own path',
  ],
  [
    [...L, '-L', '8021:b:21', HOST],
    '-L 8021:b:21: port 8021 is already used by -L 8021:localhost:21; give each forward its own port',
  ],
  [
    ['-R', '2121x', HOST],
    "-R 2121x: the port to listen on '2121x' is invalid; expected a number from 0 (any free port) to 65535, such as -R 8021:localhost:21",
  ],
  [[HOST, '-L'], "option '-L <forward>' argument missing"],
  [
    [...L, '-o', 'FtpPrefech=yes', HOST],
    '-o FtpPrefech: unknown option (did you mean FtpPrefetch?); expected one of FtpActive, FtpPrefetch, FtpDataHost, FtpMaxDataPorts, FtpDataPorts',
  ],
  [[...L, '-o', 'FtpActive', HOST], '-o FtpActive: expected Key=Value, such as -o ConnectTimeout=10'],
  [[...L, '-o', 'FtpActive=never', HOST], '-o FtpActive=never: expected one of to-passive, refuse'],
  [[...L, '-o', 'DrainTimeout=2h', HOST], "-o DrainTimeout: expected a number from 0 to 3600, not '2h'"],
  [
    [...L, '-o', 'DataConnections=17', HOST],
    '-o DataConnections: expected a number from 0 to 16, not the number 17',
  ],
  [
    [...L, '-o', 'LocalUsers=a,,b', HOST],
    "-o LocalUsers: 'a,,b' is invalid; expected any, or user names or numeric uids, separated by commas",
  ],
  [[...L, '-p', '0', HOST], `-p 0: the port '0' is invalid; ${PORT}, such as -p 22`],
  [[...L, '-p', 'ssh', HOST], `-p ssh: the port 'ssh' is invalid; ${PORT}, such as -p 22`],
  [[...L, '--log-format', 'xml', HOST], '--log-format xml: expected pretty or json'],
  [[...L, '--log-fromat', 'json', HOST], "unknown option '--log-fromat' (Did you mean --log-format?)"],
  [[...L, '-Z', HOST], "unknown option '-Z'"],
  [[...L, '-46', HOST], '-4 and -6 exclude each other; use one of them'],
  [[...L, HOST, 'ls', '/'], "sshferry does not run commands on the server; omit 'ls /', or use ssh"],
  [
    ['-D', '1080:localhost:80', HOST],
    '-D 1080:localhost:80: a dynamic forward has no target; expected [bind_address:]port, such as -D 1080',
  ],
  [
    ['-D', '8021', ...L, HOST],
    '-D 8021: port 8021 is already used by -L 8021:localhost:21; give each forward its own port',
  ],
  [
    ['-E', '/nonexistent/log', ...L, HOST],
    "-E /nonexistent/log: cannot write the log: ENOENT: no such file or directory, open '/nonexistent/log'",
  ],
  [['stop', '--all', 'x'], 'stop --all x: use one of them', 'stop'],
  [[...L, 'you@'], '"you@" is not an SSH destination: the host is missing; write [user@]host'],
  [
    [...L, 'ssh://h:99999'],
    '"ssh://h:99999" is not an SSH destination: the port or the host is wrong; write ssh://[user@]host[:port]',
  ],
  [
    [...L, 'up'],
    'up is a subcommand and must come first, as in sshferry up (for a host of that name: ssh://up)',
  ],
  [['inti'], `nothing to forward (did you mean sshferry init?); add -L, -R or -D, ${EXAMPLE}`],
  [
    ['up'],
    'no config file found: looked for /nonexistent/sshferry.yaml and /nonexistent/.config/sshferry/sshferry.yaml; create one with sshferry init, or name one with -c FILE',
    'up',
  ],
  [['up', '--confg', 'x'], "unknown option '--confg' (Did you mean --config?)", 'up'],
  [['up', '-c', ''], '-c needs a file name, such as sshferry.yaml', 'up'],
  [['up', '-c'], "option '-c, --config <file>' argument missing", 'up'],
  [
    ['init', 'h'],
    'nothing to forward; add -L, such as sshferry init -L 8021:localhost:21 you@yourserver.example.com',
    'init',
  ],
  [
    ['check', '-c', 'x.yaml', '-p', '22', 'h'],
    '-c x.yaml names a config file, which excludes the flags of ssh; set the options in the file (for ciphers without a file: -o Ciphers=…)',
    'check',
  ],
];

test.each(WRONG)('%j', async (argv, told, help) => {
  const run = new Run(argv);
  expect(await run.status).toBe(2);
  expect(run.stdout.text).toBe('');
  const command = help === undefined ? 'sshferry' : `sshferry ${help}`;
  expect(run.stderr.lines).toEqual([`sshferry: ${told}`, `Try '${command} --help'.`]);
});

test('a config file that does not exist', async () => {
  const run = new Run(['up', '-c', 'other.yaml']);
  expect(await run.status).toBe(2);
  expect(run.stderr.lines).toEqual(['other.yaml: no such file; create one with sshferry init']);
});

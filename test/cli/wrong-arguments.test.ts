import { expect, test } from 'vitest';
import { Run } from './fakes.ts';

const L = ['-L', '8021:localhost:21'];
const HOST = 'me@yourserver.example.com';
const FORM = '[type/][bind_address:]port:host:hostport';
const EXAMPLE = 'such as sshferry -L 8021:localhost:21 you@yourserver.example.com';
const NO_HOST = `no host is given; expected [user@]host, ${EXAMPLE}`;
const PORT = 'expected a number from 1 to 65535';

/** A command line and all that is said of it, but for the line that leads to its --help. */
const WRONG: [argv: string[], told: string, help?: string][] = [
  [[], NO_HOST],
  [L, NO_HOST],
  [[HOST], `there is nothing to forward; expected -L or -R, ${EXAMPLE}`],
  [
    ['-L', '8021', HOST],
    `-L 8021: the host and its port are missing; expected ${FORM}, such as -L 8021:localhost:21`,
  ],
  [
    ['-L', '8021:localhost', HOST],
    `-L 8021:localhost: there are only two parts; expected ${FORM}, such as -L 8021:localhost:21`,
  ],
  [['-L', '8021:a:2l', HOST], `-L 8021:a:2l: the target port is '2l'; ${PORT}, such as -L 8021:localhost:21`],
  [
    ['-L', '70000:a:21', HOST],
    "-L 70000:a:21: the port to listen on is '70000'; expected a number from 0 (any free port) to 65535, such as -L 8021:localhost:21",
  ],
  [
    ['-L', 'ftp:a:21', HOST],
    "-L ftp:a:21: the port to listen on is 'ftp'; expected a number, and a type before a slash, such as -L ftp/8021:a:21",
  ],
  [
    ['-L', 'fpt/8021:a:21', HOST],
    "-L fpt/8021:a:21: there is no type 'fpt' (did you mean ftp?); expected one of ftp, pop3, tcp, such as -L 8021:localhost:21",
  ],
  [
    ['-L', '8021:::1:21', HOST],
    `-L 8021:::1:21: there are too many colons; expected ${FORM} with IPv6 addresses in brackets, such as -L 8021:[::1]:21`,
  ],
  [
    ['-L', '/tmp/a:localhost:21', HOST],
    `-L /tmp/a:localhost:21: Unix sockets cannot be forwarded; expected ${FORM}, such as -L 8021:localhost:21`,
  ],
  [
    [...L, '-L', '8021:b:21', HOST],
    '-L 8021:b:21: port 8021 is taken by -L 8021:localhost:21; expected a port of its own for each forward',
  ],
  [
    ['-R', '2121', HOST],
    `-R 2121: the host and its port are missing; expected ${FORM}, such as -R 8021:localhost:21`,
  ],
  [[HOST, '-L'], "option '-L <forward>' argument missing"],
  [
    [...L, '-o', 'FtpPrefech=yes', HOST],
    '-o FtpPrefech: there is no such option (did you mean FtpPrefetch?); expected one of FtpActive, FtpPrefetch, FtpDataHost, FtpMaxDataPorts, FtpDataPorts',
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
    "-o LocalUsers: 'a,,b': expected any, or user names or numeric uids, separated by commas",
  ],
  [[...L, '-p', '0', HOST], `-p 0: the port is '0'; ${PORT}, such as -p 22`],
  [[...L, '-p', 'ssh', HOST], `-p ssh: the port is 'ssh'; ${PORT}, such as -p 22`],
  [[...L, '--log-format', 'xml', HOST], '--log-format xml: expected pretty or json'],
  [[...L, '--log-fromat', 'json', HOST], "unknown option '--log-fromat' (Did you mean --log-format?)"],
  [[...L, '-Z', HOST], "unknown option '-Z'"],
  [[...L, '-46', HOST], '-4 and -6 exclude each other; expected one of them'],
  [[...L, HOST, 'ls', '/'], "sshferry runs no commands on the server; leave out 'ls /', or use ssh"],
  [
    ['-D', '1080', HOST],
    '-D: dynamic forwards (SOCKS) are not there; name each target with -L, or use ssh -D',
  ],
  [['-fN', ...L, HOST], '-f: sshferry stays in the foreground; run it as a service, or with & in the shell'],
  [[...L, 'you@'], '"you@" is not an SSH destination: the host is missing; write [user@]host'],
  [
    [...L, 'ssh://h:99999'],
    '"ssh://h:99999" is not an SSH destination: the port or the host is wrong; write ssh://[user@]host[:port]',
  ],
  [
    [...L, 'up'],
    'up is a subcommand; expected it before all else, as in sshferry up (a host of that name: ssh://up)',
  ],
  [['inti'], `there is nothing to forward (did you mean sshferry init?); expected -L or -R, ${EXAMPLE}`],
  [
    ['up'],
    'there is no config file: looked for /nonexistent/sshferry.yaml and /nonexistent/.config/sshferry/sshferry.yaml; write one with sshferry init, or name one with -c FILE',
    'up',
  ],
  [['up', '--confg', 'x'], "unknown option '--confg' (Did you mean --config?)", 'up'],
  [['up', '-c', ''], '-c names no file; expected one, such as sshferry.yaml', 'up'],
  [['up', '-c'], "option '-c, --config <file>' argument missing", 'up'],
  [
    ['init', 'h'],
    'there is nothing to forward; expected -L, such as sshferry init -L 8021:localhost:21 you@yourserver.example.com',
    'init',
  ],
  [
    ['check', '-c', 'x.yaml', '-p', '22', 'h'],
    '-c x.yaml names a config file, which says all that the other flags would; expected no flags of ssh beside it (ciphers: -o Ciphers=…)',
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

test('a config file that is not there', async () => {
  const run = new Run(['up', '-c', 'other.yaml']);
  expect(await run.status).toBe(2);
  expect(run.stderr.lines).toEqual(['other.yaml: there is no such file; write one with sshferry init']);
});

import { expect, test } from 'vitest';
import { formatMistakes, readConfigText } from '../../src/config/diagnose.ts';
import { plugins } from './plugins.ts';

const SERVERS = 'servers:\n  office: { host: yourserver.example.com }\n';
const FORWARDS = 'forwards:\n  files: { listen: 8021, server: office, to: localhost:21 }\n';
const GOOD = SERVERS + FORWARDS;
const more = (line: string) => `${GOOD}  more: { server: office, ${line} }\n`;
const server = (option: string) => GOOD.replace('.com', `.com, ${option}`);
const files = (option: string) => GOOD.replace(':21 ', `:21, ${option} `);

const EMPTY = '1:1: the file is empty; it needs servers and forwards (sshferry init writes both)';
const NO_SECRETS =
  'a config file must not contain secrets; remove this one: sshferry asks for it on the terminal, or log in with a key (identityFile)';
const FORWARD_KEYS = 'listen, server, to, type, direction, tls, listenTls, ftp, pop3, tcp, socks';

/** The mistake, the file, and its messages without the excerpt. */
const WRONG: [what: string, text: string, told: string | string[]][] = [
  ['nothing', '', EMPTY],
  ['a comment alone', '# servers:\n', EMPTY],
  ['a list', '- office\n', '1:1: expected servers and forwards, not a list (sshferry init writes both)'],
  ['text', 'ssh', "1:1: expected servers and forwards, not 'ssh' (sshferry init writes both)"],
  ['a tab', `${SERVERS}forwards:\n\tfiles: x\n`, '4:1: YAML does not allow tabs for indentation; use spaces'],
  [
    'no blank after a colon',
    `servers:\n  office:\n    host:x\n    user: y\n${FORWARDS}`,
    "3:5: not a key with a value; write 'key: value', with a space after the colon",
  ],
  [
    'the same in braces',
    GOOD.replace('host: ', 'host:'),
    '2:13: servers.office.host:yourserver.example.com: missing space after the colon; write host: yourserver.example.com',
  ],
  [
    'a brace that is not closed',
    GOOD.replace(':21 }', ':21'),
    '4:58: flow map in block collection must be sufficiently indented and end with a }; check brackets, quotes and indentation',
  ],
  [
    'an indentation that is too deep',
    `servers:\n  office:\n    host: a\n     user: b\n${FORWARDS}`,
    "3:11: a second ':' in this value, or the next line is indented too far; write one 'key: value' per line, and quote text that contains ': '",
  ],
  [
    'two documents',
    `${GOOD}---\nlog: {}\n`,
    '5:1: a second YAML document begins here; the file must be a single one',
  ],
  [
    'an alias',
    GOOD.replace('server: ', 'server: *'),
    '4:34: unknown anchor; define it before with &, or put the text in quotes',
  ],
  [
    'a key twice',
    `${GOOD}  files: { listen: 8110, server: office, to: localhost:110 }\n`,
    '5:3: duplicate key; use each key once',
  ],
  [
    'an unknown key of the file',
    `${GOOD}group: {}\n`,
    '5:1: group: unknown key (did you mean groups?); expected one of servers, forwards, groups, log, localUsers, drainTimeout',
  ],
  [
    'a key that is needed, misspelt',
    GOOD.replace('listen', 'lissten'),
    `4:12: forwards.files.lissten: unknown key (did you mean listen?); expected one of ${FORWARD_KEYS}`,
  ],
  [
    'an unknown option of a protocol',
    files('ftp: { prefech: true }'),
    '4:67: forwards.files.ftp.prefech: unknown key (did you mean prefetch?); expected one of active, prefetch, dataHost, maxDataPorts, dataPorts',
  ],
  ['no servers', FORWARDS, '1:1: servers is missing; expected keys with values'],
  [
    'a host where a server should be',
    GOOD.replace('{ host: yourserver.example.com }', 'yourserver.example.com'),
    "2:11: servers.office: expected keys with values, at least host, not 'yourserver.example.com'",
  ],
  [
    "-L's argument where a forward should be",
    GOOD.replace(/\{ listen.*\}/, '8021:localhost:21'),
    "4:10: forwards.files: expected keys with values, at least listen, server, not '8021:localhost:21'",
  ],
  [
    'one forward where a group should be',
    `${GOOD}groups: { all: files }\n`,
    "5:16: groups.all: expected a list, such as [mail-in, mail-out], not 'files'",
  ],
  [
    'an IPv6 address without brackets',
    GOOD.replace('localhost:21', '"::1:21"'),
    "4:46: forwards.files.to: '::1:21' has too many colons; put IPv6 addresses in [brackets]",
  ],
  [
    'aliases that multiply',
    `a: &a [${'x, '.repeat(100)}]\nb: &b [${'*a, '.repeat(100)}]\n${GOOD}`,
    '1:1: aliases (*name) expand to too much; write the values themselves',
  ],
  [
    'names that none can be',
    GOOD.replace('office:', '__proto__:')
      .replace('server: office', 'server: __proto__')
      .concat('  "": { listen: 8110, server: __proto__, to: localhost:110 }\n'),
    [
      "2:3: servers.__proto__: invalid name '__proto__'; use letters, digits, -, _ and ., such as mail-in",
      "5:3: forwards.: invalid name ''; use letters, digits, -, _ and ., such as mail-in",
    ],
  ],
  [
    'no target',
    GOOD.replace(', to: localhost:21', ''),
    '4:3: forwards.files: to is missing; expected text or keys with values, at least sftp, such as localhost:21',
  ],
  [
    'nothing to forward',
    `${SERVERS}forwards: {}\n`,
    '3:1: forwards: nothing to forward; add a forward, for example: files: { listen: 8021, server: NAME, to: localhost:21 }',
  ],
  [
    'an unknown server',
    GOOD.replace('server: office', 'server: ofice'),
    "4:34: forwards.files.server: unknown server 'ofice' (did you mean office?); expected one of office",
  ],
  [
    'an unknown forward in a group',
    `${GOOD}groups:\n  all: [files, mail]\n`,
    "6:16: groups.all[1]: unknown forward 'mail'; expected one of files",
  ],
  [
    'a group with the name of a forward',
    `${GOOD}groups: { files: [files] }\n`,
    '5:11: groups.files: files is already the name of a forward; choose another name for the group',
  ],
  [
    'a name that no command line can have',
    GOOD.replace('files:', 'you@files:'),
    "4:3: forwards.you@files: invalid name 'you@files'; use letters, digits, -, _ and ., such as mail-in",
  ],
  [
    'a port that is no number',
    GOOD.replace('8021', 'ftp'),
    "4:20: forwards.files.listen: the port to listen on 'ftp' is invalid; expected a number from 0 (any free port) to 65535",
  ],
  [
    'a port taken twice, under two names of one address',
    more('listen: 127.0.0.1:8021, to: localhost:110'),
    '5:35: forwards.more.listen: port 8021 is already used by files; give each forward its own port',
  ],
  [
    'a target without its port',
    GOOD.replace('localhost:21', 'localhost'),
    '4:46: forwards.files.to: the target port is missing; expected a number from 1 to 65535',
  ],
  [
    'a number for a target',
    GOOD.replace('localhost:21', '21'),
    '4:46: forwards.files.to: expected text or keys with values, at least sftp, such as localhost:21, not the number 21',
  ],
  [
    "another protocol's options",
    files('pop3: {}'),
    '4:66: forwards.files.pop3: the type of this forward is ftp; remove the options of pop3',
  ],
  [
    'an unknown protocol',
    files('type: gopher'),
    "4:66: forwards.files.type: expected one of ftp, pop3, tcp, socks, not 'gopher'",
  ],
  [
    'a server without a host',
    GOOD.replace('host: yourserver.example.com', ''),
    '2:3: servers.office: host is missing; expected text, such as yourserver.example.com',
  ],
  [
    'a host that none can be',
    GOOD.replace('yourserver', '"your server'.concat('"')).replace('".example.com', '.example.com"'),
    '2:19: servers.office.host: "your server.example.com" is not an SSH destination: the host name has invalid characters; write [user@]host',
  ],
  [
    'a port as text',
    server('port: ssh'),
    "2:49: servers.office.port: expected a number from 1 to 65535, not 'ssh'",
  ],
  [
    'a number for a name',
    server('user: 1001'),
    "2:49: servers.office.user: expected text, not the number 1001; put it in quotes: '1001'",
  ],
  ['yes for true', server('session: yes'), "2:52: servers.office.session: expected true or false, not 'yes'"],
  [
    'an option that ssh does not know',
    server('options: { Ciphrs: x }'),
    '2:54: servers.office.options.Ciphrs: there is no such option (did you mean Ciphers?); expected one of ssh_config(5)',
  ],
  [
    'an option of ssh that sshferry does not have',
    server('options: { ForwardAgent: true }'),
    '2:54: servers.office.options.ForwardAgent: ForwardAgent=yes is not supported: there is no shell to forward an agent to; leave it out',
  ],
  ['a password', server('password: hunter2'), `2:43: servers.office.password: ${NO_SECRETS}`],
  [
    'a level of the log',
    `${GOOD}log: { level: loud }\n`,
    "5:15: log.level: expected one of error, info, debug, trace, not 'loud'",
  ],
  [
    'a time',
    `${GOOD}drainTimeout: 5000\n`,
    '5:15: drainTimeout: expected a number from 0 to 3600, not the number 5000',
  ],
  [
    'users',
    `${GOOD}localUsers: [alice, "b;c"]\n`,
    "5:13: localUsers: 'alice,b;c' is invalid; expected any, or user names or numeric uids, separated by commas",
  ],
  [
    'everything at once, in order',
    'log: { levl: debug }\nservers:\n  office: { hst: a, passphrase: b }\nforwards:\n  files: { listen: 8021, server: home, to: x }\n  files: {}\n',
    [
      '1:8: log.levl: unknown key (did you mean level?); expected one of level, format',
      '3:13: servers.office.hst: unknown key (did you mean host?); expected one of host, user, port, identityFile, addressFamily, sshConfig, gatewayPorts, session, options, dataConnections, controlPath, sshEngine',
      `3:21: servers.office.passphrase: ${NO_SECRETS}`,
      '5:3: forwards.files: listen is missing; expected a number or text, such as 8021',
      '5:3: forwards.files: server is missing; expected text',
      '5:3: forwards.files: to is missing; expected text or keys with values, at least sftp, such as localhost:21',
      '6:3: duplicate key; use each key once',
    ],
  ],
];

test.each(WRONG)('%s', (_what, text, told) => {
  const reading = readConfigText(text, plugins);
  const mistakes = 'mistakes' in reading ? reading.mistakes : [];
  expect(mistakes.map(({ line, column, message }) => `${line}:${column}: ${message}`)).toEqual([told].flat());
});

test('the file that these are made from is valid', () => {
  expect(readConfigText(GOOD, plugins)).toHaveProperty('config');
});

const shown = (text: string) => {
  const reading = readConfigText(text, plugins);
  return 'mistakes' in reading ? formatMistakes('sshferry.yaml', text, reading.mistakes) : '';
};

test('each mistake is shown with its line and a mark', () => {
  expect(shown(GOOD.replace('listen', 'lissten')).split('\n')).toEqual([
    `sshferry.yaml:4:12: forwards.files.lissten: unknown key (did you mean listen?); expected one of ${FORWARD_KEYS}`,
    '    4 |   files: { lissten: 8021, server: office, to: localhost:21 }',
    '      |            ^',
  ]);
});

test.each([
  server('password: hunter2'),
  server('passwrd: "hunter2"'),
  server('port: x, Password: hunter2'),
  GOOD.replace('{ host', '{ token: hunter2 host'),
  `${GOOD}secret : hunter2\n`,
])('no secret is shown: %s', (text) => {
  expect(shown(text)).toMatch(/^sshferry\.yaml:\d+:\d+: /);
  expect(shown(text)).not.toContain('hunter2');
});

test('the mark is in the right column below wide characters', () => {
  const [, line = '', mark = ''] = shown(GOOD.replace('files', '日本').replace('listen', 'lissten')).split(
    '\n',
  );
  expect(line).toContain('日本: { lissten');
  expect(mark.indexOf('^')).toBe(line.indexOf('lissten') + 2);
});

test('a long line is cut around the mistake, and control characters are escaped', () => {
  const lines = shown(`${GOOD}x: "${'long '.repeat(100)}\\e"\n`.replace('x:', '\u0007x:')).split('\n');
  for (const line of lines.slice(1)) expect(line.length).toBeLessThan(120);
  expect(lines.join('')).not.toContain('\u0007');
});

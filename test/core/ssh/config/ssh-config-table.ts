import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { resolveSshOptions, type SshInput } from '../../../../src/core/ssh/config/ssh-config.ts';
import type { SshOptions } from '../../../../src/core/ssh/options.ts';

/** One ssh_config, and what it means. `DIR` in it is the folder that its further files are in. */
export interface ConfigCase {
  readonly config: string;
  /** Default: box */
  readonly host?: string;
  readonly o?: SshInput['o'];
  readonly flags?: SshInput['flags'];
  /** Further files by their name in the folder. */
  readonly files?: Readonly<Record<string, string | { readonly text: string; readonly mode: number }>>;
  /** How the options differ from those of an empty file. */
  readonly options?: Partial<SshOptions>;
  readonly local?: readonly string[];
  /** Not accepted, by ssh neither; sshferry's message. */
  readonly error?: RegExp;
}

const WAYWARD = 'nc "%h" # not a comment';

/** By what each is about. */
export const CONFIG_CASES: Readonly<Record<string, ConfigCase>> = {
  // Comments, blanks and keywords.
  'a comment behind a host name': { config: 'HostName 10.1.1.1   # c', options: { hostName: '10.1.1.1' } },
  'a comment behind a port': { config: 'Port 2222 # c', options: { port: 2222 } },
  'a comment needs a blank before it': { config: 'User a#b', options: { user: 'a#b' } },
  'a number with a comment stuck to it': { config: 'Port 25#x', error: /:1: Port: it cannot be '25#x'/ },
  'a comment line, with blanks before it': { config: '  # Port 1\n\t#Port 2\nPort 3', options: { port: 3 } },
  'an equals sign': {
    config: 'Port=2200\nUser = you\nHostKeyAlias\t=\tx',
    options: { port: 2200, user: 'you', hostKeyAlias: 'x' },
  },
  'two equals signs': { config: 'Port==24', error: /it cannot be '=24'/ },
  'blanks before and behind, and a form feed at the end': {
    config: '\t Port \t 2201 \t\f',
    options: { port: 2201 },
  },
  "Windows' line ends": { config: 'Port 5\r\nUser x\r\n', options: { port: 5, user: 'x' } },
  'keywords in any case': { config: 'pOrT 6\nUSER x', options: { port: 6, user: 'x' } },
  'a keyword in quotes': { config: '"Port" 26', options: { port: 26 } },
  'a byte order mark': { config: '\ufeffPort 5', error: /there is no such option/ },
  'no last line end, and none at all': { config: 'User x', options: { user: 'x' } },

  // Quotes and backslashes.
  'a path in double quotes': {
    config: 'IdentityFile "/k/my key"',
    options: { identityFile: ['/k/my key'], identityFileExplicit: true },
  },
  'a path in single quotes': {
    config: "IdentityFile '/k/my key'",
    options: { identityFile: ['/k/my key'], identityFileExplicit: true },
  },
  'a blank behind a backslash': {
    config: 'IdentityFile /k/my\\ key',
    options: { identityFile: ['/k/my key'], identityFileExplicit: true },
  },
  'a backslash within quotes': {
    config: 'IdentityFile "/k/my\\ \\"key\\\\"',
    options: { identityFile: ['/k/my\\ "key\\'], identityFileExplicit: true },
  },
  'a backslash that takes nothing away': {
    config: 'IdentityFile /k/a\\b',
    options: { identityFile: ['/k/a\\b'], identityFileExplicit: true },
  },
  'quotes in the middle': {
    config: `IdentityFile /k/"a b"'c d'e`,
    options: { identityFile: ['/k/a bc de'], identityFileExplicit: true },
  },
  'a hash in quotes': {
    config: 'IdentityFile "/k/#1"',
    options: { identityFile: ['/k/#1'], identityFileExplicit: true },
  },
  'a quotation without an end': { config: 'User "x', error: /a quotation does not end/ },
  'an apostrophe alone': { config: "User o'neil", error: /a quotation does not end/ },
  'a list with quotes': {
    config: 'UserKnownHostsFile "/a b" /c # d',
    options: { userKnownHostsFile: ['/a b', '/c'] },
  },
  'none in a list': { config: 'UserKnownHostsFile none /c', error: /none must stand alone/ },
  'no list at all': {
    config: 'UserKnownHostsFile none\nGlobalKnownHostsFile NONE',
    options: { userKnownHostsFile: [], globalKnownHostsFile: [] },
  },

  // Missing, superfluous and wrong values.
  'a value that is missing': { config: 'Port', error: /:1: Port: the value is missing/ },
  'nothing but an equals sign': { config: 'User =', error: /the value is missing/ },
  'an empty value': { config: 'BindAddress ""', error: /the value is missing/ },
  'two values': { config: 'HostName foo bar # x', error: /too many values: bar/ },
  'an unknown key': { config: 'Foo 1', error: /:1: Foo: there is no such option/ },
  'an unknown key for other hosts': {
    config: 'Host other\n Foo 1',
    error: /:2: Foo: there is no such option/,
  },
  'an unknown key that is to be ignored': {
    config: 'IgnoreUnknown Fo*,Bar\nFoo 1\nbar 2\nPort 3',
    options: { port: 3 },
  },
  'a key of former times': {
    config: 'Protocol 2,1\nCipher blowfish x\nRSAAuthentication yes\nPort 4',
    options: { port: 4 },
  },
  'a flag that is neither': {
    config: 'Host other\n Compression maybe',
    error: /:2: Compression: it cannot be 'maybe'/,
  },
  'a choice that there is not': { config: 'AddressFamily inet4', error: /it cannot be 'inet4'/ },
  'a count that is none': { config: 'ServerAliveCountMax -1', error: /it cannot be '-1'/ },
  'a time that is none': { config: 'ConnectTimeout x', error: /it cannot be 'x'/ },
  'a port out of range': { config: 'Port 70000', error: /Port 70000/ },
  'several mistakes': { config: 'Port x\nUser x\nFoo 1', error: /:1: .*; .*:3: / },
  'a forward with one value too many': { config: 'LocalForward 1 b:2 c', error: /too many values: c/ },

  // Which lines apply.
  'the first of each key': {
    config: 'Port 1\nPort 2\nHost box\nPort 3\nUser a\nHost *\nUser b',
    options: { port: 1, user: 'a' },
  },
  'patterns of a host': { config: 'Host a* b?x\nPort 1\nHost [b]ox\nPort 2', options: { port: 1 } },
  'a comma in a pattern': {
    config: 'Host box,other\nPort 1\nHost box # other\nPort 2',
    options: { port: 2 },
  },
  'patterns in quotes': { config: 'Host "box"\nPort 1\nHost "box other"\nUser x', options: { port: 1 } },
  'patterns in another case': {
    config: 'Host BOX\nPort 1\nHost Box\nPort 2',
    host: 'Box',
    options: { port: 2, hostName: 'box', host: 'Box' },
  },
  'a host in capitals, which is dialled in small letters': {
    config: 'HostName Box.Example.COM',
    options: { hostName: 'box.example.com' },
  },
  'an address in capitals': { config: 'HostName 2001:DB8::1', options: { hostName: '2001:DB8::1' } },
  'a negated pattern': {
    config: 'Host * !box\nPort 1\nHost !other\nPort 2\nHost !other *\nPort 3',
    options: { port: 3 },
  },
  'an empty pattern': { config: 'Host ""\nPort 1', error: /the value is missing/ },
  'Match by host': {
    config: 'HostName real.example.com\nMatch host *.example.com\nPort 1\nMatch originalhost BOX\nUser x',
    options: { hostName: 'real.example.com', port: 1, user: 'x' },
  },
  'Match by user': {
    config:
      'User you\nMatch user me,you host box\nPort 1\nMatch !user you\nCompression yes\nMatch all\nHostKeyAlias a',
    options: { user: 'you', port: 1, hostKeyAlias: 'a' },
  },
  'Match with an equals sign': {
    config: 'Match host=box\nPort 1\nMatch host box user=nobody-here\nUser x',
    options: { port: 1 },
  },
  'Match by nothing that there is': {
    config: 'Match colour red\nPort 1',
    error: /unknown criterion colour/,
  },
  'Match without a value': { config: 'Match host\nPort 1', error: /host has no value/ },

  // Proxies.
  'a ProxyCommand with quotes': {
    config: 'ProxyCommand "/opt/dir with space/nc" "%h" "%p"',
    options: { proxyCommand: '"/opt/dir with space/nc" "box" "22"' },
  },
  'a ProxyCommand in quotes as a whole': {
    config: 'ProxyCommand = "nc %h"',
    options: { proxyCommand: '"nc box"' },
  },
  'a ProxyCommand with a hash': {
    config: `ProxyCommand ${WAYWARD}  `,
    options: { proxyCommand: 'nc "box" # not a comment' },
  },
  'a ProxyCommand of -o': {
    config: '',
    o: [['ProxyCommand', '"/opt/dir with space/nc" "%h" "%p"']],
    options: { proxyCommand: '"/opt/dir with space/nc" "box" "22"' },
  },
  'other commands, which are as raw': {
    config:
      'Host *\nLocalCommand "a b" \'c # d\'\nPort 3\nHost other\nRemoteCommand "a" # it\'s\nKnownHostsCommand "/x y" %H',
    options: { port: 3 },
  },
  'a ProxyCommand with an open quotation': {
    config: 'Port 1\nProxyCommand nc "%h',
    error: /a quotation does not end/,
  },
  'a ProxyCommand of -o with an open quotation': {
    config: '',
    o: [['ProxyCommand', "nc it's"]],
    error: /quot/,
  },
  'a command with an open quotation, for other hosts': {
    config: "Host other\nLocalCommand it's",
    error: /:2: LocalCommand: a quotation does not end/,
  },
  'an open quotation in a comment behind a ProxyCommand': {
    config: "ProxyCommand nc # it's",
    options: { proxyCommand: "nc # it's" },
  },
  'no ProxyCommand': { config: 'ProxyCommand NONE\nProxyCommand nc', options: {} },
  'ProxyJump none, then a ProxyCommand': {
    config: 'ProxyJump none\nProxyCommand nc %h\nProxyJump jump',
    options: { proxyCommand: 'nc box' },
  },
  'no ProxyCommand, then a ProxyJump': { config: 'ProxyCommand none\nProxyJump jump', options: {} },
  'no ProxyJump twice': { config: 'ProxyJump none\nProxyJump jump', options: {} },
  'a ProxyCommand, then a ProxyJump': {
    config: 'ProxyCommand nc\nProxyJump jump',
    options: { proxyCommand: 'nc' },
  },
  'a ProxyJump without a host': { config: 'ProxyJump # x', error: /the value is missing/ },

  // Other files.
  'an Include': {
    config: 'Include DIR/more\nPort 2',
    files: { more: 'User a\nPort 1' },
    options: { port: 1, user: 'a' },
  },
  'several files of one Include, in their order': {
    config: 'Include "DIR/conf.d/*.conf" DIR/more',
    files: {
      'conf.d/20-b.conf': 'Port 2\nUser b',
      'conf.d/10-a.conf': 'Port 1',
      'conf.d/.hidden.conf': 'HostKeyAlias x',
      'conf.d/other': 'HostKeyAlias y',
      more: 'User c\nHostKeyAlias z',
    },
    options: { port: 1, user: 'b', hostKeyAlias: 'z' },
  },
  'an Include of nothing': { config: 'Include DIR/nothing DIR/none-*\nPort 2', options: { port: 2 } },
  'an Include for other hosts': {
    config: 'Host other\nInclude DIR/more\nHost *\nPort 2',
    files: { more: 'Port 1\nHost box\nPort 3' },
    options: { port: 2 },
  },
  'Host in an Include ends with it': {
    config: 'Include DIR/more\nUser a',
    files: { more: 'Host other\nPort 1' },
    options: { user: 'a' },
  },
  'a file that others can write to': {
    config: 'Include DIR/more',
    files: { more: { text: 'Port 1', mode: 0o666 } },
    error: /bad owner or permissions on .*more/i,
  },
  'a mistake in an included file': {
    config: 'Host other\nInclude DIR/more',
    files: { more: 'Prot 1' },
    error: /more:1: Prot: there is no such option \(did you mean Port\?\)/,
  },

  // All the rest.
  forwards: {
    config: 'LocalForward 8080 localhost:80\nLocalForward "127.0.0.1:81" [::1]:82 # c',
    local: ['8080:localhost:80', '127.0.0.1:81:[::1]:82'],
    options: {},
  },
  'the same key twice': {
    config: 'IdentityFile /a\nIdentityFile /b\nIdentityFile /a',
    options: { identityFile: ['/a', '/b'], identityFileExplicit: true },
  },
  'no key': { config: 'IdentityFile none', options: { identityFile: [], identityFileExplicit: true } },
  'tokens of a host name': { config: 'HostName %h.x%%y', error: /host|token|HostName/i, host: 'bo;x' },
  'an unknown token of a host name': { config: 'HostName %q', error: /HostName: unknown token %q/ },
  'times, counts and flags': {
    config:
      'ServerAliveInterval 1m30s\nServerAliveCountMax 5\nConnectTimeout 2h\nConnectionAttempts 4\nNumberOfPasswordPrompts 0\nTCPKeepAlive No\nBatchMode TRUE\nSessionType none\nPubkeyAuthentication unbound\nStrictHostKeyChecking OFF\nChallengeResponseAuthentication no',
    options: {
      serverAliveInterval: 90,
      serverAliveCountMax: 5,
      connectTimeout: 7200,
      connectionAttempts: 4,
      numberOfPasswordPrompts: 0,
      tcpKeepAlive: false,
      batchMode: true,
      session: false,
      strictHostKeyChecking: 'no',
      kbdInteractiveAuthentication: false,
    },
  },
  'flags and -o before the file, the destination between': {
    config: 'Port 1\nUser a\nCompression no',
    flags: { port: 3, identityFile: ['/k/with "quotes" and \\'] },
    o: [
      ['Port', '4'],
      ['Compression', 'yes'],
      ['User', '"b c"'],
    ],
    host: 'me@box',
    options: {
      port: 3,
      user: 'b c',
      compression: true,
      identityFile: ['/k/with "quotes" and \\'],
      identityFileExplicit: true,
    },
  },
  'a list of algorithms in quotes': {
    config: 'Ciphers "aes256-ctr,aes128-ctr"',
    options: { ciphers: ['aes256-ctr', 'aes128-ctr'] },
  },
};

/**
 * Writes the files of a case into a folder and resolves it, by ssh or, without one on the PATH, by
 * sshferry itself.
 */
export async function resolveCase(dir: string, each: ConfigCase, env: NodeJS.ProcessEnv) {
  await mkdir(dir, { recursive: true });
  for (const [name, given] of Object.entries(each.files ?? {})) {
    const { text, mode } = typeof given === 'string' ? { text: given, mode: 0o600 } : given;
    const file = path.join(dir, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text.replaceAll('DIR', dir));
    await chmod(file, mode);
  }
  const configFile = path.join(dir, 'config');
  await writeFile(configFile, each.config.replaceAll('DIR', dir));
  return resolveSshOptions({
    destination: each.host ?? 'box',
    flags: { configFile, ...each.flags },
    o: each.o ?? [],
    env,
  });
}

/** One settings file, written by hand from the format, and what becomes of it. */
export interface ImportCase {
  readonly what: string;
  /** Its name; what is in it. UTF-16 if `utf16`. */
  readonly file: string;
  readonly text: string;
  readonly utf16?: boolean;
  /** `[user@]host` on the command line. */
  readonly destination?: string;
  readonly servers: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** `listen → type target, by server`. */
  readonly forwards: readonly string[];
  /** Parts of the messages about skipped settings, in order. */
  readonly skipped?: readonly (string | RegExp)[];
}

const REG = 'Windows Registry Editor Version 5.00\r\n\r\n';
const session = (name: string, ...lines: string[]) =>
  `[HKEY_CURRENT_USER\\Software\\SimonTatham\\PuTTY\\Sessions\\${name}]\r\n${lines.join('\r\n')}\r\n\r\n`;

export const PUTTY_REGISTRY: readonly ImportCase[] = [
  {
    what: 'FTP and mail of one server, in UTF-16 as regedit writes it',
    file: 'putty.reg',
    utf16: true,
    text: `${REG}${session(
      'Office%20mail',
      '"Present"=dword:00000001',
      '"HostName"="office.example.com"',
      '"Protocol"="ssh"',
      '"PortNumber"=dword:00000016',
      '"UserName"="kagami"',
      '"PortForwardings"="L8021=localhost:21,L8110=localhost:110,L8025=localhost:25"',
    )}`,
    servers: { 'Office-mail': { host: 'office.example.com', user: 'kagami' } },
    forwards: [
      '8021 → ftp localhost:21, by Office-mail',
      '8110 → pop3 localhost:110, by Office-mail',
      '8025 → smtp localhost:25, by Office-mail',
    ],
  },
  {
    what: 'another port, a user before the host, families, SOCKS and a remote forward',
    file: 'all.reg',
    text: `${REG}${session(
      'gate',
      '"HostName"="you@gate.example.com"',
      '"Protocol"="ssh"',
      '"PortNumber"=dword:000008ae',
      '"PortForwardings"="4L127.0.0.1:8022=files:2121,6L[::1]:8143=mail:143,D1080,R2222=localhost:22"',
    )}`,
    servers: { gate: { host: 'gate.example.com', user: 'you', port: 2222 } },
    forwards: [
      '127.0.0.1:8022 → tcp files:2121, by gate',
      '[::1]:8143 → imap mail:143, by gate',
      'remote 2222 → tcp localhost:22, by gate',
      '1080 → socks, by gate',
    ],
  },
  {
    what: 'several sessions, of which some forward nothing, are deleted, or are no SSH',
    file: 'many.reg',
    text: `${REG}${session('Default%20Settings', '"HostName"=""', '"PortForwardings"=""')}${session(
      'a',
      '"HostName"="a.example.com"',
      '"PortForwardings"="L8021=localhost:21"',
    )}${session('serial', '"Protocol"="serial"')}${session(
      'b',
      '"HostName"="b.example.com"',
      '"PortForwardings"="L8021=localhost:21,L8023=localhost:21"',
    )}`,
    servers: { a: { host: 'a.example.com' }, b: { host: 'b.example.com' } },
    forwards: ['8021 → ftp localhost:21, by a', '8023 → ftp localhost:21, by b'],
    skipped: [
      'serial: it is not an SSH session',
      'Default Settings: it has no forwards',
      /^b: 8021 to .*a listens/,
    ],
  },
  {
    what: 'compression, a jump host, and a key that only PuTTY reads',
    file: 'jump.reg',
    text: `${REG}${session(
      'inside',
      '"HostName"="inside.example.com"',
      '"UserName"="you"',
      '"Compression"=dword:00000001',
      '"ProxyMethod"=dword:00000006',
      '"ProxyHost"="gate.example.com"',
      '"ProxyUsername"="me"',
      '"ProxyPort"=dword:000007e6',
      '"PublicKeyFile"="C:\\\\keys\\\\own.ppk"',
      '"PortForwardings"="L8021=localhost:21"',
    )}`,
    servers: {
      inside: {
        host: 'inside.example.com',
        user: 'you',
        options: [
          ['Compression', 'yes'],
          ['ProxyJump', 'me@gate.example.com:2022'],
        ],
      },
    },
    forwards: ['8021 → ftp localhost:21, by inside'],
    skipped: [/the key C:\\keys\\own\.ppk: export it in PuTTYgen/],
  },
  {
    what: 'a proxy that ssh has no option for, other hosts let in, and a forwarding that is not understood',
    file: 'proxy.reg',
    text: `REGEDIT4\r\n\r\n${session(
      'shared',
      '"HostName"="shared.example.com"',
      '"ProxyMethod"=dword:00000003',
      '"ProxyHost"="proxy.example.com"',
      '"LocalPortAcceptAll"=dword:00000001',
      '"AddressFamily"=dword:00000001',
      '"PortForwardings"="L8995=mail.example.com:995,L8080"',
    )}`,
    servers: { shared: { host: 'shared.example.com', gatewayPorts: true, addressFamily: 4 } },
    forwards: ['8995 → tcp mail.example.com:995, by shared'],
    skipped: [/its proxy proxy\.example\.com/, /the forwarding L8080: not understood/],
  },
];

export const PUTTY_UNIX: readonly ImportCase[] = [
  {
    what: 'one FTP forward',
    file: 'office',
    text: 'Present=1\nHostName=office.example.com\nProtocol=ssh\nPortNumber=22\nUserName=you\nPortForwardings=L8021=localhost:21,\n',
    servers: { office: { host: 'office.example.com', user: 'you' } },
    forwards: ['8021 → ftp localhost:21, by office'],
  },
  {
    what: 'a name with a space, and another port',
    file: 'my%20gate',
    text: 'HostName=gate.example.com\nProtocol=ssh\nPortNumber=2222\nPortForwardings=D1080=,L8110=mail:110\n',
    servers: { 'my-gate': { host: 'gate.example.com', port: 2222 } },
    forwards: ['8110 → pop3 mail:110, by my-gate', '1080 → socks, by my-gate'],
  },
  {
    what: 'escaped separators',
    file: 'escaped',
    text: 'HostName=e.example.com\nPortForwardings=L127.0.0.1:8021\\=files:21,R*:8080=localhost:80\n',
    servers: { escaped: { host: 'e.example.com' } },
    forwards: ['127.0.0.1:8021 → ftp files:21, by escaped', 'remote *:8080 → tcp localhost:80, by escaped'],
  },
  {
    what: 'a key that OpenSSH reads',
    file: 'key',
    text: 'HostName=k.example.com\nPublicKeyFile=/home/you/.ssh/id_ed25519\nPortForwardings=L8143=localhost:143\n',
    servers: { key: { host: 'k.example.com', identityFile: ['/home/you/.ssh/id_ed25519'] } },
    forwards: ['8143 → imap localhost:143, by key'],
  },
  {
    what: 'IPv6 only',
    file: 'six',
    text: 'HostName=six.example.com\nAddressFamily=2\nPortForwardings=L8021=[2001:db8::21]:21\n',
    servers: { six: { host: 'six.example.com', addressFamily: 6 } },
    forwards: ['8021 → ftp [2001:db8::21]:21, by six'],
  },
];

const teraTerm = (...lines: string[]) => `[Tera Term]\r\nVersion=5.0\r\n[TTSSH]\r\n${lines.join('\r\n')}\r\n`;

export const TERA_TERM: readonly ImportCase[] = [
  {
    what: 'the latest host that it remembers',
    file: 'TERATERM.INI',
    text: `${teraTerm('Enabled=1', 'DefaultUserName=you', 'DefaultForwarding=L8021:localhost:21')}[Hosts]\r\nHost1=yourserver.example.com\r\nHost2=other.example.com\r\n`,
    servers: { teraterm: { host: 'yourserver.example.com', user: 'you' } },
    forwards: ['8021 → ftp localhost:21, by teraterm'],
  },
  {
    what: 'the host of the command line, and all kinds',
    file: 'teraterm.ini',
    destination: 'me@gate.example.com',
    text: teraTerm(
      'DefaultUserName=you',
      'DefaultForwarding=L127.0.0.1:8110:mail:110:1;R8080:localhost:80;D127.0.0.1:1080;X',
    ),
    servers: { teraterm: { host: 'gate.example.com', user: 'me' } },
    forwards: [
      '127.0.0.1:8110 → pop3 mail:110, by teraterm',
      'remote 8080 → tcp localhost:80, by teraterm',
      '127.0.0.1:1080 → socks, by teraterm',
    ],
    skipped: [/X11 forwarding/],
  },
  {
    what: 'a check of who the client is, X11',
    file: 'check.ini',
    text: `${teraTerm('DefaultForwarding=L8110:mail:110:1;X')}[Hosts]\r\nHost1=h.example.com:2222\r\n`,
    servers: { teraterm: { host: 'h.example.com', port: 2222 } },
    forwards: ['8110 → pop3 mail:110, by teraterm'],
    skipped: [/X11 forwarding: sshferry has none/],
  },
  {
    what: 'a key, in UTF-16 as version 5 writes it',
    file: 'five.ini',
    utf16: true,
    text: `${teraTerm('DefaultRSAPrivateKeyFile=C:\\Users\\you\\.ssh\\id_rsa', 'DefaultForwarding=L8025:localhost:25;D1080')}[Hosts]\r\nHost1=five.example.com\r\n`,
    servers: { teraterm: { host: 'five.example.com', identityFile: ['C:\\Users\\you\\.ssh\\id_rsa'] } },
    forwards: ['8025 → smtp localhost:25, by teraterm', '1080 → socks, by teraterm'],
  },
  {
    what: 'IPv6 and something that it does not have',
    file: 'odd.ini',
    destination: 'odd.example.com',
    text: teraTerm('DefaultForwarding=L[::1]:8021:[2001:db8::21]:21;Q1:2:3'),
    servers: { teraterm: { host: 'odd.example.com' } },
    forwards: ['[::1]:8021 → ftp [2001:db8::21]:21, by teraterm'],
    skipped: [/the forwarding Q1:2:3: not understood/],
  },
];

const winScp = (name: string, ...lines: string[]) => `[Sessions\\${name}]\r\n${lines.join('\r\n')}\r\n\r\n`;
const TUNNEL = ['Tunnel=1', 'TunnelHostName=gate.example.com', 'TunnelUserName=you'];

export const WINSCP: readonly ImportCase[] = [
  {
    what: 'FTP through a tunnel',
    file: 'WinSCP.ini',
    text: `[Configuration\\Interface]\r\nX=1\r\n${winScp('files', 'HostName=ftp.example.com', 'FSProtocol=5', ...TUNNEL)}`,
    servers: { files: { host: 'gate.example.com', user: 'you' } },
    forwards: ['8021 → ftp ftp.example.com:21, by files'],
  },
  {
    what: 'FTPS, explicit and implicit, with ports of their own',
    file: 'tls.ini',
    text: `${winScp('explicit', 'HostName=a.example.com', 'PortNumber=2121', 'FSProtocol=5', 'Ftps=3', 'TunnelLocalPortNumber=50121', ...TUNNEL)}${winScp('implicit', 'HostName=b.example.com', 'PortNumber=990', 'FSProtocol=5', 'Ftps=1', ...TUNNEL)}`,
    servers: {
      explicit: { host: 'gate.example.com', user: 'you' },
      implicit: { host: 'gate.example.com', user: 'you' },
    },
    forwards: [
      '50121 → ftp with TLS (upgrade) a.example.com:2121, by explicit',
      '8022 → ftp with TLS (implicit) b.example.com:990, by implicit',
    ],
  },
  {
    what: 'sessions without FTP or without a tunnel',
    file: 'other.ini',
    text: `${winScp('sftp', 'HostName=a.example.com', ...TUNNEL)}${winScp('straight', 'HostName=b.example.com', 'FSProtocol=5')}${winScp('good', 'HostName=c.example.com', 'FSProtocol=5', ...TUNNEL)}`,
    servers: { good: { host: 'gate.example.com', user: 'you' } },
    forwards: ['8021 → ftp c.example.com:21, by good'],
    skipped: [/^sftp: its protocol is not FTP/, /^straight: it has no tunnel/],
  },
  {
    what: 'a name in a folder, another SSH port, a key for PuTTY and a password',
    file: 'key.ini',
    text: winScp(
      'work/my%20files',
      'HostName=ftp.example.com',
      'FSProtocol=5',
      ...TUNNEL,
      'TunnelPortNumber=2222',
      'TunnelPublicKeyFile=C:%5Ckeys%5Cown.ppk',
      'TunnelPassword=A35C455E',
    ),
    servers: { 'workmy-files': { host: 'gate.example.com', user: 'you', port: 2222 } },
    forwards: ['8021 → ftp ftp.example.com:21, by workmy-files'],
    skipped: [/the key C:\\keys\\own\.ppk/, /the tunnel's password/],
  },
  {
    what: 'an IPv6 address',
    file: 'six.ini',
    text: winScp('six', 'HostName=2001:db8::21', 'FSProtocol=5', ...TUNNEL),
    servers: { six: { host: 'gate.example.com', user: 'you' } },
    forwards: ['8021 → ftp [2001:db8::21]:21, by six'],
  },
];

export const SSH_COMMANDS: readonly ImportCase[] = [
  {
    what: 'one line',
    file: 'tunnel.sh',
    text: '#!/bin/sh\n# my tunnel\nssh -N -L 8021:localhost:21 you@yourserver.example.com\n',
    servers: {
      'you@yourserver.example.com': { host: 'yourserver.example.com', user: 'you', session: false },
    },
    forwards: ['8021 → ftp localhost:21, by you@yourserver.example.com'],
  },
  {
    what: 'continued lines, quotes, and an end of the command',
    file: 'long.sh',
    text: 'exec ssh -o "ServerAliveInterval=60" \\\n  -i \'/home/you/my key\' \\\n  -L 8110:mail:110 gate.example.com & # to the background\n',
    servers: {
      'gate.example.com': {
        host: 'gate.example.com',
        identityFile: ['/home/you/my key'],
        options: [['ServerAliveInterval', '60']],
      },
    },
    forwards: ['8110 → pop3 mail:110, by gate.example.com'],
  },
  {
    what: 'autossh in a unit of systemd',
    file: 'tunnel.service',
    text: '[Service]\nExecStart=/usr/bin/autossh -M 0 -NT -o ExitOnForwardFailure=yes -L 8143:localhost:143 -p 2222 you@h.example.com\nRestart=always\n',
    servers: { 'you@h.example.com': { host: 'h.example.com', user: 'you', port: 2222, session: false } },
    forwards: ['8143 → imap localhost:143, by you@h.example.com'],
  },
  {
    what: 'several lines, of which one runs a command and one is invalid',
    file: 'notes.txt',
    text: 'ssh a.example.com uptime\nssh -fNT -L 8025:localhost:25 -D 1080 b.example.com\nssh -L nonsense c.example.com\n',
    servers: { 'b.example.com': { host: 'b.example.com', session: false } },
    forwards: ['8025 → smtp localhost:25, by b.example.com', '1080 → socks, by b.example.com'],
    skipped: [/^ssh a\.example\.com uptime: /, /^c\.example\.com: /],
  },
  {
    what: 'a jump host and a remote forward',
    file: 'jump.sh',
    text: 'nohup ssh -J me@gate.example.com -R 9000:localhost:9000 -L 8021:files:21 inside\n',
    servers: { inside: { host: 'inside', options: [['ProxyJump', 'me@gate.example.com']] } },
    forwards: ['8021 → ftp files:21, by inside', 'remote 9000 → tcp localhost:9000, by inside'],
  },
];

/** What broke once. */
export const SSH_COMMAND_FAULTS: readonly ImportCase[] = [
  {
    what: 'a redirection with a number',
    file: 'quiet.sh',
    text: 'ssh -N -L 8021:localhost:21 h.example.com 2>/dev/null\n',
    servers: { 'h.example.com': { host: 'h.example.com', session: false } },
    forwards: ['8021 → ftp localhost:21, by h.example.com'],
  },
  {
    what: 'autossh with its monitor port after another flag',
    file: 'auto.sh',
    text: 'autossh -f -M 20000 -N -L 8021:localhost:21 you@h.example.com\n',
    servers: { 'you@h.example.com': { host: 'h.example.com', user: 'you', session: false } },
    forwards: ['8021 → ftp localhost:21, by you@h.example.com'],
  },
  {
    what: 'addresses that collide though they are written otherwise, and two free ports that do not',
    file: 'two.sh',
    text: 'ssh -L 127.0.0.1:8021:localhost:21 -L 0:localhost:110 a.example.com\nssh -L 8021:localhost:21 -L 0:localhost:110 b.example.com\n',
    servers: { 'a.example.com': { host: 'a.example.com' }, 'b.example.com': { host: 'b.example.com' } },
    forwards: [
      '127.0.0.1:8021 → ftp localhost:21, by a.example.com',
      '0 → pop3 localhost:110, by a.example.com',
      '0 → pop3 localhost:110, by b.example.com',
    ],
    skipped: [/^b\.example\.com: 8021 to localhost:21: a\.example\.com listens there/],
  },
];

export const SSH_CONFIG: readonly ImportCase[] = [
  {
    what: 'one host',
    file: 'config',
    text: 'Host office\n  HostName office.example.com\n  User you\n  LocalForward 8021 localhost:21\n',
    servers: { office: { host: 'office' } },
    forwards: ['8021 → ftp localhost:21, by office'],
  },
  {
    what: 'all kinds of forwards, and hosts without any',
    file: 'config2',
    text: 'Host plain\n  HostName p.example.com\nHost gate\n  LocalForward 127.0.0.1:8110 mail:110\n  RemoteForward 9000 localhost:9000\n  DynamicForward 1080\nHost *\n  ServerAliveInterval 30\n',
    servers: { gate: { host: 'gate' } },
    forwards: [
      '127.0.0.1:8110 → pop3 mail:110, by gate',
      'remote 9000 → tcp localhost:9000, by gate',
      '1080 → socks, by gate',
    ],
  },
  {
    what: 'two names of one block, of which the second finds the port taken',
    file: 'config3',
    text: 'Host a b\n  LocalForward 8021 localhost:21\nHost b\n  LocalForward 8143 localhost:143\n',
    servers: { a: { host: 'a' }, b: { host: 'b' } },
    forwards: ['8021 → ftp localhost:21, by a', '8143 → imap localhost:143, by b'],
    skipped: [/^b: 8021 to localhost:21: a listens there/],
  },
  {
    what: 'keywords with =, in other cases, and patterns',
    file: 'config4',
    text: 'host="quoted" *.example.com !x\n  LOCALFORWARD=8025 localhost:25\n',
    servers: { quoted: { host: 'quoted' } },
    forwards: ['8025 → smtp localhost:25, by quoted'],
  },
  {
    what: 'a Unix socket as the target',
    file: 'config5',
    text: 'Host db\n  LocalForward 5432 /var/run/postgresql/.s.PGSQL.5432\n',
    servers: { db: { host: 'db' } },
    forwards: ['5432 → tcp /var/run/postgresql/.s.PGSQL.5432, by db'],
  },
];

/**
 * ssh(1)'s flags that sshferry does not have, so that a line typed for ssh either works as meant or is told why not. Flags
 * that take an argument are written with it.
 */

/** Flags that change nothing here: there is no shell, no terminal, no agent or X11 forwarding to turn off, no escape key. */
export const HARMLESS_FLAGS = ['-T', '-n', '-a', '-x', '-k', '-e <char>'] as const;

/** Flags that are short for an ssh_config option. */
export const OPTION_FLAGS: Readonly<Record<string, (value: string) => string>> = {
  '-C': () => 'Compression=yes',
  '-b <address>': (value) => `BindAddress=${value}`,
  '-c <ciphers>': (value) => `Ciphers=${value}`,
  '-J <destination>': (value) => `ProxyJump=${value}`,
  '-m <macs>': (value) => `MACs=${value}`,
};

/** Flags of which ssh makes something that sshferry does not, and what to do instead. */
export const UNSUPPORTED_FLAGS: Readonly<Record<string, string>> = {
  '-D <forward>': 'dynamic forwards (SOCKS) are not there; name each target with -L, or use ssh -D',
  '-f': 'sshferry stays in the foreground; run it as a service, or with & in the shell',
  '-t': 'sshferry opens no terminal on the server; leave it out, or use ssh',
  '-s': 'sshferry starts no subsystem for you; use ssh -s',
  '-A': 'sshferry forwards no agent; use ssh -A',
  '-X': 'sshferry forwards no X11; use ssh -X',
  '-Y': 'sshferry forwards no X11; use ssh -Y',
  '-K': 'sshferry has no GSSAPI; use a key or a password',
  '-M': 'sshferry shares no connection; leave it out',
  '-O <command>': 'sshferry shares no connection; end it with Ctrl-C',
  '-S <path>': 'sshferry shares no connection; leave it out',
  '-W <target>': 'sshferry does not forward standard input; use ssh -W',
  '-w <tunnel>': 'sshferry makes no network interfaces; use ssh -w',
  '-B <interface>': 'sshferry binds to addresses, not to interfaces; use -b with the address',
  '-E <file>': 'sshferry logs to standard error; write 2> and the file name',
  '-y': 'sshferry does not write to syslog; its log is on standard error',
  '-G': 'sshferry does not print its ssh_config; use ssh -G',
  '-Q <query>': 'sshferry has no queries; use ssh -Q',
  '-I <library>': 'sshferry reads no smart cards; put their keys into an agent',
  '-P <tag>': 'sshferry takes no tag; use -o with the options that the tag would set',
};

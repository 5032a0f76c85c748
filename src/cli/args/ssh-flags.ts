/**
 * Flags of ssh(1) that sshferry does not support itself. A command line for ssh works as meant, or
 * fails with a reason. Flags with an argument are written with it.
 */

/**
 * Flags without an effect: sshferry has no shell, terminal, escape key, agent or X11 forwarding to
 * turn off. `-f` and `-E` have one where a tunnel runs: see serve-flags.ts.
 */
export const HARMLESS_FLAGS = ['-T', '-n', '-a', '-x', '-k', '-e <char>', '-f', '-E <file>'] as const;

/** Flags that abbreviate an option of ssh_config. */
export const OPTION_FLAGS: Readonly<Record<string, (value: string) => string>> = {
  '-C': () => 'Compression=yes',
  '-I <library>': (value) => `PKCS11Provider=${value}`,
  '-K': () => 'GSSAPIAuthentication=yes',
  '-b <address>': (value) => `BindAddress=${value}`,
  '-c <ciphers>': (value) => `Ciphers=${value}`,
  '-J <destination>': (value) => `ProxyJump=${value}`,
  '-S <path>': (value) => `ControlPath=${value}`,
  '-m <macs>': (value) => `MACs=${value}`,
};

/** Flags that sshferry does not support, each with the reason and what to do instead. */
export const UNSUPPORTED_FLAGS: Readonly<Record<string, string>> = {
  '-t': 'sshferry does not open a terminal on the server; omit it, or use ssh',
  '-s': 'starting a subsystem is not supported; use ssh -s',
  '-A': 'agent forwarding is not supported; use ssh -A',
  '-X': 'X11 forwarding is not supported; use ssh -X',
  '-Y': 'X11 forwarding is not supported; use ssh -Y',
  '-M': 'sshferry cannot be an ssh master; omit it, and -S',
  '-O <command>': 'connection sharing is not supported; sshferry stop ends a running sshferry',
  '-W <target>': 'forwarding standard input is not supported; use ssh -W',
  '-w <tunnel>': 'tunnel devices are not supported; use ssh -w',
  '-B <interface>': 'binding to an interface is not supported; use -b with its address',
  '-y': 'logging to syslog is not supported; the log is on standard error',
  '-G': 'printing ssh_config is not supported; use ssh -G',
  '-Q <query>': 'queries are not supported; use ssh -Q',
  '-P <tag>': 'tags are not supported; use -o with the options that the tag would set',
};

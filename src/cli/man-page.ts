import type { Command, Option } from 'commander';
import { OPTION_FLAGS } from './args/ssh-flags.ts';

/** The content of sshferry(1). */
export interface ManPage {
  readonly version: string;
  /** `YYYY-MM-DD` */
  readonly date: string;
  readonly tunnel: Command;
  readonly subcommands: readonly { readonly name: string; readonly command: Command }[];
  /** The `-o` options that only sshferry has. */
  readonly options: readonly { readonly key: string; readonly description: string }[];
}

/** Returns sshferry(1) in the language of man(7), from the same definitions as `--help`. */
export function manPage({ version, date, tunnel, subcommands, options }: ManPage): string {
  const lines = [
    `.TH SSHFERRY 1 "${date}" "sshferry ${roff(version)}" "User Commands"`,
    '.SH NAME',
    `sshferry \\- ${roff(withoutStop(tunnel.description()))}`,
    '.SH SYNOPSIS',
    synopsis('', tunnel),
    ...subcommands.flatMap(({ name, command }) => ['.br', synopsis(name, command)]),
    '.SH DESCRIPTION',
    ...DESCRIPTION.flatMap((paragraph, index) => [...(index > 0 ? ['.PP'] : []), roff(paragraph)]),
    '.SH OPTIONS',
    ...optionItems(tunnel),
    '.PP',
    roff(`Also as in ssh: ${Object.keys(OPTION_FLAGS).join(', ')}.`),
    '.SH "OPTIONS OF \\-o"',
    roff(
      'The keys of ssh_config(5). Keys that have no effect on forwarding are accepted, with a note at -v. Keys that request something that sshferry does not support are an error. Beyond these:',
    ),
    ...options.flatMap(({ key, description }) => ['.TP', `.B ${roff(key)}`, roff(description)]),
    '.SH SUBCOMMANDS',
    ...subcommands.flatMap(({ name, command }) => [
      `.SS "${roff(`sshferry ${name}`)}"`,
      roff(`${capitalized(command.description())}.`),
      ...optionItems(command, tunnel),
    ]),
    ...SECTIONS.flatMap(([title, items]) => [
      `.SH "${roff(title)}"`,
      ...items.flatMap(([term, text]) => ['.TP', `.B ${roff(term)}`, roff(text)]),
    ]),
    '.SH "SEE ALSO"',
    '.BR ssh (1),',
    '.BR ssh_config (5)',
  ];
  return `${lines.join('\n')}\n`;
}

const DESCRIPTION = [
  'sshferry is ssh -L for FTP, POP3, SMTP and IMAP: clients connect to a local port, and their traffic crosses the network inside one SSH login. For FTP that includes the files: sshferry follows the control connection, rewrites the replies that name a data port, and opens each data connection through SSH as well.',
  'The default type of a forward depends on the port of its target: 21 ftp, 110 pop3, 25 and 587 smtp, 143 imap, otherwise tcp. For another port, write the type before the forward: -L ftp/8021:localhost:2121.',
  'For a target that demands TLS, the types ftps, pop3s, smtps, imaps and tcp+tls begin TLS with the first byte, and ftp+tls, pop3+starttls, smtp+starttls and imap+starttls by the command of the protocol: -L pop3s/8110:mail.example.com:995. Clients speak to sshferry without TLS. sshferry verifies the certificate by the name of the target; options that begin with Tls change that.',
  'With -D, clients name their targets by SOCKS (4, 4a, 5), and the SSH server resolves the names. -R without a target is the reverse. The path of a Unix socket can replace the port at either end of -L and -R.',
  'sshferry uses host keys, keys, the agent, ssh_config and known_hosts as ssh does. If the SSH connection drops, it reconnects.',
];

type Section = readonly [title: string, items: readonly (readonly [term: string, text: string])[]];

const SECTIONS: readonly Section[] = [
  [
    'EXIT STATUS',
    [
      ['0', 'stopped on request; the subcommand succeeded'],
      ['1', 'check: a forward fails; status: none is running, or not ready; reload, stop: none is running'],
      ['2', 'wrong usage or configuration'],
      ['130', 'interrupted by a signal; -f: before the forwards listened'],
      ['255', 'the SSH connection or a listener failed permanently'],
    ],
  ],
  [
    'SIGNALS',
    [
      ['SIGINT', 'stops sshferry; a second signal ends it immediately'],
      ['SIGTERM', 'lets clients finish within DrainTimeout, then stops sshferry'],
      ['SIGHUP', 'sshferry up: reads the config file again; otherwise stops sshferry'],
      ['SIGUSR1', "ignored: it does not open Node's debugger"],
    ],
  ],
  [
    'FILES',
    [
      ['./sshferry.yaml, ~/.config/sshferry/sshferry.yaml', 'the config file, without -c'],
      ['~/.ssh/config, ~/.ssh/known_hosts', 'as for ssh'],
    ],
  ],
  [
    'ENVIRONMENT',
    [
      ['XDG_CONFIG_HOME', 'replaces ~/.config'],
      ['XDG_RUNTIME_DIR, TMPDIR', 'folder of the socket of sshferry status: the first one that you own'],
      ['NETRC', 'replaces ~/.netrc, where check finds the FTP login'],
      ['SSH_AUTH_SOCK, SSH_ASKPASS, SSH_ASKPASS_REQUIRE', 'as for ssh'],
      ['NO_COLOR', 'if set, sshferry uses no colour'],
    ],
  ],
];

function synopsis(name: string, command: Command): string {
  const words = command.usage().replace('[options]', '[\\fIoptions\\fR]');
  return `\\fBsshferry${name === '' ? '' : ` ${roff(name)}`}\\fR ${words.replaceAll('-', '\\-')}`;
}

/**
 * Returns the options that `--help` shows, without those that `besides` describes in the same
 * words.
 */
function optionItems(command: Command, besides?: Command): string[] {
  const known = new Set(besides?.options.map(text));
  return command.options
    .filter((option) => !option.hidden && !known.has(text(option)))
    .flatMap((option) => ['.TP', `.B ${roff(option.flags)}`, roff(option.description)]);
}

function text({ flags, description }: Option): string {
  return `${flags} ${description}`;
}

function capitalized(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function withoutStop(words: string): string {
  return words.replace(/\.$/, '');
}

/**
 * Escapes text for man(7), so that it prints backslashes and hyphens as they are and no line is a
 * request.
 */
function roff(words: string): string {
  return words
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('~', '\\(ti')
    .replaceAll("'", '\\(aq')
    .replace(/^\./, '\\&.');
}

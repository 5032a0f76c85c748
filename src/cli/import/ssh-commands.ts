import { Command, CommanderError } from 'commander';
import { allForwards } from '../../config/load.ts';
import { GatewayError } from '../../core/errors.ts';
import { addLogFlags } from '../args/log-flags.ts';
import { addSshFlags, readSshArguments } from '../args/ssh-arguments.ts';
import type { Import, Imported } from './imported.ts';

/** The program's name in a line of a script, perhaps after others that run it. */
const SSH = /^(?:.*\/)?(?:ssh|sshferry)$/;
const AUTOSSH = /^(?:.*\/)?autossh$/;

/** Whether a line of the text runs ssh. */
export function isSshCommands(text: string): boolean {
  return commandsIn(text).length > 0;
}

/** Reads the lines of a shell script, or of a file of notes, that run ssh with forwards. */
export function readSshCommands(text: string): Import {
  const sessions: Imported[] = [];
  const skipped: string[] = [];
  for (const words of commandsIn(text)) {
    const line = `ssh ${words.join(' ')}`;
    try {
      const command = new Command('ssh')
        .argument('[destination]')
        .argument('[command...]')
        .exitOverride()
        .configureOutput({ writeErr: () => {}, writeOut: () => {} });
      addSshFlags(command);
      addLogFlags(command).parse(words, { from: 'user' });
      const { args } = readSshArguments(command);
      if (allForwards(args).length === 0) skipped.push(`${line}: it has no forwards`);
      else sessions.push({ name: args.destination, args, skipped: [] });
    } catch (error) {
      if (!(error instanceof GatewayError || error instanceof CommanderError)) throw error;
      const why = error instanceof GatewayError ? error.message : error.message.replace(/^error: /, '');
      skipped.push(`${line}: ${why}`);
    }
  }
  return { sessions, skipped };
}

/** Words that can precede the program: assignments, options, and programs that run others. */
const BEFORE = /^(\w+=.*|nohup|exec|setsid|sudo|env|-\S+)$/;

/** Returns the arguments of each ssh in a text, line by line. */
function commandsIn(text: string): string[][] {
  const lines = text.replace(/\\\r?\n/g, ' ').split(/\r?\n/);
  return lines.flatMap((line) => {
    const words = shellWords(line);
    const at = words.findIndex((word) => !BEFORE.test(word));
    const argv = words.slice(at + 1);
    if (SSH.test(words[at] ?? '')) return [argv];
    return AUTOSSH.test(words[at] ?? '') ? [withoutMonitor(argv)] : [];
  });
}

/** Drops autossh's own `-M port` or `-Mport`. */
function withoutMonitor(argv: readonly string[]): string[] {
  const at = argv.findIndex((word) => word.startsWith('-M'));
  return at < 0 ? [...argv] : argv.toSpliced(at, argv[at] === '-M' ? 2 : 1);
}

/** Splits a line as a shell does, up to a comment or the end of the command. Knows no variables. */
function shellWords(line: string): string[] {
  const words: string[] = [];
  const pattern = /\s*(\d*[<>]|[;&|#]|(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\;&|<>#])+)/gy;
  for (const [, word = ''] of line.matchAll(pattern)) {
    if (/^(\d*[<>]|[;&|#])$/.test(word)) break;
    words.push(
      word.replace(
        /'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)/g,
        (_, a, b, c) => a ?? b?.replace(/\\(["\\$`])/g, '$1') ?? c,
      ),
    );
  }
  // A systemd unit says ExecStart=/usr/bin/ssh.
  const [, program] = /^ExecStart=[-+!@:]*(.+)$/.exec(words[0] ?? '') ?? [];
  return program === undefined ? words : [program, ...words.slice(1)];
}

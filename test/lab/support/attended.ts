import { writeFile } from './keys.ts';
import { Program } from './program.ts';
import { sshferryArgv } from './ssh.ts';
import { YOU } from './users.ts';

const SCRIPT = '/tmp/attended.exp';

/** A question that appears on the terminal, as a Tcl regular expression, and the answer typed to it. */
export type Answer = readonly [question: string, answer: string];

/** Runs an attended sshferry. `flags` need at least one forward of FTP. */
export interface Attended {
  readonly flags: readonly string[];
  readonly answers: readonly Answer[];
  readonly env?: Record<string, string>;
}

/**
 * Starts sshferry at a terminal of its own in this container, where a person types the answers.
 * Settles when it forwards.
 */
export async function startAttended(
  container: string,
  { flags, answers, env = {} }: Attended,
): Promise<Program> {
  const program = await startAtTerminal(container, { flags, answers, env });
  await program.waitFor(/^READY/m);
  return program;
}

/** As `startAttended`, but settles at once; the terminal prints READY when sshferry forwards. */
export async function startAtTerminal(
  container: string,
  { flags, answers, env = {} }: Attended,
): Promise<Program> {
  const quoted = sshferryArgv('--log-format', 'pretty', ...flags)
    .map((word) => `{${word}}`)
    .join(' ');
  // A list of patterns has to begin on a line of its own.
  const expecting = (pattern: string, then: string) =>
    `expect {\n-re {${pattern}} {${then}}\ntimeout {exit 3}\neof {exit 4}\n}`;
  const script = [
    'set timeout 25',
    `spawn -noecho ${quoted}`,
    ...answers.map(([question, answer]) => expecting(question, `send -- {${answer}}; send "\\r"`)),
    expecting('control and data', ''),
    'puts "\\nREADY"',
    'set timeout -1',
    'expect eof',
  ].join('\n');
  // expect reads its script from a file: stdin is not its own.
  await writeFile(container, SCRIPT, script, YOU);
  return Program.start(container, ['expect', '-f', SCRIPT], { user: YOU, env: { TERM: 'dumb', ...env } });
}

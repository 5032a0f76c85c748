import type { Line } from '../../core/lines.ts';
import { type Command, hasStrayNul, parseCommand } from '../wire/command.ts';
import { CommandSplitter } from '../wire/command-splitter.ts';
import { stripTelnet } from '../wire/telnet.ts';
import { type Reply, reply } from './replies.ts';

/** A command that waits for its turn. */
export interface QueuedCommand {
  /** The command, or the reply to a line that is not a command. */
  readonly command: Command | Reply;
  /** The transfer that ran, its 150 sent, when the line was read; null if none did. */
  readonly during: number | null;
  /** This ABOR ended a transfer. */
  aborted: boolean;
}

const LF = 0x0a;

/**
 * The client's commands in their order. It reads no more lines from its input than it has room
 * for, so it holds `most` commands and the last chunk, however short the lines are.
 */
export class CommandQueue {
  readonly #limit: number;
  readonly #most: number;
  readonly #splitter: CommandSplitter;
  readonly #commands: QueuedCommand[] = [];
  /** A line that the splitter returned together with another. */
  readonly #lines: Line[] = [];
  #input: Uint8Array = new Uint8Array(0);

  /** `limit`: bytes of a command line. `most`: commands that wait. */
  constructor(limit: number, most: number) {
    this.#limit = limit;
    this.#most = most;
    this.#splitter = new CommandSplitter(limit);
  }

  /** Whether the queue has no room for another command. */
  get full(): boolean {
    return this.#commands.length >= this.#most;
  }

  /** Returns how many bytes are kept here. */
  get kept(): number {
    let kept = this.#splitter.kept + this.#input.length;
    for (const { command } of this.#commands) kept += 'bytes' in command ? command.bytes.length : 0;
    for (const line of this.#lines) kept += line.length;
    return kept;
  }

  /** Whether input is left that was not read because the queue was full. */
  get unread(): boolean {
    return this.#input.length > 0 || this.#lines.length > 0;
  }

  /** Whether nothing of the client is kept here, not even an unfinished line. */
  get isEmpty(): boolean {
    return this.#commands.length === 0 && !this.unread && this.#splitter.kept === 0;
  }

  get first(): QueuedCommand | undefined {
    return this.#commands[0];
  }

  /** Whether a command with this verb waits. */
  has(verb: string): boolean {
    return this.#commands.some(({ command }) => 'verb' in command && command.verb === verb);
  }

  /** The first ABOR that has not ended a transfer yet. */
  get abort(): QueuedCommand | undefined {
    return this.#commands.find((entry) => isAbort(entry) && !entry.aborted);
  }

  shift(): QueuedCommand | undefined {
    return this.#commands.shift();
  }

  /** Drops everything. */
  clear(): void {
    this.#commands.length = 0;
    this.#lines.length = 0;
    this.#input = new Uint8Array(0);
  }

  /** Takes the next bytes; `readLine` turns them into commands. */
  push(bytes: Uint8Array): void {
    this.#input = this.#input.length === 0 ? bytes : Buffer.concat([this.#input, bytes]);
  }

  /**
   * Reads on in the input, up to the end of a line at most, if there is room for a command; false
   * if nothing was read. `during`: the transfer that runs.
   */
  readLine(during: number | null): boolean {
    if (this.full || !this.unread) return false;
    if (this.#lines.length === 0) {
      const end = this.#input.indexOf(LF) + 1 || this.#input.length;
      this.#lines.push(...this.#splitter.push(this.#input.subarray(0, end)));
      this.#input = this.#input.subarray(end);
    }
    const line = this.#lines.shift();
    if (line !== undefined) this.#commands.push({ command: this.#parse(line), during, aborted: false });
    return true;
  }

  #parse(line: Line): Command | Reply {
    if (line === 'too-long') return reply(500, `Command line too long (over ${this.#limit} bytes)`);
    const command = parseCommand(stripTelnet(line));
    if (hasStrayNul(command.bytes)) return reply(501, 'NUL in command line');
    return command.verb === '' ? reply(500, 'Empty command') : command;
  }
}

function isAbort({ command }: QueuedCommand): boolean {
  return 'verb' in command && command.verb === 'ABOR';
}

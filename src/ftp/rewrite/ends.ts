import { GatewayError } from '../../core/errors.ts';
import { isPlain } from '../wire/command.ts';
import type { Side } from './action.ts';
import type { CommandIntake } from './command-intake.ts';
import type { Dialogue } from './dialogue.ts';
import type { Pending } from './pending.ts';
import type { Prefetch } from './prefetch.ts';
import type { ReplyIntake } from './reply-intake.ts';

/**
 * How long the commands of a client that has gone wait for the server's reply to an earlier one, in
 * milliseconds.
 */
const LAST_COMMANDS = 60_000;

/**
 * Which side has to wait, and when the end of a side is passed on: after all that the side has
 * said.
 *
 * A data connection that no transfer has used is dropped when its client can no longer use it.
 */
export class Ends {
  readonly #dialogue: Dialogue;
  readonly #commands: CommandIntake;
  readonly #replies: ReplyIntake;
  readonly #prefetch: Prefetch;
  /** Sides that have closed their writing half. */
  readonly #ended = { client: false, server: false };
  #lastCommandsExpired = false;

  constructor(dialogue: Dialogue, commands: CommandIntake, replies: ReplyIntake, prefetch: Prefetch) {
    this.#dialogue = dialogue;
    this.#commands = commands;
    this.#replies = replies;
    this.#prefetch = prefetch;
  }

  hasEnded(side: Side): boolean {
    return this.#ended[side];
  }

  /** A side has closed its writing half. */
  setEnded(side: Side): void {
    this.#ended[side] = true;
  }

  /** The client has gone, and the server has not replied to what its last commands wait for. */
  get lastCommandsExpired(): boolean {
    return this.#lastCommandsExpired;
  }

  /** Limits the time for which the commands of a client that has gone may wait. */
  limitLastCommands(): void {
    if (!this.keeps('client')) return;
    this.#dialogue.after(LAST_COMMANDS, () => {
      this.#lastCommandsExpired = true;
    });
  }

  /** Whether the lines of a side have to wait. */
  waits(side: Side): boolean {
    if (this.#dialogue.waits(side)) return true;
    if (side === 'client' && this.#dialogue.beginsTls) return true;
    const mayStillReply = !this.#lastCommandsExpired && !this.#serverHasSaidAll;
    return side === 'client' && mayStillReply && this.#dialogue.pending.some(isOwnRequest);
  }

  /** Whether lines of a side are held, or would be. */
  keeps(side: Side): boolean {
    return this.waits(side) || !(side === 'client' ? this.#commands : this.#replies).isEmpty;
  }

  /**
   * A client that has sent QUIT, or has ended, cannot use a data port that no transfer has used.
   * The port is dropped, because a server may wait for its end before it hangs up (pyftpdlib, after
   * QUIT).
   */
  dropUnused(): void {
    const { ports, pending } = this.#dialogue;
    const silent = this.#ended.client && !this.keeps('client');
    const gone = pending.head?.verb === 'QUIT' || (silent && !pending.some(mayUseData));
    if (!gone) return;
    ports.dropUnused(new GatewayError('ABANDONED', 'the client has gone without using it'));
    this.#prefetch.turnOff('the client has gone');
  }

  /** Passes the end of each side on, if nothing that the side has said is held. */
  pass(): void {
    if (this.#dialogue.closed) return;
    if (this.#ended.client && !this.keeps('client')) this.#dialogue.end('server');
    if (this.#ended.server && !this.keeps('server')) this.#dialogue.end('client');
  }

  get #serverHasSaidAll(): boolean {
    return this.#ended.server && this.#replies.isEmpty;
  }
}

/**
 * Whether sshferry has asked the server something else than the client asked. Later commands wait
 * for the reply: their own replies would come in another order than the client expects.
 */
function isOwnRequest(entry: Pending): boolean {
  if (entry.kind === 'port') return entry.client !== null || entry.refusal !== null;
  return entry.kind === 'remote' && entry.refusal !== null;
}

/** Whether the command may use the data port that was agreed upon, or ask for another. */
function mayUseData(entry: Pending): boolean {
  if (entry.kind === 'passed') return !isPlain(entry.verb);
  return entry.kind === 'transfer' || entry.kind === 'port' || entry.kind === 'remote';
}

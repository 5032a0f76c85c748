import { injected } from '../../core/client-tls.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Command } from '../wire/command.ts';
import { ControlSecurity, SECURITY_FEATURES, type SecurityReply } from '../wire/security.ts';
import { reply } from '../wire/words.ts';
import type { CommandIntake } from './command-intake.ts';
import type { Dialogue } from './dialogue.ts';

/**
 * TLS with the client: answers its commands about it, of which the server sees nothing. Does
 * nothing if the forward has no certificate for clients.
 */
export class ClientSecurity {
  readonly #dialogue: Dialogue;
  readonly #commands: CommandIntake;
  readonly #security: ControlSecurity | null;

  constructor(dialogue: Dialogue, commands: CommandIntake) {
    this.#dialogue = dialogue;
    this.#commands = commands;
    const { clientTls } = dialogue.policy;
    this.#security = clientTls && new ControlSecurity(clientTls);
  }

  /** The lines that a reply to FEAT gets. */
  get features(): Uint8Array {
    const lines = this.#security === null ? [] : SECURITY_FEATURES;
    return Buffer.from(lines.map((feature) => ` ${feature}\r\n`).join(''), 'latin1');
  }

  /** Answers a command about TLS, or one that is refused without it. Returns false for any other. */
  onCommand({ verb, argument }: Command): boolean {
    const answer = this.#security?.onCommand(verb, argument) ?? null;
    if (answer !== null) this.#answer(verb, answer);
    return answer !== null;
  }

  /** Replies when the turn has come; what follows the reply takes effect then. */
  #answer(verb: string, { code, text, effect }: SecurityReply): void {
    const bytes = reply(code, `sshferry: ${text}`);
    if (effect === null) return this.#dialogue.replyLocally(verb, bytes);
    if (effect === 'begin') {
      this.#dialogue.beginsTls = true;
      return this.#dialogue.replyLocally(verb, bytes, () => this.#begin(bytes));
    }
    this.#dialogue.replyLocally(verb, bytes, () => {
      // The client expects the new kind of connection, also on a port that it asked for before.
      this.#dialogue.ports.dropUnused(new GatewayError('ABANDONED', 'the protection of data was changed'));
      this.#dialogue.emit({ type: 'protect', on: effect === 'protect' });
      return true;
    });
  }

  #begin(bytes: Uint8Array): boolean {
    this.#dialogue.beginsTls = false;
    if (this.#commands.hasMore) this.#dialogue.close(injected());
    else this.#dialogue.emit({ type: 'secure', reply: bytes });
    return false;
  }
}

import type { Endpoint } from '../../core/endpoint.ts';
import { reply } from '../wire/words.ts';
import type { Side } from './action.ts';
import { type DataPort, whyCut } from './data-ports.ts';
import type { Dialogue, Resume } from './dialogue.ts';

/** Opens data ports for the commands that ask for one, within the limit of the session. */
export class DataPortOpener {
  readonly #dialogue: Dialogue;

  constructor(dialogue: Dialogue) {
    this.#dialogue = dialogue;
  }

  /**
   * Waits for the port; one that cannot be had is dropped, with the reason that it failed for
   * first.
   */
  whenBound(port: DataPort, side: Side, then: Resume): void {
    this.#dialogue.wait(side, port.id, (result) => {
      if ('endpoint' in result) return then(result);
      const error = whyCut(port) ?? result.error;
      this.#dialogue.ports.drop(port, error);
      then({ error });
    });
  }

  /** Logs a refusal of sshferry's own. */
  logRefusal(why: string): void {
    this.#dialogue.log('ftp.data.refused', `no data connection: ${why}`, 'warn');
  }

  /** Adds a data port. Returns null at the limit. */
  add(client: Endpoint | null): DataPort | null {
    const { ports, policy } = this.#dialogue;
    return ports.size >= policy.limits.dataConnections ? null : ports.add(client);
  }

  tooMany(): Uint8Array {
    const words = `${this.#dialogue.ports.size} data connections are open already`;
    this.logRefusal(words);
    return reply(425, `sshferry: ${words}`);
  }
}

import { GatewayError } from '../../errors.ts';

/** The largest window that ssh2 sees, in bytes. */
const LARGEST = 64 * 1024 * 1024;
/** The largest window that SSH has (RFC 4254 5.2). */
const MOST = 2 ** 32 - 1;

/**
 * The sending side of a channel, in the form of ssh2's `outgoing` (lib/Channel.js): ssh2 subtracts
 * what it sends from `window`, and adds what the server grants.
 *
 * `window` shows at most 64 MiB, whatever the server grants. The rest is kept for later: a server
 * that opens with 2 GiB may send its next grant only after the first GiB.
 *
 * Throws, which ends the connection, when a server grants more than SSH has numbers for.
 */
export class SendWindow {
  readonly id: number;
  readonly packetSize: number;
  state: string;
  #granted: number;

  constructor({ id, packetSize, state, window }: Pick<SendWindow, 'id' | 'packetSize' | 'state' | 'window'>) {
    this.id = id;
    this.packetSize = packetSize;
    this.state = state;
    this.#granted = window;
  }

  get window(): number {
    return Math.min(this.#granted, LARGEST);
  }

  set window(next: number) {
    this.#granted += next - this.window;
    if (this.#granted > MOST)
      throw new GatewayError('SSH_LOST', 'the server granted a larger window than SSH allows (RFC 4254 5.2)');
  }
}

import { GatewayError } from '../errors.ts';

/** How much is sent at most without the other side having asked for more, in bytes. */
const LARGEST = 64 * 1024 * 1024;
/** What the other side may grant in all (RFC 4254 5.2). */
const MOST = 2 ** 32 - 1;

/**
 * The sending side of a channel as ssh2 knows it (`outgoing` of lib/Channel.js): it reads `window`, takes off what it sends, and adds what
 * the server grants.
 *
 * It never shows more than 64 MiB, so that a server's word alone does not decide how much is sent at once. What was granted beyond that
 * counts later: a server that opens with 2 GiB and asks for more after the first GiB must not be left waiting. Throws, which ends the
 * connection, when a server grants more than the protocol has numbers for.
 */
export class SendWindow {
  readonly id: number;
  readonly packetSize: number;
  state: string;
  #granted: number;

  constructor({ id, packetSize, state, window }: SendWindow | SendWindowFields) {
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
      throw new GatewayError('SSH_LOST', 'the server granted a window that SSH does not have (RFC 4254 5.2)');
  }
}

interface SendWindowFields {
  readonly id: number;
  readonly packetSize: number;
  readonly state: string;
  readonly window: number;
}

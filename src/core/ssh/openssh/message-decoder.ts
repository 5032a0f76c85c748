import {
  CHANNEL_DATA,
  CHANNEL_EXTENDED_DATA,
  decodeMessage,
  type ServerMessage,
} from './connection-messages.ts';
import { malformed } from './fields.ts';

/** The largest message with data that is accepted, in bytes: a master itself takes no more. */
const LARGEST = 256 * 1024;
/** The largest other message. */
const LARGEST_WITHOUT_DATA = 64 * 1024;

/** Receives the messages of a master in proxy mode, in order. What it throws ends the feed. */
export interface MessageReceiver {
  onMessage(message: ServerMessage): void;
  /** A part of a data message; the parts together are its data. */
  onData(channel: number, part: Buffer): void;
  /** Extended data of this length. */
  onExtendedData(channel: number, bytes: number): void;
}

/**
 * Decodes the output of a master in proxy mode, in any split. Passes data on as it arrives, without
 * a copy. Throws `SSH_LOST` for malformed bytes; must not be fed again then.
 */
export class MessageDecoder {
  readonly #receiver: MessageReceiver;
  /** An incomplete head, or an incomplete message without data. */
  #pending: Buffer = NOTHING;
  /** The data message that is under way: what it lacks. */
  #data: { readonly channel: number; readonly extended: boolean; left: number } | null = null;

  constructor(receiver: MessageReceiver) {
    this.#receiver = receiver;
  }

  feed(chunk: Buffer): void {
    let bytes = chunk;
    while (bytes.length > 0) {
      bytes = this.#data === null ? this.#takeMessage(bytes) : this.#takeData(this.#data, bytes);
    }
  }

  #takeData(data: { channel: number; extended: boolean; left: number }, bytes: Buffer): Buffer {
    const part = bytes.subarray(0, data.left);
    data.left -= part.length;
    if (data.left === 0) this.#data = null;
    if (data.extended) this.#receiver.onExtendedData(data.channel, part.length);
    else this.#receiver.onData(data.channel, part);
    return bytes.subarray(part.length);
  }

  /** Returns what follows the next message, or the head of a data message. */
  #takeMessage(chunk: Buffer): Buffer {
    const bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#pending = NOTHING;
    const wait = () => {
      this.#pending = bytes;
      return NOTHING;
    };
    // uint32 length, byte 0, byte type.
    if (bytes.length < 6) return wait();
    const end = 4 + bytes.readUInt32BE(0);
    if (bytes[4] !== 0 || end < 6) throw malformed('the head of a message');
    const code = bytes[5];
    if (code === CHANNEL_DATA || code === CHANNEL_EXTENDED_DATA) {
      const extended = code === CHANNEL_EXTENDED_DATA;
      const head = extended ? 18 : 14;
      if (bytes.length < head) return end < head ? badData() : wait();
      const left = bytes.readUInt32BE(head - 4);
      if (end > 4 + LARGEST || end !== head + left) return badData();
      if (left > 0) this.#data = { channel: bytes.readUInt32BE(6), extended, left };
      return bytes.subarray(head);
    }
    if (end > LARGEST_WITHOUT_DATA) throw malformed(`message ${code} of ${end} bytes`);
    if (bytes.length < end) return wait();
    this.#receiver.onMessage(decodeMessage(bytes.subarray(5, end)));
    return bytes.subarray(end);
  }
}

const NOTHING: Buffer = Buffer.alloc(0);

function badData(): never {
  throw malformed('data of a wrong length');
}

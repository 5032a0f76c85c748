import type { Endpoint } from '../../endpoint.ts';
import { ORIGINATOR } from '../connection/originator.ts';
import { booleanField, encodeFields, type Field, FieldReader } from './fields.ts';

/*
 * The messages of the SSH connection protocol (RFC 4254) as a master in proxy mode carries them:
 * uint32 length, byte 0, byte type, fields. No padding, no MAC. No I/O.
 */

const GLOBAL_REQUEST = 80;
export const CHANNEL_OPEN = 90;
export const CHANNEL_OPEN_CONFIRMATION = 91;
export const CHANNEL_OPEN_FAILURE = 92;
export const CHANNEL_WINDOW_ADJUST = 93;
export const CHANNEL_DATA = 94;
export const CHANNEL_EXTENDED_DATA = 95;
const CHANNEL_EOF = 96;
const CHANNEL_CLOSE = 97;
export const CHANNEL_REQUEST = 98;
const CHANNEL_SUCCESS = 99;
const CHANNEL_FAILURE = 100;

/** SSH_OPEN_ADMINISTRATIVELY_PROHIBITED (RFC 4254 5.1). */
const PROHIBITED = 1;

/** A message of the server, except for data. `channel` is this side's number. */
export type ServerMessage =
  | { readonly type: 'open'; readonly sender: number }
  | {
      readonly type: 'confirmed';
      readonly channel: number;
      readonly sender: number;
      readonly window: number;
      readonly packet: number;
    }
  | { readonly type: 'refused'; readonly channel: number; readonly reason: number; readonly text: string }
  | { readonly type: 'adjust'; readonly channel: number; readonly bytes: number }
  | { readonly type: 'eof' | 'close' | 'success' | 'failure'; readonly channel: number }
  | { readonly type: 'request'; readonly channel: number; readonly wantsReply: boolean }
  | { readonly type: 'global'; readonly wantsReply: boolean }
  /** Nothing that a channel needs. */
  | { readonly type: 'other'; readonly code: number };

/** Decodes the payload of one message, from its type on. Throws `SSH_LOST` if it is malformed. */
export function decodeMessage(payload: Buffer): ServerMessage {
  const fields = new FieldReader(payload);
  const code = fields.byte();
  switch (code) {
    case CHANNEL_OPEN:
      fields.string();
      return { type: 'open', sender: fields.uint32() };
    case CHANNEL_OPEN_CONFIRMATION:
      return {
        type: 'confirmed',
        channel: fields.uint32(),
        sender: fields.uint32(),
        window: fields.uint32(),
        packet: fields.uint32(),
      };
    case CHANNEL_OPEN_FAILURE:
      return { type: 'refused', channel: fields.uint32(), reason: fields.uint32(), text: fields.text() };
    case CHANNEL_WINDOW_ADJUST:
      return { type: 'adjust', channel: fields.uint32(), bytes: fields.uint32() };
    case CHANNEL_EOF:
      return { type: 'eof', channel: fields.uint32() };
    case CHANNEL_CLOSE:
      return { type: 'close', channel: fields.uint32() };
    case CHANNEL_SUCCESS:
      return { type: 'success', channel: fields.uint32() };
    case CHANNEL_FAILURE:
      return { type: 'failure', channel: fields.uint32() };
    case CHANNEL_REQUEST: {
      const channel = fields.uint32();
      fields.string();
      return { type: 'request', channel, wantsReply: fields.boolean() };
    }
    case GLOBAL_REQUEST:
      fields.string();
      return { type: 'global', wantsReply: fields.boolean() };
    default:
      return { type: 'other', code };
  }
}

/** What a new channel announces: this side's number, its window and its largest packet, in bytes. */
export interface Announced {
  readonly channel: number;
  readonly window: number;
  readonly packet: number;
}

export const connectionMessages = {
  /** RFC 4254 7.2. */
  openDirectTcpip: (announced: Announced, to: Endpoint) =>
    open('direct-tcpip', announced, to.host, to.port, ORIGINATOR.host, ORIGINATOR.port),
  /** OpenSSH's PROTOCOL, 2.4. */
  openDirectStreamLocal: (announced: Announced, path: string) =>
    open('direct-streamlocal@openssh.com', announced, path, '', 0),
  /** RFC 4254 6.1. */
  openSession: (announced: Announced) => open('session', announced),
  /** RFC 4254 6.5. */
  subsystem: (channel: number, name: string) =>
    frame(CHANNEL_REQUEST, channel, 'subsystem', booleanField(true), name),
  /** A request that servers refuse, which shows that they answer. */
  ping: (channel: number) => frame(CHANNEL_REQUEST, channel, 'keepalive@openssh.com', booleanField(true)),
  adjust: (channel: number, bytes: number) => frame(CHANNEL_WINDOW_ADJUST, channel, bytes),
  eof: (channel: number) => frame(CHANNEL_EOF, channel),
  close: (channel: number) => frame(CHANNEL_CLOSE, channel),
  requestFailure: (channel: number) => frame(CHANNEL_FAILURE, channel),
  refuseOpen: (channel: number) => frame(CHANNEL_OPEN_FAILURE, channel, PROHIBITED, 'not requested', ''),
  /** The head of a data message of `length` bytes, which have to follow. */
  dataHead: (channel: number, length: number) => {
    const head = Buffer.allocUnsafe(DATA_HEAD);
    head.writeUInt32BE(DATA_HEAD - 4 + length, 0);
    head.writeUInt8(0, 4);
    head.writeUInt8(CHANNEL_DATA, 5);
    head.writeUInt32BE(channel, 6);
    head.writeUInt32BE(length, 10);
    return head;
  },
};

const DATA_HEAD = 14;

function open(kind: string, { channel, window, packet }: Announced, ...more: Field[]): Buffer {
  return frame(CHANNEL_OPEN, kind, channel, window, packet, ...more);
}

function frame(type: number, first: Field, ...fields: Field[]): Buffer {
  const body = encodeFields([{ raw: Buffer.from([0, type]) }, first, ...fields]);
  return encodeFields([body.length, { raw: body }]);
}

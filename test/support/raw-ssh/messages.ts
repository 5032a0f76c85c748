import { randomBytes } from 'node:crypto';
import { Reader, Writer } from './encoding.ts';

/** Message numbers (RFC 4250 4.1.2, RFC 4419 5, RFC 8308 2.3). */
export const MSG = {
  DISCONNECT: 1,
  IGNORE: 2,
  UNIMPLEMENTED: 3,
  DEBUG: 4,
  SERVICE_REQUEST: 5,
  SERVICE_ACCEPT: 6,
  EXT_INFO: 7,
  KEXINIT: 20,
  NEWKEYS: 21,
  KEX_ECDH_INIT: 30,
  KEX_ECDH_REPLY: 31,
  KEX_DH_GEX_GROUP: 31,
  KEX_DH_GEX_INIT: 32,
  KEX_DH_GEX_REPLY: 33,
  KEX_DH_GEX_REQUEST: 34,
  USERAUTH_REQUEST: 50,
  USERAUTH_FAILURE: 51,
  USERAUTH_SUCCESS: 52,
  USERAUTH_BANNER: 53,
  USERAUTH_PK_OK: 60,
  USERAUTH_INFO_REQUEST: 60,
  USERAUTH_INFO_RESPONSE: 61,
  GLOBAL_REQUEST: 80,
  REQUEST_SUCCESS: 81,
  REQUEST_FAILURE: 82,
  CHANNEL_OPEN: 90,
  CHANNEL_OPEN_CONFIRMATION: 91,
  CHANNEL_OPEN_FAILURE: 92,
  CHANNEL_WINDOW_ADJUST: 93,
  CHANNEL_DATA: 94,
  CHANNEL_EXTENDED_DATA: 95,
  CHANNEL_EOF: 96,
  CHANNEL_CLOSE: 97,
  CHANNEL_REQUEST: 98,
  CHANNEL_SUCCESS: 99,
  CHANNEL_FAILURE: 100,
} as const;

const message = (type: number) => new Writer().byte(type);

/** The lists of a KEXINIT; each applies to both directions. */
export interface Offer {
  readonly kex: readonly string[];
  readonly hostKey: readonly string[];
  readonly cipher: readonly string[];
  readonly mac: readonly string[];
}

export const kexInit = ({ kex, hostKey, cipher, mac }: Offer): Buffer =>
  message(MSG.KEXINIT)
    .raw(randomBytes(16))
    .names(kex)
    .names(hostKey)
    .names(cipher)
    .names(cipher)
    .names(mac)
    .names(mac)
    .names(['none'])
    .names(['none'])
    .names([])
    .names([])
    .bool(false)
    .uint32(0)
    .done();

export const newKeys = (): Buffer => message(MSG.NEWKEYS).done();

export const disconnect = (reason: number, text: string): Buffer =>
  message(MSG.DISCONNECT).uint32(reason).string(text).string('').done();

export const ignore = (data = ''): Buffer => message(MSG.IGNORE).string(data).done();

export const debug = (text: string): Buffer => message(MSG.DEBUG).bool(true).string(text).string('').done();

export const unimplemented = (sequence: number): Buffer => message(MSG.UNIMPLEMENTED).uint32(sequence).done();

export const serviceAccept = (name = 'ssh-userauth'): Buffer =>
  message(MSG.SERVICE_ACCEPT).string(name).done();

/** EXT_INFO with `server-sig-algs`. */
export const serverSigAlgs = (names: readonly string[]): Buffer =>
  message(MSG.EXT_INFO).uint32(1).string('server-sig-algs').names(names).done();

export const userauthSuccess = (): Buffer => message(MSG.USERAUTH_SUCCESS).done();

export const userauthFailure = (methods: readonly string[], partial = false): Buffer =>
  message(MSG.USERAUTH_FAILURE).names(methods).bool(partial).done();

export const userauthBanner = (text: string): Buffer =>
  message(MSG.USERAUTH_BANNER).string(text).string('').done();

export const userauthPkOk = (algorithm: string, key: Buffer): Buffer =>
  message(MSG.USERAUTH_PK_OK).string(algorithm).string(key).done();

/** USERAUTH_INFO_REQUEST of keyboard-interactive, with hidden answers. */
export const infoRequest = (name: string, instruction: string, prompts: readonly string[]): Buffer => {
  const writer = message(MSG.USERAUTH_INFO_REQUEST).string(name).string(instruction).string('');
  writer.uint32(prompts.length);
  for (const prompt of prompts) writer.string(prompt).bool(false);
  return writer.done();
};

export const globalRequest = (name: string, wantReply: boolean, data: Buffer = Buffer.alloc(0)): Buffer =>
  message(MSG.GLOBAL_REQUEST).string(name).bool(wantReply).raw(data).done();

/** REQUEST_SUCCESS. `port` answers a tcpip-forward for port 0. */
export const requestSuccess = (port?: number): Buffer => {
  const writer = message(MSG.REQUEST_SUCCESS);
  return (port === undefined ? writer : writer.uint32(port)).done();
};

export const requestFailure = (): Buffer => message(MSG.REQUEST_FAILURE).done();

/** The limits that a side announces for a channel. */
export interface Limits {
  readonly window?: number;
  readonly packet?: number;
}

export const channelOpen = (
  type: string,
  sender: number,
  { window = 2 ** 21, packet = 2 ** 15 }: Limits = {},
  data: Buffer = Buffer.alloc(0),
): Buffer =>
  message(MSG.CHANNEL_OPEN).string(type).uint32(sender).uint32(window).uint32(packet).raw(data).done();

/** Opens a channel for a connection to one of the server's listeners (RFC 4254 7.2). */
export const forwardedTcpip = (
  sender: number,
  bound: { host: string; port: number },
  from: { host: string; port: number },
  limits: Limits = {},
): Buffer =>
  channelOpen(
    'forwarded-tcpip',
    sender,
    limits,
    new Writer().string(bound.host).uint32(bound.port).string(from.host).uint32(from.port).done(),
  );

export const openConfirmation = (
  recipient: number,
  sender: number,
  { window = 2 ** 21, packet = 2 ** 15 }: Limits = {},
): Buffer =>
  message(MSG.CHANNEL_OPEN_CONFIRMATION)
    .uint32(recipient)
    .uint32(sender)
    .uint32(window)
    .uint32(packet)
    .done();

export const openFailure = (recipient: number, reason: number, text: string): Buffer =>
  message(MSG.CHANNEL_OPEN_FAILURE).uint32(recipient).uint32(reason).string(text).string('').done();

export const windowAdjust = (recipient: number, bytes: number): Buffer =>
  message(MSG.CHANNEL_WINDOW_ADJUST).uint32(recipient).uint32(bytes).done();

export const channelData = (recipient: number, data: string | Uint8Array): Buffer =>
  message(MSG.CHANNEL_DATA).uint32(recipient).string(data).done();

/** CHANNEL_EXTENDED_DATA of the type stderr (RFC 4254 5.2). */
export const extendedData = (recipient: number, data: string | Uint8Array): Buffer =>
  message(MSG.CHANNEL_EXTENDED_DATA).uint32(recipient).uint32(1).string(data).done();

export const channelEof = (recipient: number): Buffer => message(MSG.CHANNEL_EOF).uint32(recipient).done();

export const channelClose = (recipient: number): Buffer =>
  message(MSG.CHANNEL_CLOSE).uint32(recipient).done();

export const channelRequest = (recipient: number, type: string, wantReply: boolean): Buffer =>
  message(MSG.CHANNEL_REQUEST).uint32(recipient).string(type).bool(wantReply).done();

export const channelSuccess = (recipient: number): Buffer =>
  message(MSG.CHANNEL_SUCCESS).uint32(recipient).done();

export const channelFailure = (recipient: number): Buffer =>
  message(MSG.CHANNEL_FAILURE).uint32(recipient).done();

/** A client's CHANNEL_OPEN; `to` is the target of a direct-tcpip. */
export interface OpenRequest {
  readonly type: string;
  /** The client's number for the channel. */
  readonly sender: number;
  readonly window: number;
  readonly packet: number;
  readonly to: { readonly host: string; readonly port: number } | null;
}

export function readOpen(payload: Buffer): OpenRequest {
  const reader = new Reader(payload);
  const type = reader.string();
  const [sender, window, packet] = [reader.uint32(), reader.uint32(), reader.uint32()];
  const to = type === 'direct-tcpip' ? { host: reader.string(), port: reader.uint32() } : null;
  return { type, sender, window, packet, to };
}

/** A client's USERAUTH_REQUEST; `rest` holds the method's own fields. */
export interface AuthRequest {
  readonly user: string;
  readonly method: string;
  readonly rest: Buffer;
}

export function readAuth(payload: Buffer): AuthRequest {
  const reader = new Reader(payload);
  const user = reader.string();
  reader.string();
  return { user, method: reader.string(), rest: reader.rest() };
}

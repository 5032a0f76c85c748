import {
  createDiffieHellman,
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
} from 'node:crypto';
import type { RawSshConnection } from './connection.ts';
import { Reader, Writer } from './encoding.ts';
import { type Framing, GcmFraming } from './framing.ts';
import type { RawHostKey } from './host-key.ts';
import { kexInit, MSG, newKeys, type Offer } from './messages.ts';

/** The points of a key exchange after which packets can be injected. */
export const POINTS = ['identification', 'kexinit', 'reply', 'newkeys'] as const;
export type Point = (typeof POINTS)[number];

/** How the server exchanges keys. The default is correct behaviour. */
export interface KeyExchangeOptions {
  readonly hostKey: RawHostKey;
  /** The identification line; default: an OpenSSH version. */
  readonly identification?: string;
  /** Replaces lists of OFFER. */
  readonly offer?: Partial<Offer>;
  /**
   * Payloads to send in the same segment, after the server's identification, KEXINIT, key exchange
   * reply or NEWKEYS. Those after NEWKEYS are encrypted with the new keys, the others are not.
   */
  readonly inject?: Partial<Record<Point, readonly Buffer[]>>;
  /** Payloads to send in plaintext after NEWKEYS, which no client may accept. */
  readonly injectPlain?: readonly Buffer[];
  /** Whether the reply, NEWKEYS and what is injected share one segment. Default: true. */
  readonly oneSegment?: boolean;
  /** The group to send, if the offer is GROUP_EXCHANGE. */
  readonly group?: { readonly prime: Buffer; readonly generator: Buffer };
  /** Whether to wait for the client's NEWKEYS at the end. Default: true. */
  readonly wait?: boolean;
}

export const OFFER: Offer = {
  kex: ['curve25519-sha256'],
  hostKey: ['ssh-ed25519'],
  cipher: ['aes128-gcm@openssh.com'],
  mac: ['hmac-sha2-256'],
};

export const GROUP_EXCHANGE = 'diffie-hellman-group-exchange-sha256';

/**
 * Performs the first key exchange, from the identifications to the client's NEWKEYS. Rejects with
 * ClientGone if the client hangs up before the end.
 */
export async function exchangeKeys(connection: RawSshConnection, options: KeyExchangeOptions): Promise<void> {
  const { inject = {} } = options;
  connection.together(() => {
    connection.identify(options.identification);
    connection.sendPlain(...(inject.identification ?? []));
  });
  await connection.identified();
  await rekey(connection, options);
}

/** Performs a key exchange after the identifications: the first, or a rekey. */
export async function rekey(connection: RawSshConnection, options: KeyExchangeOptions): Promise<void> {
  const { hostKey, inject = {}, injectPlain = [], oneSegment = true, wait = true } = options;
  const own = kexInit({ ...OFFER, ...options.offer });
  connection.together(() => connection.send(own, ...(inject.kexinit ?? [])));
  const theirs = await connection.receive(MSG.KEXINIT);
  const shared = await (options.offer?.kex?.[0] === GROUP_EXCHANGE
    ? groupExchange(connection, options.group)
    : curve25519(connection));
  const hash = exchangeHash(connection, theirs, own, hostKey, shared);
  if (connection.sessionId.length === 0) connection.sessionId = hash;
  const { outgoing, incoming } = deriveKeys(connection.sessionId, hash, shared.secret);
  connection.expectKeys(incoming);

  const reply = new Writer()
    .byte(shared.replyType)
    .string(hostKey.blob)
    .raw(shared.reply)
    .string(hostKey.sign(hash))
    .done();
  const steps = [
    () => connection.send(reply, ...(inject.reply ?? [])),
    () => {
      connection.send(newKeys());
      connection.useKeys(outgoing);
      connection.send(...(inject.newkeys ?? []));
      connection.sendPlain(...injectPlain);
    },
  ];
  const all = () => {
    for (const step of steps) step();
  };
  if (oneSegment) connection.together(all);
  else for (const step of steps) connection.together(step);
  if (wait) await connection.receive(MSG.NEWKEYS);
}

/** The method's part of the exchange hash and of the reply. */
interface Shared {
  readonly secret: Buffer;
  /** The method's part of the exchange hash, without the secret. */
  readonly hashed: Buffer;
  readonly replyType: number;
  /** The server's public value, as encoded in the reply. */
  readonly reply: Buffer;
}

/** RFC 8731. */
async function curve25519(connection: RawSshConnection): Promise<Shared> {
  const theirs = new Reader(await connection.receive(MSG.KEX_ECDH_INIT)).bytes();
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  const own = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  const secret = diffieHellman({
    privateKey,
    publicKey: createPublicKey({
      key: { kty: 'OKP', crv: 'X25519', x: theirs.toString('base64url') },
      format: 'jwk',
    }),
  });
  return {
    secret,
    hashed: new Writer().string(theirs).string(own).done(),
    replyType: MSG.KEX_ECDH_REPLY,
    reply: new Writer().string(own).done(),
  };
}

/** RFC 4419. */
async function groupExchange(
  connection: RawSshConnection,
  group: KeyExchangeOptions['group'],
): Promise<Shared> {
  if (group === undefined) throw new Error('a group exchange needs a group');
  const asked = (await connection.receive(MSG.KEX_DH_GEX_REQUEST)).subarray(1);
  const { prime, generator } = group;
  connection.send(new Writer().byte(MSG.KEX_DH_GEX_GROUP).mpint(prime).mpint(generator).done());
  const theirs = new Reader(await connection.receive(MSG.KEX_DH_GEX_INIT)).bytes();
  const dh = createDiffieHellman(prime, generator);
  const own = dh.generateKeys();
  return {
    secret: dh.computeSecret(theirs),
    hashed: new Writer().raw(asked).mpint(prime).mpint(generator).mpint(theirs).mpint(own).done(),
    replyType: MSG.KEX_DH_GEX_REPLY,
    reply: new Writer().mpint(own).done(),
  };
}

/** RFC 4253 8. */
function exchangeHash(
  connection: RawSshConnection,
  clientInit: Buffer,
  serverInit: Buffer,
  hostKey: RawHostKey,
  { hashed, secret }: Shared,
): Buffer {
  const text = new Writer()
    .string(connection.clientIdentification)
    .string(connection.serverIdentification)
    .string(clientInit)
    .string(serverInit)
    .string(hostKey.blob)
    .raw(hashed)
    .mpint(secret)
    .done();
  return createHash('sha256').update(text).digest();
}

/** RFC 4253 7.2. */
function deriveKeys(
  sessionId: Buffer,
  hash: Buffer,
  secret: Buffer,
): { outgoing: Framing; incoming: Framing } {
  const key = (letter: string) =>
    createHash('sha256')
      .update(new Writer().mpint(secret).raw(hash).raw(Buffer.from(letter)).raw(sessionId).done())
      .digest();
  return {
    incoming: new GcmFraming(key('C'), key('A')),
    outgoing: new GcmFraming(key('D'), key('B')),
  };
}

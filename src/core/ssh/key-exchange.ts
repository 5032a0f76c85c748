import type { Client } from 'ssh2';
import { GatewayError } from '../errors.ts';
import { protocolOf, type RawKeyExchange } from './ssh2-internals.ts';

/** The smallest and largest group that a server may choose, in bits: DH_GRP_MIN and DH_GRP_MAX of OpenSSH's dh.h. */
const SMALLEST_GROUP = 2048;
const LARGEST_GROUP = 8192;

/** How long a further key exchange may take, in milliseconds; nothing else can be sent meanwhile. */
const TIME_LIMIT = 120_000;

/**
 * Holds each key exchange of a connection to its bounds: the size of a group (see `checkGroup`), and of those after the first the time; the
 * first belongs to the login. Where one is exceeded, the client emits a GatewayError as its `error`. To be called between `connect` and
 * the first data.
 */
export function boundKeyExchanges(client: Client, host: string): void {
  let limit: NodeJS.Timeout | undefined;
  let first = true;
  const done = () => clearTimeout(limit);
  client.on('handshake', done).on('close', done);
  onKeyExchange(client, (exchange) => {
    checkGroup(exchange, host);
    if (!first) limit = setTimeout(() => client.emit('error', tooLong(host)), TIME_LIMIT);
    first = false;
  });
}

/**
 * Calls `begin` with each key exchange once it is agreed how to exchange, before the first message of it is sent. ssh2 has no event for
 * that. What `begin` throws ends the connection.
 */
function onKeyExchange(client: Client, begin: (exchange: RawKeyExchange) => void): void {
  let current: RawKeyExchange | undefined;
  Object.defineProperty(protocolOf(client), '_kex', {
    configurable: true,
    enumerable: true,
    get: () => current,
    set: (exchange: RawKeyExchange) => {
      current = exchange;
      begin(exchange);
    },
  });
}

function tooLong(host: string): GatewayError {
  return new GatewayError(
    'SSH_LOST',
    `the SSH connection to ${host} was closed here: a new key exchange was not finished within ${TIME_LIMIT / 1000} s`,
  );
}

/** Whether a key exchange is under way: what is sent now, ssh2 keeps until it is done. */
export function isExchanging(client: Client): boolean {
  return protocolOf(client)._kexinit !== undefined;
}

/**
 * Refuses a group that is too small or too large, `SSH_UNSUPPORTED`, as OpenSSH does (kexgexc.c). ssh2 asks for at least 2048 bits, and
 * takes what it is given. Does nothing to other methods, whose groups are fixed.
 */
function checkGroup(exchange: RawKeyExchange, host: string): void {
  const take = exchange.setDHParams?.bind(exchange);
  if (take === undefined) return;
  exchange.setDHParams = (prime, generator) => {
    const bits = bitLength(prime);
    if (bits < SMALLEST_GROUP || bits > LARGEST_GROUP) {
      throw new GatewayError(
        'SSH_UNSUPPORTED',
        `${host} chose a Diffie-Hellman group of ${bits} bits for the key exchange; ${SMALLEST_GROUP} to ${LARGEST_GROUP} are accepted. ` +
          'Repair its moduli file, or do without: -o KexAlgorithms=-diffie-hellman-group-exchange-*',
      );
    }
    take(prime, generator);
  };
}

/** How many bits an unsigned number has, most significant byte first. */
function bitLength(number: Uint8Array): number {
  const start = number.findIndex((byte) => byte !== 0);
  return start < 0 ? 0 : (number.length - start) * 8 - (Math.clz32(number[start] ?? 0) - 24);
}

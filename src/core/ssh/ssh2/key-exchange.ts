import type { Client } from 'ssh2';
import { GatewayError } from '../../errors.ts';
import { protocolOf, type RawKeyExchange } from './internals.ts';

/**
 * The group sizes that a server may choose, in bits: DH_GRP_MIN and DH_GRP_MAX of OpenSSH's dh.h.
 */
const SMALLEST_GROUP = 2048;
const LARGEST_GROUP = 8192;
/** Time limit of a rekey, in milliseconds. Nothing else can be sent during a rekey. */
const TIME_LIMIT = 120_000;

/**
 * Limits each key exchange: the size of its group (see `checkGroup`) and, for rekeys, the time. The
 * first exchange counts for the login's time limit instead.
 *
 * When a limit is exceeded, the client emits a GatewayError as its `error`. Call it between
 * `connect` and the first data.
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
 * Calls `begin` with each key exchange after the algorithms are agreed, before its first message is
 * sent. ssh2 has no event for that. An exception from `begin` ends the connection.
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
    `sshferry closed the SSH connection to ${host}: a rekey did not finish within ${TIME_LIMIT / 1000} s`,
  );
}

/** Returns whether a key exchange is running. ssh2 queues what is sent meanwhile. */
export function isExchanging(client: Client): boolean {
  return protocolOf(client)._kexinit !== undefined;
}

/**
 * Makes a group exchange refuse a group that is too small or too large (`SSH_UNSUPPORTED`), as
 * OpenSSH does (kexgexc.c). ssh2 asks for at least 2048 bits but accepts any answer. Other methods
 * have fixed groups.
 */
function checkGroup(exchange: RawKeyExchange, host: string): void {
  const take = exchange.setDHParams?.bind(exchange);
  if (take === undefined) return;
  exchange.setDHParams = (prime, generator) => {
    const bits = bitLength(prime);
    if (bits < SMALLEST_GROUP || bits > LARGEST_GROUP) {
      throw new GatewayError(
        'SSH_UNSUPPORTED',
        `${host} chose a Diffie-Hellman group of ${bits} bits; sshferry accepts ${SMALLEST_GROUP} to ${LARGEST_GROUP}. ` +
          'Fix its moduli file, or disable the method: -o KexAlgorithms=-diffie-hellman-group-exchange-*',
      );
    }
    take(prime, generator);
  };
}

/** Returns the length of an unsigned big-endian number, in bits. */
function bitLength(number: Uint8Array): number {
  const start = number.findIndex((byte) => byte !== 0);
  return start < 0 ? 0 : (number.length - start) * 8 - (Math.clz32(number[start] ?? 0) - 24);
}

import { randomFillSync } from 'node:crypto';
import type { Client } from 'ssh2';
import { processWide } from '../../process-wide.ts';

/**
 * The part of ssh2's cipher for AES-GCM that is used (ssh2 1.17.0, lib/protocol/crypto.js,
 * AESGCMCipherBinding).
 */
interface PacketCipher {
  /**
   * Returns a packet with room for `payloadLen` bytes from offset 5 on; all around them is written
   * (RFC 5647 7.2).
   */
  allocPacket(payloadLen: number): Buffer;
}

/** The class that encrypts in ssh2's native addon. For the others, padding is not what costs. */
const CLASS = 'AESGCMCipherBinding';
const TAG = 16;
const BLOCK = 16;
const LEAST_PADDING = 4;

/** Random bytes, and how many of them are used up. */
const random = processWide('ssh2-padding', () => ({ pool: Buffer.allocUnsafe(4096), used: 4096 }));

/**
 * Takes the random padding (RFC 4253 6) of sent packets from a pool. ssh2 asks OpenSSL for these
 * few bytes for each packet, which costs nearly as much as encrypting it.
 *
 * Call it after a key exchange. Changes the cipher's class, for all connections of the process,
 * once. Does nothing if ssh2 uses another cipher or class.
 */
export function padFromPool(client: Client): void {
  const cipher = (client as unknown as { _protocol?: { _cipher?: PacketCipher } })._protocol?._cipher;
  if (cipher?.constructor.name !== CLASS) return;
  const prototype: PacketCipher = Object.getPrototypeOf(cipher);
  if (prototype.allocPacket !== allocPacket) prototype.allocPacket = allocPacket;
}

/** Returns the same packet as ssh2's own, but with padding from the pool. */
function allocPacket(payloadLen: number): Buffer {
  const rest = (1 + payloadLen) % BLOCK;
  const padding = BLOCK - rest < LEAST_PADDING ? 2 * BLOCK - rest : BLOCK - rest;
  const end = 5 + payloadLen + padding;
  const packet = Buffer.allocUnsafe(end + TAG);
  packet.writeUInt32BE(end - 4, 0);
  packet[4] = padding;
  if (random.used + padding > random.pool.length) {
    randomFillSync(random.pool);
    random.used = 0;
  }
  packet.set(random.pool.subarray(random.used, random.used + padding), 5 + payloadLen);
  random.used += padding;
  return packet;
}

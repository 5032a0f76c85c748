import { randomFillSync } from 'node:crypto';
import type { Client } from 'ssh2';
import { processWide } from '../../process-wide.ts';

/** What of ssh2's cipher for AES-GCM is used (ssh2 1.17.0, lib/protocol/crypto.js, AESGCMCipherBinding). */
interface PacketCipher {
  /** A packet to write `payloadLen` bytes into from offset 5; what is around them is written already (RFC 5647 7.2). */
  allocPacket(payloadLen: number): Buffer;
}

/** The class that encrypts in ssh2's native addon; the others are as slow as what they do. */
const CLASS = 'AESGCMCipherBinding';
const TAG = 16;
const BLOCK = 16;
const LEAST_PADDING = 4;

/** Random bytes, and how many of them are used up. */
const random = processWide('ssh2-padding', () => ({ pool: Buffer.allocUnsafe(4096), used: 4096 }));

/**
 * Gives the packets that a connection sends their random padding (RFC 4253 6) out of a pool. ssh2 asks OpenSSL for these few bytes
 * for each packet, which costs nearly as much as encrypting it. To be called when keys were exchanged; changes the cipher's class, for
 * all connections, once. Does nothing where ssh2 uses another cipher or another class.
 */
export function padFromPool(client: Client): void {
  const cipher = (client as unknown as { _protocol?: { _cipher?: PacketCipher } })._protocol?._cipher;
  if (cipher?.constructor.name !== CLASS) return;
  const prototype: PacketCipher = Object.getPrototypeOf(cipher);
  if (prototype.allocPacket !== allocPacket) prototype.allocPacket = allocPacket;
}

/** The same bytes as ssh2's own, but for where the padding comes from. */
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
